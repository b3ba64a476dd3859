package harness

import (
	"maps"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// Totals are a scenario's sums since its beginning. The histograms are shared
// with the run: read them, and change nothing.
type Totals struct {
	Scenario   string
	Users      int64 // that run an iteration now
	Ready      int64 // users whose setup succeeded
	Iterations Iterations
	Iteration  ActionTotals            // whole iterations
	Setup      map[string]ActionTotals // actions before the load
	Actions    map[string]ActionTotals // actions of the load
	Counters   map[string]int64
	Lag        *histogram.Histogram // the generator's own lateness

	BytesIntended, BytesAchieved int64

	// EventsIntended are those of sources, such as the ticks of terminals, and
	// EventsDropped are the ones that this process was too slow for. Both are 0
	// for a scenario of a [Result], which does not keep them.
	EventsIntended, EventsDropped int64

	// Connections are those of [Recorder.Connected]; nil if there never were any.
	Connections *ConnectionTotals
}

// ConnectionTotals are a scenario's connections that last.
type ConnectionTotals struct {
	Open           int64 // now; 0 for a scenario of a [Result]
	Lost, Restored int64 // times that one was
}

// ActionTotals are an action's sums. The times are of successes.
type ActionTotals struct {
	Response, Service *histogram.Histogram
	Errors            int64

	// Exemplars are successes that lead to their traces, the shortest response
	// first: the newest of each octave of response time. They are nil without a
	// [Tracer] whose spans are [IdentifiedSpan], and for an action of a [Result].
	Exemplars []Exemplar
}

// Totals are the sums of all scenarios until this snapshot, those included that
// have not begun or have ended. They are there for exporters, which want sums
// where a [Second] has differences. Nothing is computed before they are asked
// for, and little then.
func (s Snapshot) Totals() []Totals {
	out := make([]Totals, len(s.marks))
	for i, m := range s.marks {
		t := m.totals
		out[i] = Totals{
			Scenario: m.of.Name, Users: m.active, Ready: m.ready, Iterations: m.iterations,
			Iteration: t.iteration.sums(), Setup: allSums(m.of.setup.totals().actions, m.of.run.exemplars(m.of.setup)),
			Actions:  allSums(t.actions, m.of.exemplars()),
			Counters: t.counters, Lag: &t.lag,
			BytesIntended: t.bytesIntended, BytesAchieved: t.bytesAchieved,
			EventsIntended: t.sourceIntended, EventsDropped: t.sourceDropped,
			Connections: m.connections.totals(),
		}
	}
	return out
}

// Totals are the sums of all scenarios at the end.
func (r *Result) Totals() []Totals {
	out := make([]Totals, len(r.Scenarios))
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		out[i] = Totals{
			Scenario: s.Name, Ready: s.Ready, Iterations: s.Iterations, Iteration: s.Iteration.totals(),
			Setup: map[string]ActionTotals{}, Actions: map[string]ActionTotals{},
			Counters: s.Counters, Lag: orNone(s.Lag.Histogram),
		}
		for name, a := range s.Setup {
			out[i].Setup[name] = a.totals()
		}
		for name, a := range s.Actions {
			out[i].Actions[name] = a.totals()
		}
		out[i].addBytes(s.Throughput)
		out[i].addConnections(s.Connections)
		for _, p := range []*Part{s.WarmUp, s.CoolDown} {
			if p != nil {
				out[i].add(p)
			}
		}
	}
	return out
}

// add adds a part that does not count: sums that were shown don't go back.
func (t *Totals) add(p *Part) {
	t.Iterations = t.Iterations.plus(p.Iterations)
	t.Iteration = t.Iteration.plus(p.Iteration)
	for name, a := range p.Actions {
		t.Actions[name] = t.Actions[name].plus(a)
	}
	t.Counters = maps.Clone(t.Counters)
	for name, n := range p.Counters {
		t.Counters[name] += n
	}
	t.Lag = sum(t.Lag, p.Lag.Histogram)
	t.addBytes(p.Throughput)
	t.addConnections(p.Connections)
}

func (t *Totals) addConnections(c *Connections) {
	if c == nil {
		return
	}
	if t.Connections == nil {
		t.Connections = &ConnectionTotals{}
	}
	t.Connections.Lost += c.Lost
	t.Connections.Restored += c.Restored
}

func (s connectionSums) totals() *ConnectionTotals {
	if s.opened == 0 {
		return nil
	}
	return &ConnectionTotals{Open: s.open, Lost: s.lost, Restored: s.restored}
}

func (t *Totals) addBytes(o *Throughput) {
	if o != nil {
		t.BytesIntended += o.BytesIntended
		t.BytesAchieved += o.BytesAchieved
	}
}

func (a ActionTotals) plus(o ActionResult) ActionTotals {
	return ActionTotals{Response: sum(a.Response, o.Response.Histogram), Service: sum(a.Service, o.Service.Histogram), Errors: a.Errors + o.Errors}
}

// sum is of copies: a result's histograms stay what they are.
func sum(a, b *histogram.Histogram) *histogram.Histogram {
	s := orNone(a).Clone()
	s.Merge(orNone(b))
	return s
}

func (a ActionResult) totals() ActionTotals {
	return ActionTotals{Response: orNone(a.Response.Histogram), Service: orNone(a.Service.Histogram), Errors: a.Errors}
}

func orNone(h *histogram.Histogram) *histogram.Histogram {
	if h == nil {
		return &histogram.Histogram{}
	}
	return h
}

func (s *series) sums() ActionTotals {
	return ActionTotals{Response: &s.response, Service: &s.service, Errors: s.errors}
}

func allSums(of map[string]*series, exemplars map[string][]Exemplar) map[string]ActionTotals {
	out := make(map[string]ActionTotals, len(of))
	for name, s := range of {
		sums := s.sums()
		sums.Exemplars = exemplars[name]
		out[name] = sums
	}
	return out
}
