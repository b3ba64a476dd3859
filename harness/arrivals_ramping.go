package harness

import "github.com/coderscale/scaletest/traffic"

// RampingArrivals changes the rate of arrivals linearly from stage to stage,
// beginning at 0 (a first stage of length 0 begins elsewhere), on at most users
// virtual users. It ends with the last stage. It is k6's ramping-arrival-rate.
//
// With slope a and rate r at the beginning of a stage, r·t + a·t²/2 iterations
// are meant to have started t into it; see [traffic.Stages].
//
//	rate │   ╭────╮
//	     │  ╱      ╲
//	     └─╱────────╲─ t
func RampingArrivals(users int, stages ...traffic.Stage) Arrivals {
	return Arrivals{Shape: traffic.Stages(stages), VirtualUsers: users}
}
