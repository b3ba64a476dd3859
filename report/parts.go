package report

import (
	"fmt"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// namedPart is a part of a run that is kept apart from what counts.
type namedPart struct {
	name string
	part *harness.Part
}

// apart are the parts of a scenario that do not count, if there are any.
func apart(s *harness.ScenarioResult) (parts []namedPart) {
	for _, p := range []namedPart{{"warm-up", s.WarmUp}, {"cool-down", s.CoolDown}} {
		if p.part != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// disrupted are the parts of a disruption, those without any time included.
func disrupted(s *harness.DisruptedScenario) []namedPart {
	return []namedPart{{"before", &s.Before}, {"during", &s.During}, {"after", &s.After}}
}

// eachAction calls f for actions in their order, each followed by its parts with
// tags.
func eachAction(actions map[string]harness.ActionResult, f func(name string, a harness.ActionResult)) {
	for _, name := range sorted(actions) {
		a := actions[name]
		f(name, a)
		for _, tags := range sorted(a.Tags) {
			f(name+"{"+tags+"}", a.Tags[tags])
		}
	}
}

// connections are what became of those that last, in one line.
func connections(c *harness.Connections) string {
	text := fmt.Sprintf("%d connections, %d lost", c.Count, c.Lost)
	if c.Lost > 0 {
		text += fmt.Sprintf(" (%.1f %%), %d came back", 100*c.LostShare, c.Restored)
	}
	if c.Restored > 0 {
		text += fmt.Sprintf(" (p50 %s, p99 %s, longest %s)", short(c.Reconnect.P50), short(c.Reconnect.P99), short(c.Reconnect.Max))
	}
	return text
}

// iterations are those of a part, in one line.
func iterations(it harness.Iterations) string {
	return fmt.Sprintf("%d iterations: %d succeeded, %d failed, %d interrupted, %d dropped", it.Started, it.Succeeded, it.Failed, it.Interrupted, it.Dropped)
}

// watched is what the generator saw of itself, in one line, or nothing.
func watched(g harness.Generator) string {
	w := g.Watch
	if w == nil {
		return ""
	}
	text := fmt.Sprintf("CPU %.2f of %d cores, %.2f in the busiest second", w.CPU, g.GOMAXPROCS, w.CPUPeak)
	if w.Wake.Count > 0 { // a stream without its end has none
		text += fmt.Sprintf("; woken late by %s at the 99th percentile, %s at most", short(w.Wake.P99), short(w.Wake.Max))
	}
	if w.LateWakes > 0 {
		text += fmt.Sprintf(", too late %d of %d times", w.LateWakes, w.Wake.Count)
	}
	if w.Wake.Count > 0 {
		text += fmt.Sprintf("; %.1f %% of the CPU for garbage collection", 100*w.GCShare)
	}
	text += fmt.Sprintf(", heap of %.1f MB at most; %d goroutines", float64(w.HeapPeak)/1e6, w.GoroutinesPeak)
	if w.DescriptorsPeak > 0 {
		text += fmt.Sprintf("; %d descriptors", w.DescriptorsPeak)
	}
	if w.DescriptorsPeak > 0 && w.DescriptorLimit > 0 {
		text += fmt.Sprintf(" of %d", w.DescriptorLimit)
	}
	for _, n := range []struct {
		count int64
		what  string
	}{{w.OwnErrors, "errors of its own"}, {w.SamplesDropped, "samples dropped"}, {w.SnapshotsMissed, "snapshots missed"}} {
		if n.count > 0 {
			text += fmt.Sprintf("; %d %s", n.count, n.what)
		}
	}
	return text
}

// outcome says when a disruption was and whether it is over.
func outcome(d *harness.DisruptionResult) string {
	text := fmt.Sprintf("after %.1fs, lasted %.1fs", d.At, d.Seconds)
	switch {
	case d.Error != "":
		return text + ", failed: " + d.Error
	case d.Recovered:
		return text + fmt.Sprintf(", recovered from within %.1fs of its beginning", d.RecoverySeconds)
	}
	return text + ", not recovered from before the next one or the end of the load"
}

// disruptedRow is a number before, during and after a disruption. Empty is not
// there.
type disruptedRow struct {
	name  string
	cells [3]string
}

// disruptedRows are what a scenario noticed. What is there in none of the parts
// has no row.
func disruptedRows(s *harness.DisruptedScenario) (rows []disruptedRow) {
	add := func(name string, cell func(p *harness.Part) string) {
		row := disruptedRow{name: name}
		for i, p := range disrupted(s) {
			if p.part.Seconds > 0 {
				row.cells[i] = cell(p.part)
			}
		}
		if row.cells != [3]string{} {
			rows = append(rows, row)
		}
	}
	of := func(f func(c *harness.Connections) string) func(p *harness.Part) string {
		return func(p *harness.Part) string {
			if p.Connections == nil {
				return ""
			}
			return f(p.Connections)
		}
	}
	add("seconds", func(p *harness.Part) string { return fmt.Sprintf("%.1f", p.Seconds) })
	add("sending rate", func(p *harness.Part) string {
		if p.Throughput == nil {
			return ""
		}
		return fmt.Sprintf("%.1f %%", 100*p.Throughput.Ratio)
	})
	for _, name := range namesOf(s) {
		for _, column := range []struct {
			name string
			of   func(a harness.ActionResult) string
		}{
			{"done", func(a harness.ActionResult) string { return count(int64(a.Count)) }},
			{"failed", func(a harness.ActionResult) string { return count(a.Errors) }},
			{"p50", func(a harness.ActionResult) string { return timeOf(a.Response, a.Response.P50) }},
			{"p99", func(a harness.ActionResult) string { return timeOf(a.Response, a.Response.P99) }},
		} {
			add(name+" "+column.name, func(p *harness.Part) string { return column.of(p.Actions[name]) })
		}
	}
	add("connections lost", of(func(c *harness.Connections) string { return fmt.Sprintf("%d (%.1f %%)", c.Lost, 100*c.LostShare) }))
	add("time to reconnect, p50", of(func(c *harness.Connections) string { return timeOf(c.Reconnect, c.Reconnect.P50) }))
	add("time to reconnect, max", of(func(c *harness.Connections) string { return timeOf(c.Reconnect, c.Reconnect.Max) }))
	add("bytes lost", of(func(c *harness.Connections) string { return perConnection(c.BytesLost) }))
	add("bytes repeated", of(func(c *harness.Connections) string { return perConnection(c.BytesRepeated) }))
	return rows
}

// namesOf are the actions of all parts.
func namesOf(s *harness.DisruptedScenario) []string {
	names := map[string]bool{}
	for _, p := range disrupted(s) {
		for name := range p.part.Actions {
			names[name] = true
		}
	}
	return sorted(names)
}

func count(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func timeOf(d harness.Distribution, seconds float64) string {
	if d.Count == 0 {
		return ""
	}
	return short(seconds)
}

func perConnection(p *harness.PerConnection) string {
	if p == nil || p.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%d (%d connections, %d at most)", p.Total, p.Connections, p.Max)
}

// said are lines about a scenario that have no place of their own.
func said(s *harness.ScenarioResult) string {
	var lines []string
	if s.Connections != nil {
		lines = append(lines, connections(s.Connections))
	}
	for _, p := range apart(s) {
		lines = append(lines, fmt.Sprintf("%s, not counted: %.1fs, %s", p.name, p.part.Seconds, iterations(p.part.Iterations)))
	}
	return strings.Join(append(lines, s.Warnings...), "\n")
}
