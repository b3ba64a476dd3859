package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// checkDashboard is everything that is wrong with a dashboard, each with the
// dashboard's and the panel's name.
func checkDashboard(file string, d Dashboard, known map[string]metric) (errs []error) {
	say := func(where, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s%s", file, where, fmt.Sprintf(format, args...)))
	}
	if d.UID == "" || d.Title == "" || d.Description == "" {
		say("", "the dashboard has the uid %q, the title %q and the description %q, want all of them", d.UID, d.Title, d.Description)
	}
	queries := checker{known: known, variables: map[string]bool{}}
	for _, v := range d.Templating.List {
		where := fmt.Sprintf("variable %q: ", v.Name)
		if queries.variables[v.Name] {
			say(where, "it is there twice")
		}
		if v.Label == "" || v.Description == "" {
			say(where, "it has no label or no description")
		}
		if v.Type == "query" {
			for _, err := range queries.values(v.Query) {
				say(where, "%v", err)
			}
		}
		queries.variables[v.Name] = true // those below may use it
	}
	if len(d.Annotations.List) == 0 {
		say("", "there are no annotations")
	}
	for _, a := range d.Annotations.List {
		where := fmt.Sprintf("annotation %q: ", a.Name)
		if err := queries.source(a.Datasource); err != nil {
			say(where, "%v", err)
		}
		for _, err := range queries.promql(a.Expr, a.TitleFormat) {
			say(where, "%v", err)
		}
	}
	seen := map[int]string{}
	titles := map[string]bool{}
	visit := func(p Panel) {
		where := fmt.Sprintf("panel %q: ", p.Title)
		if other, ok := seen[p.ID]; ok {
			say(where, "it has the id %d of panel %q", p.ID, other)
		}
		seen[p.ID] = p.Title
		if p.Title == "" {
			say(where, "the panel with the id %d has no title", p.ID)
		}
		if g := p.GridPos; g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			say(where, "it is at %+v, which is outside of the 24 columns", g)
		}
		if p.Type == "row" {
			return
		}
		if titles[p.Title] {
			say(where, "there are two of that title")
		}
		titles[p.Title] = true
		for _, err := range queries.panel(p) {
			say(where, "%v", err)
		}
	}
	for _, p := range d.Panels {
		visit(p)
		for _, inner := range p.Panels {
			visit(inner)
		}
		for _, err := range overlaps(p.Panels) { // on their own as long as they are hidden
			say("", "%v", err)
		}
	}
	for _, err := range overlaps(d.Panels) {
		say("", "%v", err)
	}
	return errs
}

// overlaps are the panels that lie on each other.
func overlaps(panels []Panel) (errs []error) {
	for i, a := range panels {
		for _, b := range panels[i+1:] {
			p, q := a.GridPos, b.GridPos
			if p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H {
				errs = append(errs, fmt.Errorf("panel %q lies on panel %q", a.Title, b.Title))
			}
		}
	}
	return errs
}

// checker checks the queries of a dashboard.
type checker struct {
	known     map[string]metric
	variables map[string]bool
}

// panel checks what a panel says and asks.
func (c checker) panel(p Panel) (errs []error) {
	if p.Description == "" {
		errs = append(errs, fmt.Errorf("it has no description"))
	}
	if p.FieldConfig == nil || p.FieldConfig.Defaults.Unit == "" {
		errs = append(errs, fmt.Errorf("it has no unit"))
	}
	if len(p.Targets) == 0 {
		errs = append(errs, fmt.Errorf("it has no query"))
	}
	refs := map[string]bool{}
	for _, t := range p.Targets {
		if refs[t.RefID] {
			errs = append(errs, fmt.Errorf("two queries are named %q", t.RefID))
		}
		refs[t.RefID] = true
		if err := c.source(t.Datasource); err != nil {
			errs = append(errs, err)
		}
		if t.Datasource.Type == "loki" {
			errs = append(errs, c.logql(t.Expr)...)
		} else {
			errs = append(errs, c.promql(t.Expr, t.LegendFormat)...)
		}
	}
	return errs
}

// source holds a query to a data source that can be chosen.
func (c checker) source(d Datasource) error {
	name, ok := strings.CutPrefix(d.UID, "${")
	name, closed := strings.CutSuffix(name, "}")
	if !ok || !closed || !c.variables[name] {
		return fmt.Errorf("it asks the data source %q, want a variable such as ${datasource}", d.UID)
	}
	return nil
}

var (
	inLegend = regexp.MustCompile(`\{\{\s*([^}]*?)\s*\}\}`)
	inQuery  = regexp.MustCompile(`\$\{?(\w+)(?::\w+)?\}?`)
	ofValues = regexp.MustCompile(`^label_values\((.*), *(\w+)\)$`)
)

// grafanas are the variables that Grafana itself has, and a value of each.
var grafanas = map[string]string{"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}

// substitute puts values in the place of variables.
func (c checker) substitute(expr string) (string, error) {
	var unknown []string
	out := inQuery.ReplaceAllStringFunc(expr, func(v string) string {
		name := inQuery.FindStringSubmatch(v)[1]
		if value, ok := grafanas[name]; ok {
			return value
		}
		if !c.variables[name] && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
		return "x"
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("there is no variable $%s", strings.Join(unknown, ", $"))
	}
	return out, nil
}

// values checks the query of a variable.
func (c checker) values(query string) []error {
	m := ofValues.FindStringSubmatch(query)
	if m == nil {
		return []error{fmt.Errorf("%q is no query of values, want label_values(metric, label)", query)}
	}
	return c.promql(m[1], "{{"+m[2]+"}}")
}
