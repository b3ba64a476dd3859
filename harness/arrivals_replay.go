package harness

import "github.com/coderscale/scaletest/traffic"

// ReplayArrivals starts iterations at recorded instants, on at most users
// virtual users: iteration k is meant to start at recorded[k]. It ends with the
// last one. [traffic.ReadReplay] reads a recording.
//
//	starts ││   │   │││ │     │ t
func ReplayArrivals(recorded traffic.Replay, users int) Arrivals {
	return Arrivals{Shape: recorded, VirtualUsers: users}
}
