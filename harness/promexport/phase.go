package promexport

import "github.com/coderscale/scaletest/internal/progress"

// Phase takes the phase that begins. It is what [harness.Plan.OnPhase] wants.
func (e *Exporter) Phase(name string) { e.run.Phase(name) }

// phases has a series for each phase, so that Prometheus sees the end of one
// when the next begins.
func (c collection) phases(s progress.State) {
	if s.Phase != "" {
		for _, name := range progress.Phases {
			c.gauge("phase", one(name == s.Phase), name)
		}
	}
	for name, now := range s.Disruptions {
		for _, state := range progress.DisruptionStates {
			c.gauge("disruption", one(state == now), name, state)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
