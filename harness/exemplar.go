package harness

import (
	"encoding/hex"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// Exemplar is one success of an action whose span somebody will see: it leads
// from a number to a trace.
type Exemplar struct {
	Trace, Span       string // IDs, in hexadecimal as W3C's Trace Context has them
	Response, Service time.Duration
	At                time.Time // when it ended
}

// IdentifiedSpan is a [Span] that can be found again by its IDs. A [Tracer] whose
// spans are ones gives [ActionTotals] their Exemplars.
type IdentifiedSpan interface {
	Span

	// TraceIDs are the IDs of the trace and of the span. It is not sampled if
	// nobody will see it. It is called after End.
	TraceIDs() (trace [16]byte, span [8]byte, sampled bool)
}

// exemplars are the newest of each action and octave of its response time, so
// that there are few however long the run is, and one for the slowest.
type exemplars struct {
	mu     sync.Mutex
	newest map[exemplarKey]exemplar
}

type exemplarKey struct{ action, octave int }

type exemplar struct {
	trace             [16]byte
	span              [8]byte
	response, service time.Duration
	at                time.Duration // since the run's epoch
}

// exemplify keeps a success, if its span will be seen.
func (r *Recorder) exemplify(s Span, a Action, end, service time.Duration) {
	identified, ok := s.(IdentifiedSpan)
	if !ok || r.scenario.frozen.Load() {
		return
	}
	trace, span, sampled := identified.TraceIDs()
	if !sampled {
		return
	}
	e := &r.metricsOf(r.from, end, false).exemplars
	response := max(end-r.from, 0)
	key := exemplarKey{a.id, bits.Len64(uint64(response))}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.newest == nil {
		e.newest = map[exemplarKey]exemplar{}
	}
	e.newest[key] = exemplar{trace, span, response, service, end}
}

// exemplars are those of actions by their names, the shortest first, of the load
// or of the setup. An action and its tags share them.
func (r *Run) exemplars(of ...*metrics) map[string][]Exemplar {
	if r.plan.Tracer == nil {
		return nil
	}
	newest := map[exemplarKey]exemplar{}
	for _, m := range of {
		m.exemplars.mu.Lock()
		for key, e := range m.exemplars.newest {
			key.action, _ = actions.split(key.action)
			if before, ok := newest[key]; !ok || before.at <= e.at {
				newest[key] = e
			}
		}
		m.exemplars.mu.Unlock()
	}
	out := map[string][]Exemplar{}
	for key, e := range newest {
		name := actions.name(key.action)
		out[name] = append(out[name], Exemplar{
			Trace: hex.EncodeToString(e.trace[:]), Span: hex.EncodeToString(e.span[:]),
			Response: e.response, Service: e.service, At: r.epoch.Add(e.at),
		})
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b Exemplar) int { return int(a.Response - b.Response) })
	}
	return out
}

// exemplars are those of all parts of the load.
func (s *scenarioRun) exemplars() map[string][]Exemplar {
	if s.parted == nil {
		return s.run.exemplars(s.metrics)
	}
	return s.run.exemplars(s.metrics, s.parted.metrics[warmUp], s.parted.metrics[coolDown])
}
