package report

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
	"github.com/coderscale/scaletest/report/bottleneck"
	"github.com/coderscale/scaletest/report/page"
)

//go:embed result.gohtml
var resultShell string

var resultTemplate = template.Must(template.New("result").Funcs(template.FuncMap{
	"short":       short,
	"percent":     func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) },
	"megabytes":   func(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) },
	"meaning":     meaningOf,
	"upper":       func(v any) string { return strings.ToUpper(fmt.Sprint(v)) },
	"rows":        actionRows,
	"measured":    measured,
	"connections": shortConnections,
	"iterations":  iterations,
	"watched":     watched,
	"shards":      shardRows,
	"shardsFact":  shardsFact,
	"parts":       partsOf,
	"facts":       sortedFacts,
	"against":     func(target map[string]string) string { return strings.TrimPrefix(against(target), ", against ") },
	"number":      func(v float64) string { return fmt.Sprintf("%.4g", v) },
}).Parse(resultShell))

// HTML writes results as one page that needs nothing else: the verdict and its
// reasons, the likely bottleneck, and for each scenario its numbers, thresholds,
// failures with their logs, and charts over time, as percentiles and as heat maps;
// the server's side on the same time axis; the generator; disruptions; and what
// everything was configured with. See package page for what a reader can do with
// the charts.
func HTML(w io.Writer, results ...*harness.Result) error {
	p := resultPage{}
	doc := page.Document{Title: "Scale test"}
	for i, res := range results {
		c := &charter{res: res, prefix: fmt.Sprintf("r%d", i), after: always}
		article := article{Result: res, ID: c.prefix, Drawn: c.draw(), Title: titleOf(res)}
		p.Articles = append(p.Articles, article)
		doc.Data.Charts = append(doc.Data.Charts, c.charts...)
		doc.Data.Marks = append(doc.Data.Marks, c.marks()...)
	}
	if len(results) == 1 {
		doc.Title = fmt.Sprintf("%s: %s", titleOf(results[0]), results[0].Verdict)
	}
	var err error
	if doc.Body, err = p.render("page"); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return doc.Write(w)
}

// resultPage is what the template gets.
type resultPage struct{ Articles []article }

// article is a result on a page.
type article struct {
	*harness.Result
	ID    string
	Title string
	Drawn drawn
	Live  *liveParts // nil for a result
}

// liveParts are what only a run that goes on has.
type liveParts struct {
	StopToken string  // "" has no button
	Silent    float64 // seconds for which nothing has come; 0 where that is no long time
}

// State is the verdict, or that there is none yet.
func (a article) State() string {
	switch {
	case a.Live != nil && a.Live.Silent > 0:
		return "silent"
	case a.Live != nil:
		return "running"
	}
	return string(a.Verdict)
}

// Phase is the one that a run is in.
func (a article) Phase() string {
	if len(a.Phases) == 0 {
		return ""
	}
	return a.Phases[len(a.Phases)-1].Name
}

// scenarioPart is a scenario on a page.
type scenarioPart struct {
	harness.ScenarioResult
	ID     string
	Charts drawnScenario
}

// Parts are the scenarios.
func (a article) Parts() (parts []scenarioPart) {
	for i := range a.Scenarios {
		parts = append(parts, scenarioPart{a.Scenarios[i], fmt.Sprintf("%s-s%d", a.ID, i), a.Drawn.Scenarios[i]})
	}
	return parts
}

// disruptionPart is a disruption on a page.
type disruptionPart struct {
	Name, Outcome string
	Scenarios     []disruptionTable
}

type disruptionTable struct {
	Name string
	Rows []disruptionRow
}

type disruptionRow struct {
	Name  string
	Cells []string
}

// DisruptionParts are the disruptions.
func (a article) DisruptionParts() (parts []disruptionPart) {
	for i := range a.Disruptions {
		d := &a.Disruptions[i]
		part := disruptionPart{Name: d.Name, Outcome: outcome(d)}
		for k := range d.Scenarios {
			table := disruptionTable{Name: d.Scenarios[k].Name}
			for _, row := range disruptedRows(&d.Scenarios[k]) {
				table.Rows = append(table.Rows, disruptionRow{row.name, row.cells[:]})
			}
			part.Scenarios = append(part.Scenarios, table)
		}
		parts = append(parts, part)
	}
	return parts
}

// Findings are what the bottleneck may be. Of a run that goes on nobody knows yet.
func (a article) Findings() []bottleneck.Finding {
	if a.Live != nil {
		return nil
	}
	return findings(a.Result)
}

func (p resultPage) render(name string) (template.HTML, error) {
	var b bytes.Buffer
	if err := resultTemplate.ExecuteTemplate(&b, name, p); err != nil {
		return "", err
	}
	return template.HTML(b.String()), nil
}

func titleOf(res *harness.Result) string {
	if res.Name != "" {
		return res.Name
	}
	return "run " + res.RunID
}

// namedOnPage is a part that does not count.
type namedOnPage struct {
	Name string
	Part *harness.Part
}

func partsOf(s harness.ScenarioResult) (parts []namedOnPage) {
	for _, p := range apart(&s) {
		parts = append(parts, namedOnPage{p.name, p.part})
	}
	return parts
}

// actionRow is a line of a table of actions.
type actionRow struct {
	Name string
	harness.ActionResult
}

// actionRows are all actions, with their tags, and those before the load.
func actionRows(s harness.ScenarioResult) (rows []actionRow) {
	eachAction(s.Actions, func(name string, a harness.ActionResult) { rows = append(rows, actionRow{name, a}) })
	eachAction(s.Setup, func(name string, a harness.ActionResult) {
		rows = append(rows, actionRow{name + " (before the load)", a})
	})
	return append(rows, actionRow{"the generator's lag", harness.ActionResult{Count: s.Lag.Count, Response: s.Lag, Service: harness.Distribution{}}})
}

// sortedFact is a line of a list of facts.
type sortedFact struct{ Name, Value string }

func sortedFacts(facts map[string]string) (out []sortedFact) {
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		out = append(out, sortedFact{name, facts[name]})
	}
	return out
}
