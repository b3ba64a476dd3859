package harness

import (
	"fmt"
	"slices"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// scenario sums the i-th one of the plan up, without its thresholds' outcome.
func (m *merge) scenario(i int) ScenarioResult {
	of := func(r *Result) *ScenarioResult { return &r.Scenarios[i] }
	first := of(m.results[0])
	sum := ScenarioResult{Name: first.Name, Schedule: first.Schedule, Warnings: []string{}, Thresholds: []ThresholdResult{}, Timeline: m.timeline(i)}
	for _, t := range first.Thresholds {
		sum.Thresholds = append(sum.Thresholds, ThresholdResult{Threshold: t.Threshold})
	}
	var counted, warm, cool, setup []*Part
	for _, r := range m.results {
		s := of(r)
		sum.Users += s.Users
		sum.Ready += s.Ready
		sum.MoreFailures += s.MoreFailures
		counted = append(counted, s.counted())
		setup = append(setup, &Part{Actions: s.Setup})
		if s.WarmUp != nil {
			warm = append(warm, s.WarmUp)
		}
		if s.CoolDown != nil {
			cool = append(cool, s.CoolDown)
		}
		for _, w := range s.Warnings {
			if r.Shard != "" {
				w = fmt.Sprintf("shard %s: %s", r.Shard, w)
			}
			sum.Warnings = append(sum.Warnings, w)
		}
	}
	slices.Sort(sum.Warnings)
	p := mergeParts(counted)
	sum.LoadSeconds, sum.Iterations, sum.Errors, sum.Iteration = p.Seconds, p.Iterations, p.Errors, p.Iteration
	sum.Actions, sum.Counters, sum.Throughput, sum.Connections, sum.Lag = p.Actions, p.Counters, p.Throughput, p.Connections, p.Lag
	sum.Setup = mergeParts(setup).Actions
	if len(warm) > 0 {
		sum.WarmUp = mergeParts(warm)
	}
	if len(cool) > 0 {
		sum.CoolDown = mergeParts(cool)
	}
	for apart := range 2 { // what counts is first, as in the result of a run
		kept, more := m.failures(func(r *Result) []Failure {
			var some []Failure
			for _, f := range of(r).Failures {
				if apartLast(f) == apart {
					some = append(some, f)
				}
			}
			return some
		})
		sum.Failures, sum.MoreFailures = append(sum.Failures, kept...), sum.MoreFailures+more
	}
	return sum
}

// counted is what counts of a scenario.
func (s *ScenarioResult) counted() *Part {
	return &Part{
		Seconds: s.LoadSeconds, Iterations: s.Iterations, Errors: s.Errors, Iteration: s.Iteration, Actions: s.Actions,
		Counters: s.Counters, Throughput: s.Throughput, Lag: s.Lag, Connections: s.Connections,
	}
}

// mergeParts sums parts up that were on at the same time.
func mergeParts(parts []*Part) *Part {
	sum := &Part{Counters: map[string]int64{}}
	var iteration []ActionResult
	var actions []map[string]ActionResult
	var lag []Distribution
	var connections []*Connections
	t := newTotals()
	for _, p := range parts {
		sum.Seconds = max(sum.Seconds, p.Seconds)
		sum.Iterations = sum.Iterations.plus(p.Iterations)
		sum.Errors += p.Errors
		for name, n := range p.Counters {
			sum.Counters[name] += n
		}
		if p.Throughput != nil {
			t.bytesIntended += p.Throughput.BytesIntended
			t.bytesAchieved += p.Throughput.BytesAchieved
		}
		iteration, actions, lag = append(iteration, p.Iteration), append(actions, p.Actions), append(lag, p.Lag)
		if p.Connections != nil {
			connections = append(connections, p.Connections)
		}
	}
	sum.Iteration, sum.Actions, sum.Lag = mergeAction(iteration), mergeActions(actions), mergeDistributions(lag)
	sum.Throughput, sum.Connections = t.throughput(), mergeConnections(connections)
	return sum
}

// mergeActions merges by name.
func mergeActions(all []map[string]ActionResult) map[string]ActionResult {
	by := map[string][]ActionResult{}
	for _, actions := range all {
		for name, a := range actions {
			by[name] = append(by[name], a)
		}
	}
	out := map[string]ActionResult{}
	for name, list := range by {
		out[name] = mergeAction(list)
	}
	return out
}

func mergeAction(list []ActionResult) ActionResult {
	var sum ActionResult
	var response, service []Distribution
	var tags []map[string]ActionResult
	for _, a := range list {
		sum.Count += a.Count
		sum.Errors += a.Errors
		response, service, tags = append(response, a.Response), append(service, a.Service), append(tags, a.Tags)
	}
	sum.Response, sum.Service = mergeDistributions(response), mergeDistributions(service)
	if t := mergeActions(tags); len(t) > 0 {
		sum.Tags = t
	}
	return sum
}

func mergeDistributions(list []Distribution) Distribution {
	sum := &histogram.Histogram{}
	for _, d := range list {
		sum.Merge(d.exact())
	}
	return Distribute(sum)
}

// exact is a copy of the histogram, with the extremes that a file has only beside
// it.
func (d Distribution) exact() *histogram.Histogram {
	h := orNone(d.Histogram).Clone()
	h.Narrow(nanoseconds(d.Min), nanoseconds(d.Max))
	return h
}

// mergeConnections returns nil for none.
func mergeConnections(list []*Connections) *Connections {
	if len(list) == 0 {
		return nil
	}
	sum := &Connections{}
	var reconnect []Distribution
	for _, c := range list {
		sum.Count += c.Count
		sum.Lost += c.Lost
		sum.Restored += c.Restored
		sum.BytesLost, sum.BytesRepeated = sum.BytesLost.plus(c.BytesLost), sum.BytesRepeated.plus(c.BytesRepeated)
		reconnect = append(reconnect, c.Reconnect)
	}
	if sum.Count > 0 {
		sum.LostShare = float64(sum.Lost) / float64(sum.Count)
	}
	sum.Reconnect = mergeDistributions(reconnect)
	return sum
}

// plus adds other connections. Nil is not known.
func (p *PerConnection) plus(o *PerConnection) *PerConnection {
	if p == nil || o == nil {
		if p == nil {
			p = o
		}
		return p
	}
	sum := &PerConnection{Total: p.Total + o.Total, Connections: p.Connections + o.Connections, Max: max(p.Max, o.Max)}
	if sum.Connections > 0 {
		sum.Mean = float64(sum.Total) / float64(sum.Connections)
	}
	return sum
}
