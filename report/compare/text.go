package compare

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
)

// Text writes the comparison for people who read it at a terminal, in 76 columns.
func (c *Comparison) Text(w io.Writer) error {
	var b strings.Builder
	facts.Write(&b, 12, "old", c.describe(c.Old))
	facts.Write(&b, 12, "new", c.describe(c.New))
	for _, change := range c.Changes {
		facts.Write(&b, 12, "changed", change.String())
	}
	for _, text := range c.Warnings {
		facts.Write(&b, 12, "warning", text)
	}
	scenario := ""
	for i, r := range c.Rows {
		if i == 0 || r.Scenario != scenario {
			scenario = r.Scenario
			fmt.Fprintf(&b, "\n%-27s %18s %18s %10s\n", scenario, "old", "new", "change")
		}
		name := r.Metric.String()
		if len([]rune(name)) > 25 {
			fmt.Fprintf(&b, "  %s\n", name)
			name = ""
		}
		line := fmt.Sprintf("  %-25s %18s %18s %10s", name, r.Metric.Unit.show(r.Old.Center)+spread(r.Old), r.Metric.Unit.show(r.New.Center)+spread(r.New), c.word(r))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	b.WriteByte('\n')
	if !c.Enough() {
		facts.Write(&b, 12, "runs", c.tooFew())
	} else if len(c.Rows) > 0 {
		facts.Write(&b, 12, "", fmt.Sprintf("Numbers are medians, ± is their interval at %.4g %%. A change is shown where it is less likely than %.4g by chance; ~ is none.", 100*c.Confidence, c.Alpha))
	}
	for _, g := range c.Gates {
		facts.Write(&b, 12, "gate", fmt.Sprintf("%s: %s, %s", g.Gate, strings.ToUpper(string(g.Outcome)), g.Message))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	return nil
}

// describe is a side in a line.
func (c *Comparison) describe(runs []*harness.Result) string {
	text := fmt.Sprintf("%d runs", len(runs))
	if len(runs) == 1 {
		text = "1 run"
	}
	versions := settings(runs)["target version"]
	if len(versions) > 0 {
		text += " of " + strings.Join(versions, " and ")
	}
	first, last := runs[0].StartedAt, runs[0].StartedAt
	failed := 0
	for _, r := range runs {
		if r.StartedAt.Before(first) {
			first = r.StartedAt
		}
		if r.StartedAt.After(last) {
			last = r.StartedAt
		}
		if r.Verdict != harness.Pass {
			failed++
		}
	}
	const day = "2006-01-02 15:04"
	if text += ", " + first.UTC().Format(day); last.Sub(first) >= time.Minute {
		text += " to " + last.UTC().Format(day)
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d of them no pass", failed)
	}
	return text
}

// word is the change of a row, or that there is none to tell.
func (c *Comparison) word(r Row) string {
	switch {
	case !r.Enough:
		return "too few"
	case !r.Differs:
		return "~"
	}
	text := delta(r)
	switch {
	case r.Worse():
		text += " worse"
	case r.Improved():
		text += " better"
	}
	return text
}

// delta is a change with its sign: as a share where there is one to be of.
func delta(r Row) string {
	d := r.Delta()
	if math.IsInf(d, 0) {
		return fmt.Sprintf("%+.3g", r.New.Center-r.Old.Center)
	}
	return fmt.Sprintf("%+.3g%%", 100*d)
}

// spread is the interval as a share of the center, or nothing where there are too
// few runs for one.
func spread(s Side) string {
	if math.IsInf(s.Low, 0) || math.IsInf(s.Hi, 0) || s.Center == 0 || math.IsNaN(s.Low) {
		return ""
	}
	wide := max(s.Hi-s.Center, s.Center-s.Low) / math.Abs(s.Center)
	return fmt.Sprintf(" ±%.0f%%", 100*wide)
}
