package codertest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Latency is a distribution of times. The zero value is no time at all.
type Latency struct {
	// Min and Max bound it. Without a Median it is uniform between them, and
	// always Min if Max is 0.
	Min, Max time.Duration

	// Median makes it log-normal around this value, cut at Min and, unless that
	// is 0, at Max.
	Median time.Duration

	// P99 is the 99th percentile of the log-normal distribution. 0 means three
	// times the median.
	P99 time.Duration
}

// Fixed is always the same time.
func Fixed(d time.Duration) Latency { return Latency{Min: d} }

// Validate reports what is wrong with the distribution.
func (l Latency) Validate() error {
	switch {
	case l.Min < 0 || l.Max < 0 || l.Median < 0 || l.P99 < 0:
		return fmt.Errorf("a time is negative: %+v", l)
	case l.Max != 0 && l.Max < l.Min:
		return fmt.Errorf("max is %v, want at least the min of %v", l.Max, l.Min)
	case l.P99 != 0 && l.P99 < l.Median:
		return fmt.Errorf("p99 is %v, want at least the median of %v", l.P99, l.Median)
	case l.P99 != 0 && l.Median == 0:
		return fmt.Errorf("p99 is %v, but there is no median", l.P99)
	}
	return nil
}

// z99 is how many standard deviations the 99th percentile is above the median.
const z99 = 2.3263

func (l Latency) sample(r *rand.Rand) time.Duration {
	if l.Median == 0 {
		if l.Max <= l.Min {
			return l.Min
		}
		return l.Min + time.Duration(r.Int64N(int64(l.Max-l.Min)+1))
	}
	p99 := l.P99
	if p99 == 0 {
		p99 = 3 * l.Median
	}
	sigma := math.Log(float64(p99)/float64(l.Median)) / z99
	d := max(time.Duration(float64(l.Median)*math.Exp(sigma*r.NormFloat64())), l.Min)
	if l.Max != 0 {
		d = min(d, l.Max)
	}
	return d
}
