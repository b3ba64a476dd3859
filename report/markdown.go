package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
	"github.com/coderscale/scaletest/report/page"
)

// Markdown writes results as tables of GitHub's Markdown, for the summary of a
// job or a comment on a pull request: the verdict with its reasons, and for each
// scenario its actions, also by their tags, connections, thresholds and first
// failures, and beside them what did not count; for each disruption what was
// before, during and after it; and how the generator was. Whatever comes from
// elsewhere, such as an error's text, is shown as it is and can't format.
func Markdown(w io.Writer, results ...*harness.Result) error {
	var b strings.Builder
	for i, res := range results {
		if i > 0 {
			b.WriteByte('\n')
		}
		name := res.Name
		if name == "" {
			name = res.RunID
		}
		fmt.Fprintf(&b, "## %s: %s\n\n", plain(name), strings.ToUpper(string(res.Verdict)))
		for _, reason := range res.Reasons {
			fmt.Fprintf(&b, "- %s\n", plain(reason))
		}
		if len(res.Reasons) > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Run `%s`, %s, %s%s.\n", code(res.RunID), res.StartedAt.UTC().Format(time.RFC3339),
			duration(res.Seconds).Round(time.Millisecond), plain(against(res.Target)))
		if text := watched(res.Generator); text != "" {
			fmt.Fprintf(&b, "\nThe generator: %s.\n", plain(text))
		}
		markdownBottleneck(&b, res)
		for i := range res.Scenarios {
			markdownScenario(&b, res, &res.Scenarios[i])
		}
		for i := range res.Disruptions {
			markdownDisruption(&b, &res.Disruptions[i])
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

func against(target map[string]string) string {
	where := target["url"]
	if target["embedded"] == "true" {
		where = "the embedded deployment"
	}
	if where == "" {
		return ""
	}
	if v := target["version"]; v != "" {
		where += " (" + v + ")"
	}
	return ", against " + where
}

func markdownBottleneck(b *strings.Builder, res *harness.Result) {
	for i, f := range findings(res) {
		if i == 0 {
			b.WriteString("\nThe likely bottleneck:\n\n")
		}
		fmt.Fprintf(b, "- **%s** (%s)\n", plain(f.Title), f.Certainty)
		for _, e := range f.Evidence {
			fmt.Fprintf(b, "  - %s\n", plain(e))
		}
		for _, t := range f.Try {
			fmt.Fprintf(b, "  - to try: %s\n", plain(t))
		}
	}
}

func markdownScenario(b *strings.Builder, res *harness.Result, s *harness.ScenarioResult) {
	fmt.Fprintf(b, "\n### %s\n\n%s, load on for %.1fs\n\n", plain(s.Name), plain(s.Schedule+ofShard(res, s)), s.LoadSeconds)
	markdownHeader(b, "response times")
	eachAction(s.Actions, func(name string, a harness.ActionResult) { markdownRow(b, name, a) })
	eachAction(s.Setup, func(name string, a harness.ActionResult) { markdownRow(b, name+" (before the load)", a) })
	markdownRow(b, "the generator's lag", harness.ActionResult{Count: s.Lag.Count, Response: s.Lag})
	it := s.Iterations
	fmt.Fprintf(b, "\n%d users, %d iterations: %d succeeded, %d failed, %d interrupted, %d dropped, %d stuck; %d users not ready.\n",
		s.Users, it.Started, it.Succeeded, it.Failed, it.Interrupted, it.Dropped, it.Stuck, it.SetupFailed)
	if t := s.Throughput; t != nil {
		fmt.Fprintf(b, "\n%.2f of %.2f MB sent (%.2f %%).\n", float64(t.BytesAchieved)/1e6, float64(t.BytesIntended)/1e6, 100*t.Ratio)
	}
	if s.Connections != nil {
		fmt.Fprintf(b, "\n%s.\n", connections(s.Connections))
	}
	for _, p := range apart(s) {
		markdownPart(b, p)
	}
	if len(s.Thresholds) > 0 {
		b.WriteString("\n| threshold | holds | |\n|---|---|---|\n")
		for _, t := range s.Thresholds {
			holds, why := "yes", ""
			switch {
			case t.Undecided:
				holds, why = "not decided here", t.Message
			case !t.Passed:
				holds, why = "**no**", t.Message
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", plain(t.Threshold), holds, plain(why))
		}
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(b, "\nWarning: %s\n", plain(w))
	}
	shown := s.Failures[:min(shownFailures, len(s.Failures))]
	if len(shown) > 0 {
		b.WriteString("\nFailed runs:\n\n")
	}
	for _, f := range shown {
		fmt.Fprintf(b, "- user %d, iteration %d, %s: %s\n", f.User, f.Iteration, plain(f.Phase), plain(f.Error))
	}
	if more := len(s.Failures) + s.MoreFailures - len(shown); more > 0 {
		fmt.Fprintf(b, "- %d more, in the result\n", more)
	}
}

// markdownHeader begins a table of actions, and markdownRow is a line of it.
func markdownHeader(b *strings.Builder, title string) {
	fmt.Fprintf(b, "| %s | done | failed | p50 | p90 | p99 | max |\n|---|---:|---:|---:|---:|---:|---:|\n", title)
}

func markdownRow(b *strings.Builder, name string, a harness.ActionResult) {
	fmt.Fprintf(b, "| %s | %d | %d |", plain(name), a.Count, a.Errors)
	d := a.Response
	for _, v := range []float64{d.P50, d.P90, d.P99, d.Max} {
		if d.Count == 0 {
			b.WriteString(" |")
			continue
		}
		fmt.Fprintf(b, " %s |", short(v))
	}
	b.WriteByte('\n')
}

// markdownPart shows a part that does not count.
func markdownPart(b *strings.Builder, p namedPart) {
	fmt.Fprintf(b, "\nThe %s does not count: %.1fs, %s", p.name, p.part.Seconds, iterations(p.part.Iterations))
	if p.part.Connections != nil {
		fmt.Fprintf(b, "; %s", connections(p.part.Connections))
	}
	b.WriteString(".\n")
	if len(p.part.Actions) == 0 {
		return
	}
	b.WriteByte('\n')
	markdownHeader(b, "in the "+p.name+", not counted")
	eachAction(p.part.Actions, func(name string, a harness.ActionResult) { markdownRow(b, name, a) })
}

func markdownDisruption(b *strings.Builder, d *harness.DisruptionResult) {
	fmt.Fprintf(b, "\n### Disruption %s\n\nIt began %s.\n", plain(d.Name), plain(outcome(d)))
	for i := range d.Scenarios {
		fmt.Fprintf(b, "\n| %s | before | during | after |\n|---|---:|---:|---:|\n", plain(d.Scenarios[i].Name))
		for _, row := range disruptedRows(&d.Scenarios[i]) {
			fmt.Fprintf(b, "| %s |", plain(row.name))
			for _, cell := range row.cells {
				fmt.Fprintf(b, " %s |", strings.TrimSpace(plain(cell)))
			}
			b.WriteByte('\n')
		}
	}
}

func plain(text string) string { return page.Markdown(text) }

func code(text string) string { return strings.ReplaceAll(oneLine(text), "`", "'") }

// short prints seconds with three digits, as in "1.23ms".
func short(seconds float64) string { return facts.Short(seconds) }
