package compare

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/page"
	"github.com/coderscale/scaletest/traffic/histogram"
)

//go:embed compare.gohtml
var shell string

var compareTemplate = template.Must(template.New("compare").Funcs(template.FuncMap{
	"wide": func(s Side) string { return strings.TrimPrefix(spread(s), " ±") },
	"show": func(r Row, s Side) string { return r.Metric.Unit.show(s.Center) },
	"p":    func(v float64) string { return fmt.Sprintf("%.3f", v) },
	"values": func(r Row, s Side) (out []string) {
		for _, v := range s.Values {
			out = append(out, r.Metric.Unit.show(v))
		}
		return out
	},
	"oneOf": oneOf,
}).Parse(shell))

// HTML writes the comparison as a page that needs nothing else: what changed in
// the configuration, the numbers of both sides, the gates, and the percentile
// curves of both, one over the other.
func (c *Comparison) HTML(w io.Writer) error {
	p := comparePage{Comparison: c, OldText: c.describe(c.Old), NewText: c.describe(c.New)}
	doc := page.Document{Title: "Comparison of scale tests"}
	byScenario := map[string]int{}
	for _, r := range c.Rows {
		i, known := byScenario[r.Scenario]
		if !known {
			i = len(p.Scenarios)
			byScenario[r.Scenario] = i
			p.Scenarios = append(p.Scenarios, comparePart{Name: r.Scenario, ID: fmt.Sprintf("s%d", i)})
		}
		p.Scenarios[i].Rows = append(p.Scenarios[i].Rows, compareRow{r, c.word(r)})
	}
	for i := range p.Scenarios {
		part := &p.Scenarios[i]
		for n, chart := range c.curves(part.Name) {
			chart.ID = fmt.Sprintf("%s-c%d", part.ID, n)
			part.Charts = append(part.Charts, chart.ID)
			doc.Data.Charts = append(doc.Data.Charts, chart)
		}
	}
	var b bytes.Buffer
	if err := compareTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	doc.Body = template.HTML(b.String())
	return doc.Write(w)
}

type comparePage struct {
	*Comparison
	OldText, NewText string
	Scenarios        []comparePart
}

// Runs is what to know of the number of runs, or nothing.
func (p comparePage) Runs() string {
	if p.Enough() {
		return ""
	}
	return p.tooFew()
}

// Percent is the confidence.
func (p comparePage) Percent() string { return fmt.Sprintf("%.4g %%", 100*p.Confidence) }

type comparePart struct {
	Name, ID string
	Rows     []compareRow
	Charts   []string
}

type compareRow struct {
	Row
	Word string
}

// Class is how a row is marked.
func (r compareRow) Class() string {
	switch {
	case r.Worse():
		return "broken"
	case r.Improved():
		return "improved"
	}
	return ""
}

// curves are the percentiles of a scenario's actions, of the runs of a side
// together.
func (c *Comparison) curves(scenario string) (charts []page.Chart) {
	old, now := merged(c.Old, scenario), merged(c.New, scenario)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if now[name] == nil {
			continue
		}
		charts = append(charts, page.Chart{
			Title: "Percentiles of " + name, Unit: page.Seconds,
			Curve: []page.Curve{
				{Label: "old", Color: 7, Dashed: true, Points: page.Percentiles(old[name])},
				{Label: "new", Color: 0, Points: page.Percentiles(now[name])},
			},
		})
	}
	return charts
}

func merged(runs []*harness.Result, scenario string) map[string]*histogram.Histogram {
	out := map[string]*histogram.Histogram{}
	for _, r := range runs {
		for i := range r.Scenarios {
			if r.Scenarios[i].Name != scenario {
				continue
			}
			for name, a := range r.Scenarios[i].Actions {
				h := a.Response.Histogram
				if h == nil || h.Count() == 0 {
					continue
				}
				if out[name] == nil {
					out[name] = &histogram.Histogram{}
				}
				out[name].Merge(h)
			}
		}
	}
	return out
}

// Markdown writes the comparison as tables of GitHub's Markdown, for the summary
// of a job or a comment on a pull request.
func (c *Comparison) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "## Comparison\n\n- old: %s\n- new: %s\n", escape(c.describe(c.Old)), escape(c.describe(c.New)))
	for _, change := range c.Changes {
		fmt.Fprintf(&b, "- changed: %s\n", escape(change.String()))
	}
	for _, text := range c.Warnings {
		fmt.Fprintf(&b, "- warning: %s\n", escape(text))
	}
	if !c.Enough() {
		fmt.Fprintf(&b, "- %s\n", escape(c.tooFew()))
	}
	if len(c.Gates) > 0 {
		b.WriteString("\n| gate | | |\n|---|---|---|\n")
		for _, g := range c.Gates {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", escape(g.Gate), g.Outcome, escape(g.Message))
		}
	}
	scenario := ""
	for i, r := range c.Rows {
		if i == 0 || r.Scenario != scenario {
			scenario = r.Scenario
			fmt.Fprintf(&b, "\n| %s | old | new | change | p |\n|---|---:|---:|---:|---:|\n", escape(scenario))
		}
		chance := ""
		if r.Enough {
			chance = fmt.Sprintf("%.3f", r.P)
		}
		word := c.word(r)
		if r.Worse() {
			word = "**" + word + "**"
		}
		fmt.Fprintf(&b, "| %s | %s%s | %s%s | %s | %s |\n", escape(r.Metric.String()), r.Metric.Unit.show(r.Old.Center), spread(r.Old), r.Metric.Unit.show(r.New.Center), spread(r.New), word, chance)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	return nil
}

func escape(text string) string { return page.Markdown(text) }
