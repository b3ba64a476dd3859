package harness

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// Arrivals is an open schedule: iterations are meant to start at the instants
// of a shape, whether or not the earlier ones have ended, as people arrive at
// a site without asking how busy it is.
//
// An arrival that finds no free user waits its turn and is measured from its
// intended start. So the percentiles are right with any number of users, also
// with one: what too few users do is make people wait, and that is measured.
type Arrivals struct {
	// Shape says when iterations are meant to start.
	Shape traffic.Shape

	// Duration is how long they are started for.
	Duration time.Duration

	// VirtualUsers is how many iterations may run at the same time.
	VirtualUsers int

	// MaxWait drops an arrival that has waited longer for a free user. Dropped
	// arrivals are counted; more than one in a thousand makes the run invalid.
	// 0 drops none.
	MaxWait time.Duration
}

// ConstantArrivals starts perSecond iterations a second for d, on at most users
// virtual users.
func ConstantArrivals(perSecond float64, d time.Duration, users int) Arrivals {
	return Arrivals{Shape: traffic.Flat{PerSecond: perSecond}, Duration: d, VirtualUsers: users}
}

// Users implements [Schedule].
func (s Arrivals) Users() int { return s.VirtualUsers }

// Length implements [Schedule].
func (s Arrivals) Length() time.Duration { return s.Duration }

// Validate implements [Schedule].
func (s Arrivals) Validate() error {
	var errs []error
	if s.Shape == nil {
		errs = append(errs, errors.New("arrivals: there is no shape that says when"))
	} else if err := s.Shape.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("arrivals: %w", err))
	}
	if s.Duration <= 0 {
		errs = append(errs, fmt.Errorf("arrivals: the duration is %v, want more than 0", s.Duration))
	}
	if s.VirtualUsers < 1 {
		errs = append(errs, fmt.Errorf("arrivals: %d users, want at least 1", s.VirtualUsers))
	}
	if s.MaxWait < 0 {
		errs = append(errs, fmt.Errorf("arrivals: the longest wait is %v, want 0 (no limit) or more", s.MaxWait))
	}
	return errors.Join(errs...)
}

// String implements [Schedule].
func (s Arrivals) String() string {
	text := fmt.Sprintf("arrivals at %v for %v on %d users", s.Shape, s.Duration, s.VirtualUsers)
	if s.MaxWait > 0 {
		text += fmt.Sprintf(", dropped after waiting %v", s.MaxWait)
	}
	return text
}

func (s Arrivals) drive(d *driver) {
	end := time.AfterFunc(s.Duration, d.end)
	defer end.Stop()
	shape := traffic.For{Shape: s.Shape, Duration: s.Duration}
	var mu sync.Mutex
	last := traffic.Before
	next := func() (traffic.Cursor, bool) {
		mu.Lock()
		defer mu.Unlock()
		c, ok := shape.Next(last)
		if ok {
			last = c
		}
		return c, ok
	}
	var wg sync.WaitGroup
	for user := range s.VirtualUsers {
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			for {
				arrival, ok := next()
				if !ok || !s.serve(d, user, d.start+arrival.At, timer) {
					return
				}
			}
		})
	}
	wg.Wait()
	// What nobody came to serve, because the run was stopped or the users had
	// no time left, was intended all the same.
	if !d.stopping() {
		for _, ok := next(); ok; _, ok = next() {
			d.drop()
		}
	}
}

// serve waits for the arrival's instant and runs it. It returns false when the
// user is of no more use.
func (s Arrivals) serve(d *driver, user int, due time.Duration, timer *time.Timer) bool {
	var lag time.Duration
	if wait := due - d.now(); wait > 0 {
		timer.Reset(wait)
		select {
		case <-timer.C:
			lag = d.now() - due // a free user that started late: the generator's fault
		case <-d.stop:
			return false
		}
	}
	if d.stopping() {
		return false
	}
	if d.ctx.Err() != nil {
		d.drop()
		return true // the others are dropped, too
	}
	if s.MaxWait > 0 && d.now()-due > s.MaxWait {
		d.drop()
		return true
	}
	return d.iterate(user, due, lag)
}
