package scenario

import (
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// apiUsers are the virtual users of an api that says nothing.
const apiUsers = 50

// timed is the harness' schedule of a scenario with so many targets.
func (s Scenario) timed(targets int) harness.Schedule {
	of, length := s.schedule(), time.Duration(s.Duration)
	switch of.Kind {
	case Turns:
		return s.turns(of, s.users(targets))
	case RampingUsers:
		return of.ramping(targets)
	case SharedIterations:
		users := s.users(targets)
		if s.VirtualUsers == 0 { // nobody asked for users without anything to do
			users = min(users, of.Iterations)
		}
		return harness.SharedIterations(of.Iterations, users)
	case PerUserIterations:
		return of.shuffled(harness.PerUserIterations(of.Iterations, s.users(targets)))
	}
	return harness.Arrivals{Shape: of.shape(), Duration: length, VirtualUsers: s.users(targets), MaxWait: time.Duration(of.MaxWait)}
}

// users is how many there are where the schedule itself does not say.
func (s Scenario) users(targets int) int {
	switch {
	case s.VirtualUsers != 0:
		return s.VirtualUsers
	case s.Kind == API:
		return apiUsers
	}
	return targets
}

func (s Scenario) turns(of Schedule, users int) harness.Schedule {
	length := time.Duration(s.Duration)
	switch {
	case s.inTurns(users):
		return of.shuffled(harness.AtATime(users, s.Concurrency).Lasting(length))
	case s.Kind == Build:
		return of.shuffled(harness.AllAtOnce(users))
	case s.RampUp > 0: // it has no stagger
		return of.mixed(harness.RampUsers(users, time.Duration(s.RampUp)).Hold(length - time.Duration(s.RampUp)))
	}
	return of.shuffled(harness.AllAtOnce(users).Hold(length))
}

// inTurns reports whether some of the users have to wait for others.
func (s Scenario) inTurns(users int) bool { return s.Concurrency > 0 && s.Concurrency < users }

func (of Schedule) shuffled(t harness.Turns) harness.Turns {
	t = t.Staggered(time.Duration(of.Stagger))
	if of.Shuffle != nil {
		t = t.Shuffled(*of.Shuffle)
	}
	return t
}

func (of Schedule) mixed(r harness.RampingUsers) harness.RampingUsers {
	if of.Shuffle != nil {
		r = r.Shuffled(*of.Shuffle)
	}
	return r
}

// ramping needs at least one stage, the first of which does not hold.
func (of Schedule) ramping(targets int) harness.RampingUsers {
	first := of.Stages[0]
	r := harness.RampUsers(first.To.of(targets), time.Duration(first.Over))
	for _, st := range of.Stages[1:] {
		if st.Hold != 0 {
			r = r.Hold(time.Duration(st.Hold))
		} else {
			r = r.To(st.To.of(targets), time.Duration(st.Over))
		}
	}
	if of.GracefulRampDown != nil {
		r = r.GracefulRampDown(time.Duration(*of.GracefulRampDown))
	}
	return of.mixed(r)
}

// enough refuses a schedule that wants more users than there are targets, where
// each user has its own.
func enough(sched harness.Schedule, targets int, what string) error {
	if n := sched.Users(); n > targets {
		return fmt.Errorf("the schedule has %d users, but there are %d %s: each user has one", n, targets, what)
	}
	return nil
}
