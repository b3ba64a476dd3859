package harness

import (
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// SineArrivals starts iterations at a rate that swings around a mean, for d, on
// at most users virtual users.
//
// The rate at t is s.Mean + s.Amplitude·sin(2πt/s.Period); see [traffic.Sine].
//
//	rate │ ╭─╮     ╭─╮
//	     │╱   ╲   ╱   ╲
//	     │     ╰─╯
//	     └──────────── t
func SineArrivals(s traffic.Sine, d time.Duration, users int) Arrivals {
	return Arrivals{Shape: s, Duration: d, VirtualUsers: users}
}
