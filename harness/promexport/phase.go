package promexport

import (
	"maps"
	"slices"
	"strings"
)

// runPhases are those of every run.
var runPhases = []string{"setup", "baseline", "load", "cleanup", "done"}

// The states of a disruption, by how the harness tells of them.
var disruptionStates = []struct{ prefix, state string }{
	{"disruption ", "active"}, {"undo ", "undone"}, {"recovered from ", "recovered"},
}

// phases are where a run is.
type phases struct {
	now         string            // "" until the first
	disruptions map[string]string // states by name
}

func (p phases) clone() phases { return phases{p.now, maps.Clone(p.disruptions)} }

// Phase takes the phase that begins. It is what [harness.Plan.OnPhase] wants.
// What is none of the harness' own phases is left out.
func (e *Exporter) Phase(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.Contains(runPhases, name) {
		e.phases.now = name
		return
	}
	for _, s := range disruptionStates {
		disruption, ok := strings.CutPrefix(name, s.prefix)
		if !ok {
			continue
		}
		if _, known := e.phases.disruptions[disruption]; !known && len(e.phases.disruptions) >= e.cfg.MaxNames {
			return
		}
		if e.phases.disruptions == nil {
			e.phases.disruptions = map[string]string{}
		}
		e.phases.disruptions[disruption] = s.state
		return
	}
}

// phases has a series for each phase, so that Prometheus sees the end of one
// when the next begins.
func (c collection) phases(p phases) {
	if p.now != "" {
		for _, name := range runPhases {
			c.gauge("phase", one(name == p.now), name)
		}
	}
	for name, now := range p.disruptions {
		for _, s := range disruptionStates {
			c.gauge("disruption", one(s.state == now), name, s.state)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
