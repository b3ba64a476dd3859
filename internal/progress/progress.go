// Package progress keeps what exporters show of a run while it goes on: its latest
// sums, its phase and its verdict, under few names.
package progress

import (
	"sync"

	"github.com/coderscale/scaletest/harness"
)

// DefaultMaxNames is more than all runners of this module have together, and
// keeps a scenario below 10,000 series, whatever names are made up.
const DefaultMaxNames = 100

// Run is a run as exporters see it. It is safe for concurrent use.
type Run struct {
	maxNames int

	mu      sync.Mutex
	totals  []harness.Totals
	runID   string
	verdict string
	final   bool
	names   map[string]*names // by scenario and kind
	phase   string
	states  map[string]string // of disruptions
}

// State is how far a run is.
type State struct {
	RunID   string // "" until the first snapshot
	Verdict string // "running" until the end

	Phase       string            // one of Phases; "" until the first
	Disruptions map[string]string // which of DisruptionStates, by name

	Scenarios []Scenario
}

// Scenario are a scenario's sums. Beyond the names that are kept apart, actions
// and counters are summed up under the name [Other].
type Scenario struct {
	harness.Totals
	All harness.Totals // under all their names
}

// New keeps maxNames actions of a scenario's setup apart, as many of its load,
// counters and disruptions.
func New(maxNames int) *Run {
	return &Run{maxNames: maxNames, verdict: "running", names: map[string]*names{}}
}

// Observe takes a snapshot's sums.
func (r *Run) Observe(s harness.Snapshot) {
	totals := s.Totals()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.final {
		r.totals, r.runID = totals, s.RunID
	}
}

// Finish takes the final sums and the verdict.
func (r *Run) Finish(res *harness.Result) {
	totals := res.Totals()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range totals {
		for _, before := range r.totals { // what a result does not keep
			if before.Scenario == totals[i].Scenario {
				totals[i].EventsIntended, totals[i].EventsDropped = before.EventsIntended, before.EventsDropped
				keepExemplars(totals[i].Setup, before.Setup)
				keepExemplars(totals[i].Actions, before.Actions)
			}
		}
	}
	r.totals, r.runID, r.verdict, r.final = totals, res.RunID, string(res.Verdict), true
}

func keepExemplars(to, from map[string]harness.ActionTotals) {
	for name, a := range to {
		a.Exemplars = from[name].Exemplars
		to[name] = a
	}
}

// Final reports whether the sums are the final ones.
func (r *Run) Final() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.final
}

// Now is how far the run is. Histograms are shared: read them, and change nothing.
func (r *Run) Now() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := State{RunID: r.runID, Verdict: r.verdict, Phase: r.phase, Disruptions: r.disruptions()}
	for _, t := range r.totals {
		s.Scenarios = append(s.Scenarios, r.fold(t))
	}
	return s
}
