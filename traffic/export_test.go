package traffic

import (
	"testing"
	"time"
)

// NewLateBucket returns a bucket whose waiters come back late: its clock jumps
// ahead at every timer.
func NewLateBucket(t testing.TB, perSecond float64, burst int, late time.Duration) *Bucket {
	t.Helper()
	b, err := NewBucket(perSecond, burst)
	if err != nil {
		t.Fatal(err)
	}
	b.oversleep = func() { time.Sleep(late) }
	return b
}
