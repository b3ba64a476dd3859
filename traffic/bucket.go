package traffic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// Bucket is a token bucket: at most Rate tokens a second, and at most Burst at
// once after a time in which nobody asked. It has the contract of
// golang.org/x/time/rate's Limiter, with one difference: time in which a
// waiter overslept is not lost. A limiter of burst 1 forgets it, and delivers a
// third less than its rate on a busy machine; this one is computed from
// absolute time (token k is due at start + k/rate) and delivers its rate.
//
// A bucket for one connection and one shared by thousands are the same thing.
// It is safe for concurrent use. Where a rate must never be exceeded, not even
// to catch up, use golang.org/x/time/rate.
type Bucket struct {
	mu       sync.Mutex
	interval float64 // ns per token; 0 = no limit
	burst    int

	oversleep func() // what a test puts after each wait

	// tat is the instant at which the bucket would be full again if nobody
	// asked any more: the "theoretical arrival time" of the generic cell rate
	// algorithm (ITU-T I.371), in ns since start.
	tat   float64
	start time.Time

	// credit is how long waiters have overslept, in ns, and not yet made up:
	// that much older than a full bucket tat may be. catchUp bounds it.
	credit  float64
	catchUp float64
}

// Inf is the rate of a bucket that never makes anybody wait.
const Inf = math.MaxFloat64

// DefaultCatchUp bounds how much overslept time a [Bucket] makes up.
const DefaultCatchUp = 10 * time.Second

// NewBucket returns a full bucket for perSecond tokens a second ([Inf] for no
// limit) that holds at most burst tokens. Overslept time is made up to at most
// [DefaultCatchUp].
func NewBucket(perSecond float64, burst int) (*Bucket, error) {
	var errs []error
	if perSecond != Inf {
		errs = append(errs, checkRate("rate of the bucket", perSecond))
	}
	if perSecond == 0 {
		errs = append(errs, errors.New("rate of the bucket is 0: nobody would ever get a token"))
	}
	if burst < 1 {
		errs = append(errs, fmt.Errorf("burst of the bucket is %d, want at least 1", burst))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b := &Bucket{burst: burst, catchUp: float64(DefaultCatchUp)}
	b.start = time.Now()
	b.interval = 1e9 / perSecond
	if perSecond == Inf {
		b.interval = 0
	}
	return b, nil
}

// Rate is the number of tokens per second.
func (b *Bucket) Rate() float64 {
	if b.interval == 0 {
		return Inf
	}
	return 1e9 / b.interval
}

// Burst is how many tokens the bucket holds.
func (b *Bucket) Burst() int { return b.burst }

// Allow takes a token if there is one now.
func (b *Bucket) Allow() bool { return b.AllowN(1) }

// AllowN takes n tokens if they are there now, otherwise none.
func (b *Bucket) AllowN(n int) bool {
	_, ok := b.reserve(n, 0)
	return ok
}

// Wait takes a token, as soon as there is one.
func (b *Bucket) Wait(ctx context.Context) error { return b.WaitN(ctx, 1) }

// WaitN takes n tokens, as soon as they are there. It takes none and returns
// an error at once if n is more than the burst, if ctx is done, or if the
// tokens come after ctx's deadline.
func (b *Bucket) WaitN(ctx context.Context, n int) error {
	_, err := b.WaitDue(ctx, n)
	return err
}

// WaitDue is [Bucket.WaitN] and also returns the instant at which the tokens
// were due: measure from that, not from the time of the return.
func (b *Bucket) WaitDue(ctx context.Context, n int) (due time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	if n > b.burst && b.interval > 0 {
		return time.Time{}, fmt.Errorf("wait for %d tokens: the bucket holds at most %d", n, b.burst)
	}
	limit := forever
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
	}
	due, ok := b.reserve(n, limit)
	if !ok {
		return time.Time{}, fmt.Errorf("wait for %d tokens at %s/s: %w", n, number(b.Rate()), context.DeadlineExceeded)
	}
	wait := time.Until(due)
	if wait <= 0 {
		return due, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		if b.oversleep != nil {
			b.oversleep()
		}
		b.overslept(time.Since(due))
		return due, nil
	case <-ctx.Done():
		b.giveBack(n)
		return time.Time{}, ctx.Err()
	}
}

// reserve takes n tokens that are due within limit and returns when.
func (b *Bucket) reserve(n int, limit time.Duration) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.interval == 0 || n <= 0 {
		return now, true
	}
	at := float64(now.Sub(b.start))
	// An idle bucket is full, not fuller; but what waiters overslept was not
	// idle time.
	tat := max(b.tat, at-b.credit)
	b.credit = max(at-tat, 0)
	tat += float64(n) * b.interval
	due := tat - float64(b.burst)*b.interval
	if due-at > float64(limit) {
		return time.Time{}, false
	}
	b.tat = tat
	return b.start.Add(time.Duration(due)), true
}

// overslept remembers that a waiter came back late by d.
func (b *Bucket) overslept(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credit = min(max(b.credit, float64(d)), b.catchUp)
}

// giveBack returns tokens of a waiter that left before they were due.
func (b *Bucket) giveBack(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tat -= float64(n) * b.interval
}
