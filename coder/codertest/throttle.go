package codertest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Throttle bounds the bytes a second that all connections to the deployment carry
// together, in both directions, as a network that is too narrow does. 0 ends it.
func (s *Server) Throttle(bytesPerSecond int) { s.faults.band.set(bytesPerSecond) }

// band is what a throttled network lets through.
type band struct {
	mu      sync.Mutex
	limiter *rate.Limiter // nil is no bound
	changed chan struct{}
}

func (b *band) set(bytesPerSecond int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
	}
	b.limiter, b.changed = nil, nil
	if bytesPerSecond > 0 {
		// A burst of 20 ms, as small as a wait is worth.
		b.limiter, b.changed = rate.NewLimiter(rate.Limit(bytesPerSecond), max(bytesPerSecond/50, 1)), make(chan struct{})
	}
}

// pass waits until n bytes may go, or until the bound changes.
func (b *band) pass(n int) {
	b.mu.Lock()
	limiter, changed := b.limiter, b.changed
	b.mu.Unlock()
	for limiter != nil && n > 0 {
		part := min(n, limiter.Burst())
		n -= part
		wait := limiter.ReserveN(time.Now(), part).Delay()
		if wait <= 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
			return
		}
	}
}
