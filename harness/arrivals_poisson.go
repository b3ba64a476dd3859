package harness

import (
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// PoissonArrivals starts iterations at random, perSecond a second on average,
// for d, on at most users virtual users. The same seed gives the same instants.
//
// The gap before each is -ln(u)/perSecond, with u evenly distributed in (0, 1];
// see [traffic.Poisson]. So the number of starts differs from perSecond·d by
// about its square root.
//
//	starts │││  │ │││││   │  ││ │ t
func PoissonArrivals(perSecond float64, seed uint64, d time.Duration, users int) Arrivals {
	return Arrivals{Shape: traffic.Poisson{PerSecond: perSecond, Seed: seed}, Duration: d, VirtualUsers: users}
}
