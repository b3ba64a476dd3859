package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Shape says when events are meant to happen: the k-th event (counted from
// zero) has exactly one intended instant, measured from the start. However
// late somebody asks, the answer is the same, so nothing is lost by being
// late. Shapes are values without state: any number of connections may follow
// the same one.
//
// For every t the number of events before t is the integral of the rate over
// [0, t], give or take one.
type Shape interface {
	// Next returns the event after c, the first one for [Before]. It returns
	// false when there are no more.
	Next(c Cursor) (Cursor, bool)

	// Integral is how many events are meant to happen in [0, t].
	Integral(t time.Duration) float64

	// Rate is the intended number of events per second at t.
	Rate(t time.Duration) float64

	// Validate reports everything that is wrong with the shape.
	Validate() error

	// String describes the shape in one human line.
	String() string
}

// Finite is a [Shape] that ends by itself.
type Finite interface {
	Shape

	// Length is how long it lasts. No event is due later.
	Length() time.Duration
}

// Cursor is an event of a shape: its number and its intended instant.
type Cursor struct {
	K  int64         // number, from 0
	At time.Duration // intended instant since the start
}

// Before is the cursor that stands before the first event of any shape.
var Before = Cursor{K: -1}

// forever is later than any event: 292 years.
const forever = time.Duration(math.MaxInt64)

// at turns seconds into an instant; what lies beyond 292 years is never.
func at(k int64, seconds float64) (Cursor, bool) {
	ns := seconds * 1e9
	if math.IsNaN(ns) || ns >= float64(forever) {
		return Cursor{}, false
	}
	return Cursor{K: k, At: time.Duration(math.Round(max(ns, 0)))}, true
}

func checkRate(what string, r float64) error {
	switch {
	case math.IsNaN(r) || math.IsInf(r, 0) || r < 0:
		return fmt.Errorf("%s is %v, want a finite number of events per second, not below 0", what, r)
	case r > 1e9:
		return fmt.Errorf("%s is %v, want at most 1e9 events per second", what, r)
	}
	return nil
}

func checkPositive(what string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s is %v, want more than 0", what, d)
	}
	return nil
}

// Flat is a constant rate. Event k is due at k/PerSecond.
//
//	rate │────────────
//	     └──────────── t
type Flat struct {
	PerSecond float64 // events per second; 0 means none at all
}

// Every is the constant rate of one event each interval, the first at once.
func Every(interval time.Duration) Flat {
	return Flat{PerSecond: float64(time.Second) / float64(interval)}
}

// Next implements [Shape].
func (f Flat) Next(c Cursor) (Cursor, bool) {
	return at(c.K+1, float64(c.K+1)/f.PerSecond)
}

// Integral implements [Shape].
func (f Flat) Integral(t time.Duration) float64 { return f.PerSecond * t.Seconds() }

// Rate implements [Shape].
func (f Flat) Rate(time.Duration) float64 { return f.PerSecond }

// Validate implements [Shape].
func (f Flat) Validate() error {
	if math.IsInf(f.PerSecond, 0) { // what Every(0) makes
		return errors.New("constant rate: the interval is 0, want more than 0")
	}
	return checkRate("constant rate", f.PerSecond)
}

// String implements [Shape].
func (f Flat) String() string { return fmt.Sprintf("%s/s", number(f.PerSecond)) }

// For ends another shape after a while.
type For struct {
	Shape    Shape
	Duration time.Duration // events at or after this instant do not happen
}

// Next implements [Shape].
func (f For) Next(c Cursor) (Cursor, bool) {
	n, ok := f.Shape.Next(c)
	return n, ok && n.At < f.Duration
}

// Integral implements [Shape].
func (f For) Integral(t time.Duration) float64 { return f.Shape.Integral(min(t, f.Duration)) }

// Rate implements [Shape].
func (f For) Rate(t time.Duration) float64 {
	if t >= f.Duration {
		return 0
	}
	return f.Shape.Rate(t)
}

// Length implements [Finite].
func (f For) Length() time.Duration { return f.Duration }

// Validate implements [Shape].
func (f For) Validate() error {
	if f.Shape == nil {
		return errors.New("limited shape: there is no shape to limit")
	}
	return errors.Join(f.Shape.Validate(), checkPositive("duration of the shape", f.Duration))
}

// String implements [Shape].
func (f For) String() string { return fmt.Sprintf("%v for %v", f.Shape, f.Duration) }

// Count is how many events of s are meant to happen before t. It steps through
// them, so it is for tests and plans, not for hot paths.
func Count(s Shape, t time.Duration) int64 {
	var n int64
	for c, ok := s.Next(Before); ok && c.At < t; c, ok = s.Next(c) {
		n++
	}
	return n
}

// number prints a rate without needless digits.
func number(f float64) string { return fmt.Sprintf("%.4g", f) }
