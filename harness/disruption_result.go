package harness

import (
	"math"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// DisruptionResult is what came of a [Disruption].
type DisruptionResult struct {
	Name            string              `json:"name"`
	At              float64             `json:"at"`      // seconds since the load's beginning
	Seconds         float64             `json:"seconds"` // from the beginning of Do to its end, or to that of Undo
	Error           string              `json:"error,omitempty"`
	Recovered       bool                `json:"recovered"`
	RecoverySeconds float64             `json:"recovery_seconds"` // from its beginning, to the second; 0 if it is not recovered from
	Scenarios       []DisruptedScenario `json:"scenarios"`        // that ran when it began
}

// DisruptedScenario is what a scenario noticed of a disruption. What is recorded
// belongs to the part in which it ended.
type DisruptedScenario struct {
	Name   string `json:"name"`
	Before Part   `json:"before"` // since the load's beginning, its warm-up, or the disruption before
	During Part   `json:"during"` // until it is over and recovered from
	After  Part   `json:"after"`  // until the next one, or the end of the load
}

// PerConnection is how something is spread over connections.
type PerConnection struct {
	Total       int64   `json:"total"`
	Connections int64   `json:"connections"` // that had any
	Mean        float64 `json:"mean"`        // of those
	Max         int64   `json:"max"`
}

func (p *PerConnection) add(n int64) {
	if n <= 0 {
		return
	}
	p.Total += n
	p.Connections++
	p.Max = max(p.Max, n)
	p.Mean = float64(p.Total) / float64(p.Connections)
}

// window is a time of a scenario, between two marks.
type window struct{ from, to *marks }

func (w window) seconds() float64 { return (w.to.at - w.from.at).Seconds() }

// connections also say what was lost in each.
func (w window) connections() *Connections {
	c := w.to.connections.since(w.from.connections)
	if c == nil || w.to.losses == nil {
		return c
	}
	c.BytesLost, c.BytesRepeated = &PerConnection{}, &PerConnection{}
	for conn, l := range w.to.losses {
		before := w.from.losses[conn]
		c.BytesLost.add(l.lost - before.lost)
		c.BytesRepeated.add(l.repeated - before.repeated)
	}
	return c
}

func (w window) part() Part {
	t := w.to.totals.since(w.from.totals)
	return Part{
		Seconds: w.seconds(), Iterations: w.to.iterations.minus(w.from.iterations), Iteration: t.iteration.result(),
		Errors:  t.failed() + w.to.bare - w.from.bare,
		Actions: t.results(), Counters: t.counters, Throughput: t.throughput(), Lag: Distribute(&t.lag),
		Connections: w.connections(),
	}
}

// minus is what was counted since o.
func (i Iterations) minus(o Iterations) Iterations {
	return Iterations{
		Started: i.Started - o.Started, Succeeded: i.Succeeded - o.Succeeded, Failed: i.Failed - o.Failed,
		Interrupted: i.Interrupted - o.Interrupted, Waited: i.Waited - o.Waited, Dropped: i.Dropped - o.Dropped,
		Stuck: i.Stuck - o.Stuck, SetupFailed: i.SetupFailed - o.SetupFailed,
	}
}

// viewOf adds windows up, for thresholds. Nil when there are none.
func viewOf(windows []window) *view {
	if len(windows) == 0 {
		return nil
	}
	v := &view{totals: newTotals()}
	reconnect := &histogram.Histogram{}
	for _, w := range windows {
		v.totals.plus(w.to.totals.since(w.from.totals))
		v.iterations = v.iterations.plus(w.to.iterations.minus(w.from.iterations))
		v.bare += w.to.bare - w.from.bare
		v.lasted += w.to.at - w.from.at
		c := w.connections()
		switch {
		case c == nil:
		case v.connections == nil:
			v.connections = c
		default:
			v.connections.Count = max(v.connections.Count, c.Count)
			v.connections.Lost += c.Lost
			v.connections.Restored += c.Restored
		}
		if c != nil {
			reconnect.Merge(orNone(c.Reconnect.Histogram))
		}
	}
	if c := v.connections; c != nil && c.Count > 0 {
		c.LostShare, c.Reconnect = float64(c.Lost)/float64(c.Count), Distribute(reconnect)
	}
	return v
}

// usual is how a scenario does without a disruption, for telling when it does so
// again.
type usual struct {
	open   int64              // connections
	errors float64            // share of what is done
	done   float64            // a second
	bytes  float64            // a second
	p99    map[string]float64 // of actions, in seconds
}

func usualOf(w window) usual {
	sec := w.to.since(w.from)
	u := usual{open: w.to.connections.open, errors: sec.errorShare(), p99: map[string]float64{}}
	if sec.Span > 0 {
		u.done, u.bytes = float64(sec.done())/sec.Span, float64(sec.BytesAchieved)/sec.Span
	}
	for name, a := range sec.Actions {
		u.p99[name] = a.P99
	}
	return u
}

// done is how much was done: actions that succeeded, or iterations of a scenario
// without any.
func (s Second) done() (n int64) {
	for _, a := range s.Actions {
		n += int64(a.Count)
	}
	if len(s.Actions) == 0 {
		n = s.Started - s.Failed
	}
	return n
}

func (s Second) errorShare() float64 {
	if s.Errors == 0 {
		return 0
	}
	return float64(s.Errors) / float64(s.Errors+max(s.done(), 0))
}

// again reports whether a second is as usual: see [Disruption].
func (u usual) again(s Second) bool {
	few := func(n float64) float64 { return 0.9*n - 2*math.Sqrt(n) } // of what comes at random, so few are no sign
	switch {
	case float64(s.Connections) < 0.99*float64(u.open),
		s.errorShare() > u.errors+0.01,
		float64(s.done()) < few(u.done*s.Span),
		float64(s.BytesAchieved) < 0.9*u.bytes*s.Span:
		return false
	}
	for name, a := range s.Actions {
		if before, ok := u.p99[name]; ok && a.P99 > 2*before+0.01 {
			return false
		}
	}
	return true
}
