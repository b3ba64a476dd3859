package traffic

import (
	"fmt"
	"math"
	"time"
)

// Poisson is random arrivals of a constant mean rate: the gaps between events
// are exponentially distributed and independent, as those of many people who
// know nothing of each other. Integral is the expected number; the actual one
// differs by about its square root. The same seed gives the same instants.
//
//	events │││  │ │││││   │  ││ │ t
type Poisson struct {
	PerSecond float64 // mean number of events per second
	Seed      uint64
}

// Next implements [Shape].
func (p Poisson) Next(c Cursor) (Cursor, bool) {
	// u is in (0, 1]: 53 random bits, never zero.
	u := (float64(mix(p.Seed+uint64(c.K+2)*golden)>>11) + 1) / (1 << 53)
	gap := -math.Log(u) / p.PerSecond
	return at(c.K+1, c.At.Seconds()+gap)
}

// Integral implements [Shape].
func (p Poisson) Integral(t time.Duration) float64 { return p.PerSecond * t.Seconds() }

// Rate implements [Shape].
func (p Poisson) Rate(time.Duration) float64 { return p.PerSecond }

// Validate implements [Shape].
func (p Poisson) Validate() error { return checkRate("Poisson rate", p.PerSecond) }

// String implements [Shape].
func (p Poisson) String() string { return fmt.Sprintf("%s/s at random (Poisson)", number(p.PerSecond)) }

// golden is 2^64 divided by the golden ratio: its multiples spread evenly.
const golden = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014): it turns a
// counter into independent random bits.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
