package traffic

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Step is one tread of [Steps].
type Step struct {
	PerSecond float64
	For       time.Duration
}

// Steps holds one rate after the other; after the last there are no events.
// The steps' areas add up: a step does not start its count anew.
//
//	rate │      ┌──
//	     │   ┌──┘
//	     └───┘──────── t
type Steps []Step

// Next implements [Shape].
func (s Steps) Next(c Cursor) (Cursor, bool) {
	k := float64(c.K + 1)
	var start, area float64
	for _, step := range s {
		length := step.For.Seconds()
		if next := area + step.PerSecond*length; k < next {
			return at(c.K+1, start+(k-area)/step.PerSecond)
		} else {
			start, area = start+length, next
		}
	}
	return Cursor{}, false
}

// Integral implements [Shape].
func (s Steps) Integral(t time.Duration) float64 {
	var area float64
	for _, step := range s {
		if t <= 0 {
			break
		}
		area += step.PerSecond * min(t, step.For).Seconds()
		t -= step.For
	}
	return area
}

// Rate implements [Shape].
func (s Steps) Rate(t time.Duration) float64 {
	for _, step := range s {
		if t < step.For {
			return step.PerSecond
		}
		t -= step.For
	}
	return 0
}

// Length implements [Finite].
func (s Steps) Length() time.Duration {
	var d time.Duration
	for _, step := range s {
		d += step.For
	}
	return d
}

// Validate implements [Shape].
func (s Steps) Validate() error {
	if len(s) == 0 {
		return errors.New("steps: there are none")
	}
	var errs []error
	for i, step := range s {
		errs = append(errs,
			checkRate(fmt.Sprintf("step %d", i+1), step.PerSecond),
			checkPositive(fmt.Sprintf("duration of step %d", i+1), step.For))
	}
	return errors.Join(errs...)
}

// String implements [Shape].
func (s Steps) String() string {
	parts := make([]string, len(s))
	for i, step := range s {
		parts[i] = fmt.Sprintf("%s/s for %v", number(step.PerSecond), step.For)
	}
	return strings.Join(parts, ", then ")
}
