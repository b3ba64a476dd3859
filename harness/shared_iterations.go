package harness

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Shared is a closed schedule: a number of iterations that users share. Make one
// with [SharedIterations].
type Shared struct {
	total, users int
	each         time.Duration // how long an iteration takes, if known
}

// SharedIterations lets the users run n iterations in all: whoever is free takes
// the next one, so that quick users run more of them. It is k6's
// shared-iterations.
//
// After an iteration that failed within 100 ms, the user takes the next one 100
// ms after the start of the failed one. Those that are left when all users are
// stuck are dropped.
//
//	user │▪▪▪▪▪▪▪
//	     │▪─▪──▪▪
//	     │▪▪▪─▪─▪
//	     └──────── t
func SharedIterations(n, users int) Shared { return Shared{total: n, users: users} }

// Lasting says that an iteration takes about d, so that a plan can be held
// against a deadline before it begins. It changes nothing else.
func (s Shared) Lasting(d time.Duration) Shared {
	s.each = max(d, 0)
	return s
}

// Users implements [Schedule].
func (s Shared) Users() int { return s.users }

// Length implements [Schedule].
func (s Shared) Length() time.Duration {
	if s.users < 1 {
		return 0
	}
	return time.Duration((s.total+s.users-1)/s.users) * s.each
}

func (s Shared) iterations(_ int64, of Shard) int64 { return int64(of.Share(s.total)) }

func (s Shared) most() (int, string) { return s.users, "users" }

// Validate implements [Schedule].
func (s Shared) Validate() error {
	var errs []error
	if s.total < 1 {
		errs = append(errs, fmt.Errorf("shared iterations: there are %d, want at least 1", s.total))
	}
	if s.users < 1 {
		errs = append(errs, fmt.Errorf("shared iterations: %d users, want at least 1", s.users))
	}
	if s.total >= 1 && s.users > s.total {
		errs = append(errs, fmt.Errorf("shared iterations: %d users for %d iterations, want no more users than iterations: the others would have nothing to do", s.users, s.total))
	}
	return errors.Join(errs...)
}

// String implements [Schedule].
func (s Shared) String() string {
	return fmt.Sprintf("%d iterations shared by %s", s.total, plural(int64(s.users), "user"))
}

func (s Shared) drive(d *driver) {
	var left atomic.Int64
	left.Store(int64(d.run.plan.Shard.Share(s.total)))
	var wg sync.WaitGroup
	for user := range s.users {
		if !d.usable(user) {
			continue
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			intended := d.start
			for !d.halted() && left.Add(-1) >= 0 {
				t := d.iterate(user, intended, intended)
				if !t.again {
					return
				}
				if intended = t.end; left.Load() > 0 {
					intended = d.rest(t, d.ending, timer)
				}
			}
		})
	}
	wg.Wait()
	if !d.halted() {
		d.drop(d.now(), int(max(left.Load(), 0)))
	}
}
