package harness

import (
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// SpikeArrivals starts iterations at a constant rate with spikes, for d, on at
// most users virtual users. A single spike has Every = d.
//
// The rate is s.Peak for s.Length in the middle of each interval s.Every, and
// s.Base elsewhere; see [traffic.Spikes].
//
//	rate │    █       █
//	     │    █       █
//	     │────█───────█────
//	     └───────────────── t
func SpikeArrivals(s traffic.Spikes, d time.Duration, users int) Arrivals {
	return Arrivals{Shape: s, Duration: d, VirtualUsers: users}
}
