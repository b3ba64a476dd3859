package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// lists are metrics for tests.
func lists(t *testing.T, text string) map[string]metric {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o644))
	known, err := readMetrics(dir)
	require.NoError(t, err)
	return known
}

const someMetrics = `
# A remark.
* target pod instance
requests_total counter code path # who has it
wait_seconds histogram path
open gauge path
pause_seconds summary
limits gauge resource
`

// good is a dashboard with nothing wrong.
func good() Dashboard {
	d := dashboard{
		uid: "u", title: "T", about: "A.",
		variables: []Variable{
			source("datasource", "P", "A.", "prometheus"), source("logs", "L", "A.", "loki"),
			list("pod", "Pod", "A.", "label_values(open, pod)"),
		},
		rows: []row{
			{title: "Row", panels: []panel{
				graph("One", "A.", "s", quantiles("wait_seconds", `pod=~"$pod"`, "path", "0.5", "0.95")...),
				graph("Two", "A.", "ops", q(`sum by (code) (rate(requests_total{pod=~"$pod"}[@]))`, "{{code}}")),
			}},
			{title: "Hidden", closed: true, panels: []panel{logs("Logs", "A.", q(`{pod=~"$pod"}`, ""))}},
		},
	}.build()
	d.Annotations.List = []Annotation{{Name: "Marks", Datasource: prometheus, Expr: "open == 1", TitleFormat: "{{path}}"}}
	return d
}

func TestADashboardThatIsWholePasses(t *testing.T) {
	require.Empty(t, checkDashboard("d.json", good(), lists(t, someMetrics)))
}

func TestEachFaultOfADashboardIsFoundAndNamed(t *testing.T) {
	one := func(d *Dashboard) *Panel { return &d.Panels[1] }
	two := func(d *Dashboard) *Panel { return &d.Panels[2] }
	hidden := func(d *Dashboard) *Panel { return &d.Panels[3].Panels[0] }
	asks := func(expr string) func(*Dashboard) { return func(d *Dashboard) { one(d).Targets[0].Expr = expr } }
	for name, c := range map[string]struct {
		change func(*Dashboard)
		want   string
	}{
		"no uid":            {func(d *Dashboard) { d.UID = "" }, `the dashboard has the uid ""`},
		"no title":          {func(d *Dashboard) { one(d).Title = "" }, "has no title"},
		"no description":    {func(d *Dashboard) { two(d).Description = "" }, `panel "Two": it has no description`},
		"no unit":           {func(d *Dashboard) { one(d).FieldConfig.Defaults.Unit = "" }, `panel "One": it has no unit`},
		"no query":          {func(d *Dashboard) { one(d).Targets = nil }, `panel "One": it has no query`},
		"same id":           {func(d *Dashboard) { two(d).ID = one(d).ID }, `panel "Two": it has the id 2 of panel "One"`},
		"same id, hidden":   {func(d *Dashboard) { hidden(d).ID = 1 }, `panel "Logs": it has the id 1 of panel "Row"`},
		"same title":        {func(d *Dashboard) { two(d).Title = "One" }, `panel "One": there are two of that title`},
		"overlap":           {func(d *Dashboard) { two(d).GridPos.X-- }, `panel "One" lies on panel "Two"`},
		"outside":           {func(d *Dashboard) { two(d).GridPos.X = 20 }, `panel "Two": it is at {H:8 W:8 X:20 Y:1}`},
		"same query name":   {func(d *Dashboard) { one(d).Targets[1].RefID = "A" }, `panel "One": two queries are named "A"`},
		"fixed source":      {func(d *Dashboard) { one(d).Targets[0].Datasource.UID = "abc" }, `it asks the data source "abc"`},
		"unknown source":    {func(d *Dashboard) { one(d).Targets[0].Datasource.UID = "${other}" }, `it asks the data source "${other}"`},
		"no annotations":    {func(d *Dashboard) { d.Annotations.List = nil }, "there are no annotations"},
		"annotation":        {func(d *Dashboard) { d.Annotations.List[0].Expr = "gone == 1" }, `annotation "Marks": there is no metric "gone"`},
		"its title":         {func(d *Dashboard) { d.Annotations.List[0].TitleFormat = "{{code}}" }, `annotation "Marks": the legend "{{code}}" names the label "code"`},
		"variable":          {func(d *Dashboard) { d.Templating.List[2].Query = "label_values(gone, pod)" }, `variable "pod": there is no metric "gone"`},
		"its label":         {func(d *Dashboard) { d.Templating.List[2].Query = "label_values(open, code)" }, `variable "pod": the legend "{{code}}"`},
		"its query":         {func(d *Dashboard) { d.Templating.List[2].Query = "metrics(open)" }, `variable "pod": "metrics(open)" is no query of values`},
		"its description":   {func(d *Dashboard) { d.Templating.List[2].Description = "" }, `variable "pod": it has no label or no description`},
		"unknown variable":  {asks(`open{path=~"$nothing"}`), `panel "One": there is no variable $nothing`},
		"no query at all":   {asks("sum by (path) (open"), `panel "One": sum by (path) (open is no query: `},
		"no such function":  {asks("rat(requests_total[1m])"), "is no query: "},
		"unknown metric":    {asks("opened"), `panel "One": there is no metric "opened"`},
		"part of a gauge":   {asks("open_bucket"), `there is no metric "open_bucket"`},
		"unknown label":     {asks(`open{code="200"}`), `the metric "open" has no label "code"`},
		"unknown label, by": {asks("sum by (code) (open)"), `sum by goes by the label "code", and there are instance, path, pod`},
		"label that went":   {asks("sum by (path) (sum by (pod) (open))"), `sum by goes by the label "path", and there are pod`},
		"no le":             {asks("histogram_quantile(0.9, sum by (path) (rate(wait_seconds_bucket[1m])))"), `histogram_quantile goes by the label "le"`},
		"rate of a gauge":   {asks("rate(open[1m])"), `rate of "open", which is a gauge`},
		"legend":            {func(d *Dashboard) { two(d).Targets[0].LegendFormat = "{{code}} {{path}}" }, `panel "Two": the legend "{{code}} {{path}}" names the label "path", and there are code`},
		"quantile":          {asks(`open{quantile="1"}`), `the metric "open" has no label "quantile"`},
		"a whole quantile":  {asks(`pause_seconds{quantile="1"}`), `want quantile=~"1|1.0"`},
		"on":                {asks("open and on (code) requests_total"), `the left side of and goes by the label "code"`},
		"never match":       {asks("sum by (path) (open) / sum by (pod) (open)"), "which never match"},
		"logs":              {func(d *Dashboard) { hidden(d).Targets[0].Expr = `{app="x"}` }, `panel "Logs": logs have no label "app"`},
		"selector of logs":  {func(d *Dashboard) { hidden(d).Targets[0].Expr = `{app=` }, "is no selector of logs: "},
	} {
		d := good()
		c.change(&d)
		err := errors.Join(checkDashboard("d.json", d, lists(t, someMetrics))...)
		require.Error(t, err, name)
		require.ErrorContains(t, err, c.want, name)
		require.ErrorContains(t, err, "d.json: ", name)
	}
}

func TestQueriesThatAreRightPass(t *testing.T) {
	c := checker{known: lists(t, someMetrics), variables: map[string]bool{"pod": true}}
	for expr, legend := range map[string]string{
		`pause_seconds{quantile="0.5"} and on (instance) open`:                                "{{pod}}",
		`rate(pause_seconds_count[$__rate_interval])`:                                         "{{instance}}",
		`sum(limits{resource="cpu"}) / 2`:                                                     "all",
		`100 * sum by (path) (open) / sum by (path) (rate(wait_seconds_count[5m]))`:           "{{path}}",
		`open * on (pod) group_left (resource) limits`:                                        "{{path}} {{resource}}",
		`topk(5, sum without (pod, instance) (open))`:                                         "{{path}}",
		`max_over_time(sum by (path) (open)[5m:10s])`:                                         "{{path}}",
		`sum by (path) (open) or sum by (path) (increase(requests_total{pod=~"${pod}"}[1m]))`: "{{path}}",
		`-open unless open == bool 1`:                                                         "{{pod}}",
	} {
		require.Empty(t, c.promql(expr, legend), expr)
	}
}

func TestListsOfMetricsThatMakeNoSenseAreErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a":                        `a.txt: line 1 is "a", want a name, a type and labels`,
		"a number":                 `a.txt: line 1: a is a "number", want counter`,
		"a counter x\na gauge x\n": "a.txt: line 2: a is a gauge, and a counter elsewhere",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o644))
		_, err := readMetrics(dir)
		require.ErrorContains(t, err, want)
	}
	_, err := readMetrics(t.TempDir())
	require.ErrorContains(t, err, "there are no lists of metrics in ")
}

// folder is what deploy/grafana should hold.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "dashboards"), 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "metrics"), os.DirFS(filepath.Join("..", "..", "deploy", "grafana", "metrics"))))
	require.NoError(t, write(dir))
	return dir
}

func TestDashboardsAskForWhatThereIs(t *testing.T) {
	require.NoError(t, checkFolder(folder(t)))
}

func TestDriftIsAnError(t *testing.T) {
	file := func(dir string) string { return filepath.Join(dir, "dashboards", "deployment.json") }
	for want, change := range map[string]func(dir string) error{
		`deployment.json is not what "make generate" makes`: func(dir string) error {
			b, err := os.ReadFile(file(dir))
			return errors.Join(err, os.WriteFile(file(dir), append(b, '\n'), 0o644))
		},
		"deployment.json is missing": func(dir string) error { return os.Remove(file(dir)) },
		"deployment.json is no dashboard: ": func(dir string) error {
			return os.WriteFile(file(dir), []byte("{"), 0o644)
		},
		"mine.json is not made by this program": func(dir string) error {
			return os.CopyFS(filepath.Join(dir, "dashboards"), oneFile(file(dir), "mine.json"))
		},
		`has the uid "coder-scaletest-deployment" of`: func(dir string) error {
			return os.CopyFS(filepath.Join(dir, "dashboards"), oneFile(file(dir), "mine.json"))
		},
		`deployment.json: panel "Transactions": there is no metric "pg_stat_database_xact_commit"`: func(dir string) error {
			path := filepath.Join(dir, "metrics", "exporters.txt")
			b, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, []byte(strings.Replace(string(b), "pg_stat_database_xact_commit", "#", 1)), 0o644))
		},
	} {
		dir := folder(t)
		require.NoError(t, change(dir))
		require.ErrorContains(t, checkFolder(dir), want)
	}
}

// oneFile is a folder with a copy of a file.
func oneFile(path, name string) fs.FS {
	b, err := os.ReadFile(path)
	if err != nil {
		return fstest.MapFS{}
	}
	return fstest.MapFS{name: {Data: b}}
}
