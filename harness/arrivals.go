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

	// Duration is how long they are started for. 0 means all of a shape that ends
	// by itself ([traffic.Finite]).
	Duration time.Duration

	// VirtualUsers is how many iterations may run at the same time.
	VirtualUsers int

	// MaxWait drops an arrival that has waited longer for a free user. 0 drops
	// none while the load is on. Arrivals that still wait when the graceful-stop
	// time is over, or when the run is stopped, are dropped in any case. Dropped
	// arrivals are counted; more than one in a thousand makes the run invalid.
	MaxWait time.Duration
}

// ConstantArrivals starts perSecond iterations a second for d, on at most users
// virtual users. Iteration k is meant to start at k/perSecond.
//
//	rate │────────────
//	     └──────────── t
func ConstantArrivals(perSecond float64, d time.Duration, users int) Arrivals {
	return Arrivals{Shape: traffic.Flat{PerSecond: perSecond}, Duration: d, VirtualUsers: users}
}

// Users implements [Schedule].
func (s Arrivals) Users() int { return s.VirtualUsers }

// Length implements [Schedule].
func (s Arrivals) Length() time.Duration {
	if s.byItself() {
		return s.Shape.(traffic.Finite).Length()
	}
	return s.Duration
}

// byItself reports whether the shape ends the arrivals.
func (s Arrivals) byItself() bool {
	_, finite := s.Shape.(traffic.Finite)
	return finite && s.Duration == 0
}

// Validate implements [Schedule].
func (s Arrivals) Validate() error {
	var errs []error
	if s.Shape == nil {
		errs = append(errs, errors.New("arrivals: there is no shape that says when"))
	} else if err := s.Shape.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("arrivals: %w", err))
	}
	if s.Duration < 0 || s.Duration == 0 && !s.byItself() {
		errs = append(errs, fmt.Errorf("arrivals: the duration is %v, want more than 0, or 0 for a shape that ends by itself", s.Duration))
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
	text := fmt.Sprintf("arrivals at %v", s.Shape)
	if !s.byItself() {
		text += fmt.Sprintf(" for %v", s.Duration)
	}
	text += fmt.Sprintf(" on %d users", s.VirtualUsers)
	if s.MaxWait > 0 {
		text += fmt.Sprintf(", dropped after waiting %v", s.MaxWait)
	}
	return text
}

func (s Arrivals) most() (int, string) { return s.VirtualUsers, "users" }

func (s Arrivals) drive(d *driver) {
	defer d.endAfter(s.Length()).Stop()
	shape := s.Shape
	if !s.byItself() {
		shape = traffic.For{Shape: s.Shape, Duration: s.Duration}
	}
	var mu sync.Mutex
	last, more := traffic.Before, true
	next := func() (time.Duration, bool) {
		mu.Lock()
		defer mu.Unlock()
		for more {
			if last, more = shape.Next(last); d.run.plan.Shard.Has(int(last.K)) {
				break
			}
		}
		return d.start + last.At, more
	}
	var wg sync.WaitGroup
	for user := range s.VirtualUsers {
		if !d.usable(user) {
			continue // an arrival that it took would be lost
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			free := d.start
			for {
				due, ok := next()
				if !ok {
					return
				}
				if !d.sleep(due, timer) {
					s.unserved(d, due)
					return
				}
				if s.MaxWait > 0 && d.now()-due > s.MaxWait {
					d.drop(due, 1)
					continue
				}
				t := d.iterate(user, due, free)
				if !t.again {
					return
				}
				free = t.end
			}
		})
	}
	wg.Wait()
	for due, ok := next(); ok && due <= d.cutoff(); due, ok = next() {
		s.unserved(d, due)
	}
}

// unserved counts an arrival that nobody came to serve, because the users had
// no time left or the load was cut short. One that was due only later was not
// meant to start any more.
func (s Arrivals) unserved(d *driver, due time.Duration) {
	if due <= d.cutoff() {
		d.drop(due, 1)
	}
}
