package main

import (
	"strings"
)

// dashboard is a dashboard as this program writes it down: titles, queries, and
// nothing else.
type dashboard struct {
	file, uid, title, about string
	variables               []Variable
	rows                    []row
}

type row struct {
	title  string
	closed bool // until somebody opens it
	panels []panel
}

type panel struct {
	title, about, unit string
	kind               string // timeseries, stat, heatmap or logs
	width              int    // of 24
	queries            []query
}

type query struct {
	expr, legend string
	exemplar     bool
}

// Kinds of panels. A graph is a third wide, and a stat a sixth.
func graph(title, about, unit string, queries ...query) panel {
	return panel{title, about, unit, "timeseries", 8, queries}
}
func stat(title, about, unit string, queries ...query) panel {
	return panel{title, about, unit, "stat", 4, queries}
}
func heat(title, about, unit string, queries ...query) panel {
	return panel{title, about, unit, "heatmap", 8, queries}
}
func logs(title, about string, queries ...query) panel {
	return panel{title, about, "none", "logs", 24, queries}
}

// wide is half of the width.
func wide(p panel) panel {
	p.width = 12
	return p
}

// q is a query. In its text, @ names stand for selectors, and [@] for the range
// of rates.
func q(expr, legend string) query { return query{expr: expr, legend: legend} }

// quantiles are those of a classic histogram, by labels.
func quantiles(metric, selector, by string, of ...string) (list []query) {
	legend := ""
	for label := range strings.SplitSeq(by, ",") {
		if label = strings.TrimSpace(label); label != "" {
			legend += "{{" + label + "}} "
		}
	}
	labels := "le"
	if by != "" {
		labels += ", " + by
	}
	for _, p := range of {
		list = append(list, query{
			expr:   "histogram_quantile(" + p + ", sum by (" + labels + ") (rate(" + metric + "_bucket{" + selector + "}[@])))",
			legend: legend + "p" + strings.TrimPrefix(p, "0."), exemplar: strings.HasPrefix(metric, own+"action_"),
		})
	}
	return list
}

const own = "coderd_scaletest_"

// The selectors. A variable that chooses all also takes what has no such label,
// as without Kubernetes.
var selectors = strings.NewReplacer(
	"[@]", "[$__rate_interval]",
	"@generator", `namespace=~"$generator_namespace",pod=~"$generator_pod"`,
	"@scenario", `namespace=~"$generator_namespace",pod=~"$generator_pod",scenario=~"$scenario"`,
	"@coderd", `namespace=~"$namespace",pod=~"$pod"`,
	"@workspaces", `namespace=~"$workspace_namespace",pod=~"$workspace_pods"`,
	"@database_pods", `pod=~"$database_pods"`,
	"@database", `datname=~"$database"`,
)

var (
	prometheus = Datasource{"prometheus", "${datasource}"}
	loki       = Datasource{"loki", "${logs}"}
)

// build places the panels, from left to right and from top to bottom.
func (d dashboard) build() Dashboard {
	out := Dashboard{
		UID: d.uid, Title: d.title, Description: d.about, Tags: []string{tag}, SchemaVersion: 39, GraphTooltip: 1, Refresh: "10s",
		Time:        TimeRange{"now-30m", "now"},
		Links:       []Link{{Type: "dashboards", Title: "Scale tests", Tags: []string{tag}, IncludeVars: true, KeepTime: true}},
		Annotations: Annotations{annotations()}, Templating: Templating{d.variables},
	}
	id, y := 0, 0
	next := func() int { id++; return id }
	for _, r := range d.rows {
		header := Panel{ID: next(), Type: "row", Title: r.title, GridPos: GridPos{1, 24, 0, y}, Collapsed: &r.closed}
		y++
		var placed []Panel
		x, height := 0, 0
		for _, p := range r.panels {
			h := heights[p.kind]
			if x+p.width > 24 {
				x, y, height = 0, y+height, 0
			}
			placed = append(placed, p.build(next(), GridPos{h, p.width, x, y}))
			x, height = x+p.width, max(height, h)
		}
		y += height
		if r.closed {
			header.Panels, placed = placed, nil
		}
		out.Panels = append(append(out.Panels, header), placed...)
	}
	return out
}

const tag = "coder-scaletest"

var heights = map[string]int{"timeseries": 8, "heatmap": 8, "stat": 4, "logs": 12}

func (p panel) build(id int, at GridPos) Panel {
	source := prometheus
	if p.kind == "logs" {
		source = loki
	}
	zero := 0.0
	out := Panel{
		ID: id, Type: p.kind, Title: p.title, Description: p.about, GridPos: at, Datasource: &source,
		FieldConfig: &FieldConfig{Defaults{Unit: p.unit}, []any{}},
	}
	switch p.kind {
	case "timeseries":
		out.FieldConfig.Defaults.Min = &zero
		out.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}
		out.Options = map[string]any{
			"legend":  map[string]any{"showLegend": true, "displayMode": "list", "placement": "bottom"},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		}
	case "stat":
		mode := "value"
		if p.unit == "none" { // what it says is its name
			mode = "name"
		}
		out.Options = map[string]any{
			"textMode": mode, "graphMode": "none", "colorMode": "none",
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		}
	case "heatmap":
		out.Options = map[string]any{
			"calculate": false, "yAxis": map[string]any{"unit": p.unit}, "legend": map[string]any{"show": true},
			"tooltip": map[string]any{"mode": "single", "yHistogram": true},
		}
	case "logs":
		out.Options = map[string]any{"showTime": true, "wrapLogMessage": true, "sortOrder": "Descending", "enableLogDetails": true}
	}
	for i, query := range p.queries {
		t := Target{
			RefID: string(rune('A' + i)), Datasource: source, Expr: selectors.Replace(query.expr),
			LegendFormat: query.legend, Exemplar: query.exemplar, Instant: p.kind == "stat",
		}
		if p.kind == "heatmap" {
			t.Format = "heatmap"
		}
		out.Targets = append(out.Targets, t)
	}
	return out
}

// annotations mark the phases of the run, and what was done to the deployment.
func annotations() []Annotation {
	mark := func(name, colour, title, tags, expr string) Annotation {
		return Annotation{
			Name: name, Enable: true, Datasource: prometheus, Expr: selectors.Replace(expr), Step: "5s",
			IconColor: colour, TitleFormat: title, TagKeys: tags,
		}
	}
	return []Annotation{
		mark("Phases", "blue", "{{phase}}", "phase", "max by (phase) ("+own+"phase{@generator}) == 1"),
		mark("Disruptions", "red", "{{disruption}}", "disruption", `max by (disruption) (`+own+`disruption{@generator,state="active"}) == 1`),
	}
}

// Variables. A list of values can be "all", and a text is a regular expression.
func list(name, label, about, values string) Variable {
	return Variable{
		Name: name, Label: label, Description: about, Type: "query", Query: values, Datasource: &prometheus,
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*", Current: &Current{"All", "$__all"},
	}
}

func text(name, label, about, value string) Variable {
	return Variable{Name: name, Label: label, Description: about, Type: "textbox", Query: value, Current: &Current{value, value}}
}

func source(name, label, about, kind string) Variable {
	return Variable{Name: name, Label: label, Description: about, Type: "datasource", Query: kind}
}

var (
	metricsFrom = source("datasource", "Prometheus", "Where the metrics are.", "prometheus")

	generatorVariables = []Variable{
		list("generator_namespace", "Generator's namespace", "Namespaces of load generators; all where there is no Kubernetes.", "label_values("+own+"users, namespace)"),
		list("generator_pod", "Generator's pod", "Pods of load generators; all where there is no Kubernetes.", `label_values(`+own+`users{namespace=~"$generator_namespace"}, pod)`),
		list("scenario", "Scenario", "Scenarios of the run.", `label_values(`+own+`users{namespace=~"$generator_namespace",pod=~"$generator_pod"}, scenario)`),
	}
	deploymentVariables = []Variable{
		list("namespace", "coderd's namespace", "Namespaces of coderd; all where there is no Kubernetes.", "label_values(coderd_build_info, namespace)"),
		list("pod", "coderd's pod", "Replicas of coderd; all where there is no Kubernetes.", `label_values(coderd_build_info{namespace=~"$namespace"}, pod)`),
		list("database", "Database", "The database as postgres_exporter names it.", "label_values(pg_stat_database_xact_commit, datname)"),
		text("database_pods", "Database's pods", "A regular expression of PostgreSQL's pods, where it runs in Kubernetes.", ".*postgres.*"),
		list("workspace_namespace", "Workspaces' namespace", "Namespaces of the workspaces' pods.", "label_values(kube_pod_container_resource_limits, namespace)"),
		text("workspace_pods", "Workspaces' pods", "A regular expression of the workspaces' pods, as the template names them.", "coder-.*scaletest-.*"),
		source("logs", "Loki", "Where the logs are, for the row of logs.", "loki"),
	}
)
