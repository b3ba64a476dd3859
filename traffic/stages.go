package traffic

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Stage is one slope of [Stages].
type Stage struct {
	To   float64       // events per second at its end
	Over time.Duration // how long the change takes; 0 is a jump
}

// Stages changes the rate linearly from one stage's end to the next one's,
// beginning at 0; after the last there are no events. A first stage of length 0
// begins at another rate than 0, one that keeps the rate holds it.
//
// A stage that begins at t₀ with rate r and area A behind it, and whose slope is
// a = (To-r)/Over, has ∫rate = A + r·(t-t₀) + a·(t-t₀)²/2. So event k is due in
// it at t₀ + 2(k-A) / (r + √(r² + 2a(k-A))), as in [Ramp].
//
//	rate │   ╭────╮
//	     │  ╱      ╲
//	     └─╱────────╲─ t
type Stages []Stage

// Next implements [Shape].
func (s Stages) Next(c Cursor) (Cursor, bool) {
	k := float64(c.K + 1)
	var start, area, from float64
	for _, stage := range s {
		over := stage.Over.Seconds()
		if next := area + (from+stage.To)/2*over; k < next {
			return at(c.K+1, start+climb(from, stage.To, over, k-area))
		} else {
			start, area, from = start+over, next, stage.To
		}
	}
	return Cursor{}, false
}

// Integral implements [Shape].
func (s Stages) Integral(t time.Duration) float64 {
	var area, from float64
	for _, stage := range s {
		if t <= 0 {
			break
		}
		if stage.Over > 0 {
			x := min(t, stage.Over).Seconds()
			area += from*x + (stage.To-from)/stage.Over.Seconds()*x*x/2
		}
		from, t = stage.To, t-stage.Over
	}
	return area
}

// Rate implements [Shape].
func (s Stages) Rate(t time.Duration) float64 {
	from := 0.0
	for _, stage := range s {
		if t < stage.Over {
			return from + (stage.To-from)*t.Seconds()/stage.Over.Seconds()
		}
		from, t = stage.To, t-stage.Over
	}
	return 0
}

// Length implements [Finite].
func (s Stages) Length() time.Duration {
	var d time.Duration
	for _, stage := range s {
		d += stage.Over
	}
	return d
}

// Validate implements [Shape].
func (s Stages) Validate() error {
	if len(s) == 0 {
		return errors.New("stages: there are none")
	}
	var errs []error
	for i, stage := range s {
		errs = append(errs, checkRate(fmt.Sprintf("stage %d", i+1), stage.To))
		if stage.Over < 0 {
			errs = append(errs, fmt.Errorf("duration of stage %d is %v, want 0 (a jump) or more", i+1, stage.Over))
		}
	}
	if s.Length() <= 0 {
		errs = append(errs, fmt.Errorf("all stages together last %v, want more than 0", s.Length()))
	}
	return errors.Join(errs...)
}

// String implements [Shape].
func (s Stages) String() string {
	var parts []string
	from := 0.0
	for i, stage := range s {
		switch {
		case stage.Over == 0 && i < len(s)-1: // the next one says where from
		case stage.To == from:
			parts = append(parts, fmt.Sprintf("%s/s for %v", number(from), stage.Over))
		default:
			parts = append(parts, fmt.Sprintf("%s/s to %s/s over %v", number(from), number(stage.To), stage.Over))
		}
		from = stage.To
	}
	return strings.Join(parts, ", then ")
}
