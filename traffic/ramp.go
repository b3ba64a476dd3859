package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Ramp changes the rate linearly from From to To and then holds To.
//
// With a = (To-From)/Over, ∫rate = From·t + a·t²/2, so event k is due at
// t = 2k / (From + √(From² + 2ak)): the form of the quadratic's root that
// stays exact for small a.
//
//	rate │      ╱─────
//	     │   ╱
//	     └╱─────────── t
type Ramp struct {
	From, To float64       // events per second
	Over     time.Duration // how long the change takes
}

// Next implements [Shape].
func (r Ramp) Next(c Cursor) (Cursor, bool) {
	k := float64(c.K + 1)
	over := r.Over.Seconds()
	if area := (r.From + r.To) / 2 * over; k > area {
		return at(c.K+1, over+(k-area)/r.To)
	}
	return at(c.K+1, climb(r.From, r.To, over, k))
}

// climb is when a slope has this area behind it.
func climb(from, to, over, area float64) float64 {
	if area <= 0 {
		return 0
	}
	a := (to - from) / over
	// Next to a rate of 0 at the end, rounding must not go past the end.
	return min(2*area/(from+math.Sqrt(max(from*from+2*a*area, 0))), over)
}

// Integral implements [Shape].
func (r Ramp) Integral(t time.Duration) float64 {
	s, over := t.Seconds(), r.Over.Seconds()
	if s <= over {
		return r.From*s + (r.To-r.From)/over*s*s/2
	}
	return (r.From+r.To)/2*over + r.To*(s-over)
}

// Rate implements [Shape].
func (r Ramp) Rate(t time.Duration) float64 {
	if t >= r.Over {
		return r.To
	}
	return r.From + (r.To-r.From)*t.Seconds()/r.Over.Seconds()
}

// Validate implements [Shape].
func (r Ramp) Validate() error {
	return errors.Join(
		checkRate("ramp from", r.From),
		checkRate("ramp to", r.To),
		checkPositive("duration of the ramp", r.Over))
}

// String implements [Shape].
func (r Ramp) String() string {
	return fmt.Sprintf("%s/s to %s/s over %v", number(r.From), number(r.To), r.Over)
}
