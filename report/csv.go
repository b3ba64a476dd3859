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
//
// An action with tags has further lines, named action{key=value}. What became of
// connections that last are lines of kind "connections": those that there were,
// that were lost and restored, and the time to "reconnect". Lines of what does not
// count begin their kind with the part, as in "warm-up/action", and those around a
// disruption with its name and the part, as in "lose-replica/during/action". A
// line "disruption" says that it was recovered from (1 or 0), the error if it could
// not be done (1 or 0), and as a response time how long that took. Lines
// "generator" are figures of the generator itself. Those two have no scenario.
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
		c := csvOf{res: res}
		for i := range res.Scenarios {
			c.scenario(&res.Scenarios[i])
		}
		for i := range res.Disruptions {
			c.disruption(&res.Disruptions[i])
		}
		c.generator(res.Generator.Watch)
		lines = append(lines, c.lines...)
	}
	if err := out.WriteAll(lines); err != nil { // it flushes
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// csvOf makes the lines of a result.
type csvOf struct {
	res   *harness.Result
	lines [][]string
}

func (c *csvOf) add(scenario, kind, name, count, errors string, times ...harness.Distribution) {
	line := []string{c.res.RunID, c.res.Name, string(c.res.Verdict), scenario, kind, name, count, errors}
	for i := range 2 {
		for _, p := range percentiles {
			field := ""
			if i < len(times) && times[i].Count > 0 {
				field = float(p.of(times[i]))
			}
			line = append(line, field)
		}
	}
	c.lines = append(c.lines, line)
}

func float(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func (c *csvOf) action(scenario, kind, name string, a harness.ActionResult) {
	c.add(scenario, kind, name, fmt.Sprint(a.Count), fmt.Sprint(a.Errors), a.Response, a.Service)
}

func (c *csvOf) actions(scenario, kind string, actions map[string]harness.ActionResult) {
	eachAction(actions, func(name string, a harness.ActionResult) { c.action(scenario, kind, name, a) })
}

func (c *csvOf) scenario(s *harness.ScenarioResult) {
	c.actions(s.Name, "action", s.Actions)
	c.actions(s.Name, "setup", s.Setup)
	c.rest(s.Name, "", s.Iteration, s.Lag, s.Counters, s.Connections)
	for _, p := range apart(s) {
		c.part(s.Name, p.name+"/", p.part)
	}
}

// part has the same lines as what counts, with something before their kinds.
func (c *csvOf) part(scenario, before string, p *harness.Part) {
	c.actions(scenario, before+"action", p.Actions)
	c.rest(scenario, before, p.Iteration, p.Lag, p.Counters, p.Connections)
}

func (c *csvOf) rest(scenario, before string, iteration harness.ActionResult, lag harness.Distribution, counters map[string]int64, held *harness.Connections) {
	c.action(scenario, before+"iteration", "iteration", iteration)
	c.add(scenario, before+"lag", "lag", fmt.Sprint(lag.Count), "", lag)
	for _, name := range sorted(counters) {
		c.add(scenario, before+"counter", name, fmt.Sprint(counters[name]), "")
	}
	if held == nil {
		return
	}
	kind := before + "connections"
	c.add(scenario, kind, "connections", fmt.Sprint(held.Count), "")
	c.add(scenario, kind, "lost", fmt.Sprint(held.Lost), "")
	c.add(scenario, kind, "restored", fmt.Sprint(held.Restored), "")
	c.add(scenario, kind, "reconnect", fmt.Sprint(held.Reconnect.Count), "", held.Reconnect)
	if held.BytesLost != nil {
		c.add(scenario, kind, "bytes_lost", fmt.Sprint(held.BytesLost.Total), "")
	}
	if held.BytesRepeated != nil {
		c.add(scenario, kind, "bytes_repeated", fmt.Sprint(held.BytesRepeated.Total), "")
	}
}

func (c *csvOf) disruption(d *harness.DisruptionResult) {
	recovered, failed, took := "0", "0", harness.Distribution{}
	if d.Error != "" {
		failed = "1"
	}
	if d.Recovered {
		v := d.RecoverySeconds
		recovered, took = "1", harness.Distribution{Count: 1, Min: v, Mean: v, P50: v, P90: v, P95: v, P99: v, P999: v, Max: v}
	}
	c.add("", "disruption", d.Name, recovered, failed, took)
	for i := range d.Scenarios {
		s := &d.Scenarios[i]
		for _, p := range disrupted(s) {
			if p.part.Seconds > 0 {
				c.part(s.Name, d.Name+"/"+p.name+"/", p.part)
			}
		}
	}
}

func (c *csvOf) generator(w *harness.SelfWatch) {
	if w == nil {
		return
	}
	c.add("", "generator", "wake", fmt.Sprint(w.Wake.Count), "", w.Wake)
	for _, n := range []struct {
		name  string
		value float64
	}{
		{"late_wakes", float64(w.LateWakes)}, {"cpu_cores", w.CPU}, {"cpu_cores_peak", w.CPUPeak}, {"gc_share", w.GCShare},
		{"heap_peak_bytes", float64(w.HeapPeak)}, {"memory_peak_bytes", float64(w.MemoryPeak)},
		{"goroutines_peak", float64(w.GoroutinesPeak)}, {"descriptors_peak", float64(w.DescriptorsPeak)},
		{"own_errors", float64(w.OwnErrors)}, {"samples_dropped", float64(w.SamplesDropped)}, {"snapshots_missed", float64(w.SnapshotsMissed)},
	} {
		c.add("", "generator", n.name, strconv.FormatFloat(n.value, 'f', -1, 64), "")
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
