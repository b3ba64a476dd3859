package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Spikes is a constant rate that jumps to another one for a while, in the
// middle of each interval: there is a quiet time before each spike, to compare
// with, and one after it, to recover in.
//
// With q = (Every-Length)/2, rate(t) is Peak where q ≤ t mod Every < q+Length,
// and Base elsewhere. An interval has A = Base·2q + Peak·Length events, so event
// k is due in interval ⌊k/A⌋, where the k mod A before it have passed.
//
//	rate │    █       █
//	     │    █       █
//	     │────█───────█────
//	     └───────────────── t
type Spikes struct {
	Base, Peak float64       // events per second
	Length     time.Duration // of a spike, at most Every
	Every      time.Duration // from the middle of one spike to that of the next
}

// Next implements [Shape].
func (s Spikes) Next(c Cursor) (Cursor, bool) {
	every, length := s.Every.Seconds(), s.Length.Seconds()
	quiet := (every - length) / 2
	before, spike := s.Base*quiet, s.Peak*length
	area := 2*before + spike
	if area <= 0 {
		return Cursor{}, false
	}
	k := float64(c.K + 1)
	n := math.Floor(k / area)
	rest := max(k-n*area, 0)
	t := n * every
	switch {
	case rest < before:
		t += rest / s.Base
	case rest < before+spike || s.Base == 0:
		t += quiet + (rest-before)/s.Peak
	default:
		t += quiet + length + (rest-before-spike)/s.Base
	}
	return at(c.K+1, t)
}

// Integral implements [Shape].
func (s Spikes) Integral(t time.Duration) float64 {
	n, rest := float64(t/s.Every), (t % s.Every).Seconds()
	length := s.Length.Seconds()
	quiet := (s.Every.Seconds() - length) / 2
	in := func(rest float64) float64 {
		spike := min(max(rest-quiet, 0), length)
		return s.Peak*spike + s.Base*(rest-spike)
	}
	return n*in(s.Every.Seconds()) + in(rest)
}

// Rate implements [Shape].
func (s Spikes) Rate(t time.Duration) float64 {
	quiet := (s.Every - s.Length) / 2
	if rest := t % s.Every; rest >= quiet && rest < quiet+s.Length {
		return s.Peak
	}
	return s.Base
}

// Validate implements [Shape].
func (s Spikes) Validate() error {
	var err error
	if s.Length > s.Every {
		err = fmt.Errorf("length of a spike is %v, want at most the interval between spikes, %v", s.Length, s.Every)
	}
	return errors.Join(
		checkRate("rate between spikes", s.Base),
		checkRate("rate of a spike", s.Peak), err,
		checkPositive("length of a spike", s.Length),
		checkPositive("interval between spikes", s.Every))
}

// String implements [Shape].
func (s Spikes) String() string {
	return fmt.Sprintf("%s/s with spikes of %s/s for %v every %v", number(s.Base), number(s.Peak), s.Length, s.Every)
}
