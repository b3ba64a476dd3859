package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// RampingUsers is a closed schedule: a number of users that changes. Make one
// with [RampUsers].
type RampingUsers struct {
	stages  []usersStage
	finish  time.Duration // how long those who leave may go on
	shuffle shuffle
}

// usersStage changes the number of users linearly.
type usersStage struct {
	to   int
	over time.Duration
	hold bool // keeps the number
}

// finishDefault is k6's gracefulRampDown.
const finishDefault = 30 * time.Second

// RampUsers lets users come one after the other until all are there, after over.
// Each runs one iteration after the other while it is there. Go on with Hold and
// To:
//
//	RampUsers(200, 10*time.Second).Hold(time.Minute).To(0, 10*time.Second)
//
// It is k6's ramping-vus. With n(t) linear from stage to stage, the k-th user
// (from 0) is there while n(t) > k: it comes at k/users·over, and there are
// ⌈n(t)⌉ users. The last who came leave first. When the schedule is over, all who
// are left leave at once.
//
//	users │   ╭────╮
//	      │  ╱      ╲
//	      └─╱────────╲─ t
//
// After an iteration that failed within 100 ms, the next one of the user starts
// 100 ms after the start of the failed one.
func RampUsers(users int, over time.Duration) RampingUsers {
	return RampingUsers{finish: finishDefault}.To(users, over)
}

// Hold keeps the number of users for d.
func (s RampingUsers) Hold(d time.Duration) RampingUsers {
	return s.with(usersStage{to: s.stages[len(s.stages)-1].to, over: d, hold: true})
}

// To changes the number of users to another one, after over. 0 is a jump.
func (s RampingUsers) To(users int, over time.Duration) RampingUsers {
	return s.with(usersStage{to: users, over: over})
}

// with copies, so that schedules with the same beginning don't share an end.
func (s RampingUsers) with(st usersStage) RampingUsers {
	s.stages = append(s.stages[:len(s.stages):len(s.stages)], st)
	return s
}

// GracefulRampDown gives a user who is to leave d to finish its iteration, which
// is else interrupted: it counts neither as failed nor as succeeded. It is 30
// seconds when this is left out, as in k6. For those who leave at the schedule's
// end, and later than that, the plan's GracefulStop decides.
func (s RampingUsers) GracefulRampDown(d time.Duration) RampingUsers {
	s.finish = d
	return s
}

// Shuffled lets the users come in a random order, the same one for the same seed.
func (s RampingUsers) Shuffled(seed uint64) RampingUsers {
	s.shuffle = shuffle{true, seed}
	return s
}

// Users implements [Schedule].
func (s RampingUsers) Users() int {
	most := 0
	for _, st := range s.stages {
		most = max(most, st.to)
	}
	return most
}

// Length implements [Schedule].
func (s RampingUsers) Length() time.Duration {
	var d time.Duration
	for _, st := range s.stages {
		d += st.over
	}
	return d
}

// Validate implements [Schedule].
func (s RampingUsers) Validate() error {
	var errs []error
	if len(s.stages) == 0 {
		return errors.New("ramping users: there are no stages: begin with RampUsers")
	}
	for i, st := range s.stages {
		switch {
		case st.hold && st.over <= 0:
			errs = append(errs, fmt.Errorf("ramping users: the time to hold in stage %d is %v, want more than 0", i+1, st.over))
		case st.over < 0:
			errs = append(errs, fmt.Errorf("ramping users: stage %d lasts %v, want 0 (a jump) or more", i+1, st.over))
		}
		if st.to < 0 && !st.hold {
			errs = append(errs, fmt.Errorf("ramping users: stage %d ends with %d users, want 0 or more", i+1, st.to))
		}
	}
	if s.Users() < 1 {
		errs = append(errs, errors.New("ramping users: there is never a user, want at least 1"))
	}
	if s.Length() <= 0 {
		errs = append(errs, fmt.Errorf("ramping users: all stages together last %v, want more than 0", s.Length()))
	}
	if s.finish < 0 {
		errs = append(errs, fmt.Errorf("ramping users: the time to finish is %v, want 0 (none) or more", s.finish))
	}
	return errors.Join(errs...)
}

// String implements [Schedule].
func (s RampingUsers) String() string {
	var parts []string
	from := 0
	for _, st := range s.stages {
		if st.hold {
			parts = append(parts, fmt.Sprintf("%d for %v", st.to, st.over))
		} else {
			parts = append(parts, fmt.Sprintf("%d to %d over %v", from, st.to, st.over))
		}
		from = st.to
	}
	text := "users: " + strings.Join(parts, ", then ")
	if s.finish != finishDefault {
		text += fmt.Sprintf(", with %v to finish", s.finish)
	}
	return text + s.shuffle.String()
}

// stay is a time that a user is there, since the schedule's start.
type stay struct{ from, to time.Duration }

// stays are the times of the k-th user.
func (s RampingUsers) stays(k int) []stay {
	var stays []stay
	var at, came time.Duration
	n, here := 0, false
	for _, st := range s.stages {
		if now := st.to > k; now != here {
			// The instant at which the line from n to st.to crosses k.
			cross := at + time.Duration(float64(st.over)*float64(k-n)/float64(st.to-n))
			if here = now; now {
				came = cross
			} else if cross > came {
				stays = append(stays, stay{came, cross})
			}
		}
		n, at = st.to, at+st.over
	}
	if here && at > came {
		stays = append(stays, stay{came, at})
	}
	return stays
}

func (s RampingUsers) drive(d *driver) {
	length := s.Length()
	defer d.endAfter(length).Stop()
	// Who leaves early is told when its time is over, or when the load ends.
	there, end := context.WithCancel(d.ctx)
	defer end()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-d.ending:
			end()
		case <-over:
		}
	}()
	var wg sync.WaitGroup
	for k, user := range s.shuffle.order(s.Users()) {
		if !d.usable(user) {
			continue
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			free, again := d.start, true
			for _, st := range s.stays(k) {
				intended := d.start + st.from
				if !d.sleep(intended, timer) {
					return
				}
				// One who comes back may be busy still with what it left with.
				intended = max(intended, free)
				if st.to == length {
					d.user(user).rec.stint.Store(nil)
					d.stay(user, intended, d.start+length, d.ending, timer)
					return
				}
				if free, again = s.visit(d, there, user, intended, d.start+st.to, timer); !again {
					return
				}
			}
		})
	}
	wg.Wait()
}

// visit is a stay that ends before the schedule.
func (s RampingUsers) visit(d *driver, there context.Context, user int, intended, until time.Duration, timer *time.Timer) (time.Duration, bool) {
	leaving, cancelLeaving := context.WithTimeout(there, until-d.now())
	defer cancelLeaving()
	ctx, cancel := context.WithTimeoutCause(d.ctx, until+s.finish-d.now(), errRampDown)
	defer cancel()
	d.user(user).rec.stint.Store(&stint{ctx: ctx, done: leaving.Done()})
	defer d.dismiss(d.user(user))
	return d.stay(user, intended, until, leaving.Done(), timer)
}
