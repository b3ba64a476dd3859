package progress

import (
	"maps"
	"slices"
	"strings"
)

// Phases are those of every run.
var Phases = []string{"setup", "baseline", "load", "cleanup", "done"}

// DisruptionStates are how far a disruption can be.
var DisruptionStates = []string{"active", "undone", "recovered"}

// told are the states by how the harness tells of them.
var told = []struct{ prefix, state string }{
	{"disruption ", "active"}, {"undo ", "undone"}, {"recovered from ", "recovered"},
}

// Phase takes the phase that begins. What is none of the harness' own is left
// out, and so are disruptions beyond the names that are kept apart.
func (r *Run) Phase(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(Phases, name) {
		r.phase = name
		return
	}
	for _, t := range told {
		disruption, ok := strings.CutPrefix(name, t.prefix)
		if !ok {
			continue
		}
		if _, known := r.states[disruption]; !known && len(r.states) >= r.maxNames {
			return
		}
		if r.states == nil {
			r.states = map[string]string{}
		}
		r.states[disruption] = t.state
		return
	}
}

func (r *Run) disruptions() map[string]string { return maps.Clone(r.states) }
