package harness

import "github.com/coderscale/scaletest/traffic"

// SteppedArrivals holds one rate of arrivals after the other, on at most users
// virtual users. It ends with the last step.
//
// Iteration k is meant to start k - A into a step with A iterations before it,
// divided by the step's rate; see [traffic.Steps].
//
//	rate │      ┌──
//	     │   ┌──┘
//	     └───┘──────── t
func SteppedArrivals(users int, steps ...traffic.Step) Arrivals {
	return Arrivals{Shape: traffic.Steps(steps), VirtualUsers: users}
}
