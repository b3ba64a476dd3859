package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/coderscale/scaletest/harness"
)

// percentiles are the columns of a distribution.
var percentiles = []struct {
	name string
	of   func(harness.Distribution) float64
}{
	{"min", func(d harness.Distribution) float64 { return d.Min }},
	{"mean", func(d harness.Distribution) float64 { return d.Mean }},
	{"p50", func(d harness.Distribution) float64 { return d.P50 }},
	{"p90", func(d harness.Distribution) float64 { return d.P90 }},
	{"p95", func(d harness.Distribution) float64 { return d.P95 }},
	{"p99", func(d harness.Distribution) float64 { return d.P99 }},
	{"p999", func(d harness.Distribution) float64 { return d.P999 }},
	{"max", func(d harness.Distribution) float64 { return d.Max }},
}

// CSV writes a line of numbers for each action of each scenario, below a header.
// "kind" says what a line is: an action of the load ("action") or before it
// ("setup"), whole iterations ("iteration"), the generator's own lateness
// ("lag") or a counter ("counter"). "count" is successes, or what was counted.
// Times are seconds; where nothing was measured the fields are empty.
func CSV(w io.Writer, results ...*harness.Result) error {
	out := csv.NewWriter(w)
	header := []string{"run_id", "test", "verdict", "scenario", "kind", "name", "count", "errors"}
	for _, times := range []string{"response", "service"} {
		for _, p := range percentiles {
			header = append(header, times+"_"+p.name+"_seconds")
		}
	}
	lines := [][]string{header}
	for _, res := range results {
		for i := range res.Scenarios {
			lines = append(lines, csvLines(res, &res.Scenarios[i])...)
		}
	}
	if err := out.WriteAll(lines); err != nil { // it flushes
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func csvLines(res *harness.Result, s *harness.ScenarioResult) (lines [][]string) {
	add := func(kind, name, count, errors string, times ...harness.Distribution) {
		line := []string{res.RunID, res.Name, string(res.Verdict), s.Name, kind, name, count, errors}
		for i := range 2 {
			for _, p := range percentiles {
				field := ""
				if i < len(times) && times[i].Count > 0 {
					field = strconv.FormatFloat(p.of(times[i]), 'g', -1, 64)
				}
				line = append(line, field)
			}
		}
		lines = append(lines, line)
	}
	action := func(kind, name string, a harness.ActionResult) {
		add(kind, name, fmt.Sprint(a.Count), fmt.Sprint(a.Errors), a.Response, a.Service)
	}
	for _, name := range sorted(s.Actions) {
		action("action", name, s.Actions[name])
	}
	for _, name := range sorted(s.Setup) {
		action("setup", name, s.Setup[name])
	}
	action("iteration", "iteration", s.Iteration)
	add("lag", "lag", fmt.Sprint(s.Lag.Count), "", s.Lag)
	for _, name := range sorted(s.Counters) {
		add("counter", name, fmt.Sprint(s.Counters[name]), "")
	}
	return lines
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
