package traffic

import (
	"errors"
	"fmt"
	"time"
)

// Bursts are groups of events due at the same instant, one group each
// interval, the first at once. Event k is due at ⌊k/Size⌋·Every.
//
//	rate │█    █    █
//	     │█    █    █
//	     └──────────── t
type Bursts struct {
	Size  int           // events in a burst
	Every time.Duration // from one burst to the next
}

// Next implements [Shape].
func (b Bursts) Next(c Cursor) (Cursor, bool) {
	n := (c.K + 1) / int64(b.Size)
	if n > int64(forever/b.Every) {
		return Cursor{}, false
	}
	return Cursor{K: c.K + 1, At: time.Duration(n) * b.Every}, true
}

// Integral implements [Shape]. It is a staircase.
func (b Bursts) Integral(t time.Duration) float64 {
	return float64((t+b.Every-1)/b.Every) * float64(b.Size)
}

// Rate implements [Shape]. It is the mean over an interval.
func (b Bursts) Rate(time.Duration) float64 { return float64(b.Size) / b.Every.Seconds() }

// Validate implements [Shape].
func (b Bursts) Validate() error {
	var err error
	if b.Size < 1 {
		err = fmt.Errorf("size of a burst is %d, want at least 1", b.Size)
	}
	return errors.Join(err, checkPositive("interval between bursts", b.Every))
}

// String implements [Shape].
func (b Bursts) String() string { return fmt.Sprintf("bursts of %d every %v", b.Size, b.Every) }
