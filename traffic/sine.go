package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Sine swings around a mean, starting at the mean and rising: the shape of a
// working day.
//
// With w = 2π/Period, rate(t) = Mean + Amplitude·sin(wt) and
// ∫rate = Mean·t + Amplitude/w·(1 - cos wt). Its inverse has no closed form;
// it is found by Newton's method inside a bracket, to the nanosecond.
//
//	rate │ ╭─╮     ╭─╮
//	     │╱   ╲   ╱   ╲
//	     │     ╰─╯
//	     └──────────── t
type Sine struct {
	Mean      float64 // events per second
	Amplitude float64 // events per second, at most Mean
	Period    time.Duration
}

// Next implements [Shape].
func (s Sine) Next(c Cursor) (Cursor, bool) {
	k := float64(c.K + 1)
	w := 2 * math.Pi / s.Period.Seconds()
	swing := 2 * s.Amplitude / w // the integral is at most this above the mean's
	low, high := max((k-swing)/s.Mean, 0), k/s.Mean
	t := (low + high) / 2
	for range 100 {
		diff := s.Mean*t + s.Amplitude/w*(1-math.Cos(w*t)) - k
		if diff > 0 {
			high = t
		} else {
			low = t
		}
		next := t - diff/(s.Mean+s.Amplitude*math.Sin(w*t))
		if !(next >= low && next <= high) { // also when the rate is 0 here
			next = (low + high) / 2
		}
		if math.Abs(next-t) < 1e-10 {
			t = next
			break
		}
		t = next
	}
	return at(c.K+1, t)
}

// Integral implements [Shape].
func (s Sine) Integral(t time.Duration) float64 {
	w := 2 * math.Pi / s.Period.Seconds()
	return s.Mean*t.Seconds() + s.Amplitude/w*(1-math.Cos(w*t.Seconds()))
}

// Rate implements [Shape].
func (s Sine) Rate(t time.Duration) float64 {
	return s.Mean + s.Amplitude*math.Sin(2*math.Pi*t.Seconds()/s.Period.Seconds())
}

// Validate implements [Shape].
func (s Sine) Validate() error {
	var err error
	if s.Amplitude > s.Mean {
		err = fmt.Errorf("amplitude of the sine is %v, want at most its mean, %v: the rate would be negative", s.Amplitude, s.Mean)
	}
	return errors.Join(
		checkRate("mean of the sine", s.Mean),
		checkRate("amplitude of the sine", s.Amplitude), err,
		checkPositive("period of the sine", s.Period))
}

// String implements [Shape].
func (s Sine) String() string {
	return fmt.Sprintf("%s/s ± %s/s with a period of %v", number(s.Mean), number(s.Amplitude), s.Period)
}
