package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Schedule says how many users there are and when each of their iterations is
// meant to start. There are two kinds:
//
//   - Closed, for users who go on when they are done: [AllAtOnce], [AtATime],
//     [OneByOne]. A slow server slows them down.
//   - Open, for people who come whether or not the others have been served:
//     [ConstantArrivals], [RampingArrivals], [SteppedArrivals], [SpikeArrivals],
//     [SineArrivals], [PoissonArrivals], [ReplayArrivals], or [Arrivals] of any
//     shape.
type Schedule interface {
	// Users is how many virtual users the schedule needs.
	Users() int

	// Length is how long iterations are started for, and 0 if that depends on
	// how long they take.
	Length() time.Duration

	// Validate reports everything that is wrong with the schedule.
	Validate() error

	// String describes the schedule in one human line.
	String() string

	drive(d *driver)
}

// Turns is a closed schedule: a number of users who take turns. Each runs one
// iteration, or as many as fit when it is held.
type Turns struct {
	users   int
	atATime int // 0: all
	hold    time.Duration
	each    time.Duration // how long a turn takes, if known
	shuffle bool
	seed    uint64
}

// AllAtOnce starts all users at the same instant.
func AllAtOnce(users int) Turns { return Turns{users: users} }

// AtATime lets at most n of the users run at a time, in their order. The next
// one is meant to start when one has ended.
func AtATime(users, n int) Turns {
	if n < 1 {
		n = -1 // for Validate; 0 is all of them
	}
	return Turns{users: users, atATime: n}
}

// OneByOne runs one user after the other.
func OneByOne(users int) Turns { return AtATime(users, 1) }

// Hold keeps all users running for d: each begins another iteration when it
// has ended one, until d is over and [Recorder.Done] is closed. After an
// iteration that failed within 100 ms, the next one starts 100 ms after the
// start of the failed one, so that users who fail at once neither burn the
// generator's CPU nor flood the server.
func (s Turns) Hold(d time.Duration) Turns {
	if d <= 0 {
		d = -1
	}
	s.hold = d
	return s
}

// Lasting says that a turn takes about d, so that a plan can be held against a
// deadline before it begins. It changes nothing else.
func (s Turns) Lasting(d time.Duration) Turns {
	s.each = max(d, 0)
	return s
}

// Shuffled takes the users in a random order, the same one for the same seed.
func (s Turns) Shuffled(seed uint64) Turns {
	s.shuffle, s.seed = true, seed
	return s
}

// Users implements [Schedule].
func (s Turns) Users() int { return s.users }

// Length implements [Schedule].
func (s Turns) Length() time.Duration {
	if s.hold > 0 || s.each == 0 || s.users < 1 {
		return max(s.hold, 0)
	}
	places := s.users
	if s.atATime > 0 {
		places = min(places, s.atATime)
	}
	return time.Duration((s.users+places-1)/places) * s.each
}

// Validate implements [Schedule].
func (s Turns) Validate() error {
	var errs []error
	if s.users < 1 {
		errs = append(errs, fmt.Errorf("schedule: %d users, want at least 1", s.users))
	}
	if s.atATime < 0 {
		errs = append(errs, errors.New("schedule: users at a time is less than 1"))
	}
	if s.hold < 0 {
		errs = append(errs, errors.New("schedule: the time to hold is not more than 0"))
	}
	if s.hold > 0 && s.atATime > 0 && s.atATime < s.users {
		errs = append(errs, fmt.Errorf("schedule: %d of %d users at a time can't be held: only users who all run at once can", s.atATime, s.users))
	}
	return errors.Join(errs...)
}

// String implements [Schedule].
func (s Turns) String() string {
	text := fmt.Sprintf("%d users", s.users)
	switch {
	case s.users == 1:
		text = "1 user"
	case s.atATime == 1:
		text += " one by one"
	case s.atATime > 0 && s.atATime < s.users:
		text += fmt.Sprintf(", %d at a time", s.atATime)
	default:
		text += " at once"
	}
	if s.hold > 0 {
		text += fmt.Sprintf(" for %v", s.hold)
	}
	if s.shuffle {
		text += fmt.Sprintf(", shuffled with seed %d", s.seed)
	}
	return text
}

func (s Turns) order() []int {
	if s.shuffle {
		return rand.New(rand.NewPCG(s.seed, 0)).Perm(s.users)
	}
	order := make([]int, s.users)
	for i := range order {
		order[i] = i
	}
	return order
}

func (s Turns) drive(d *driver) {
	if s.hold > 0 {
		s.driveHeld(d)
		return
	}
	n := s.users
	if s.atATime > 0 {
		n = min(n, s.atATime)
	}
	var mu sync.Mutex
	order := s.order()
	next := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		for len(order) > 0 && !d.halted() {
			user := order[0]
			order = order[1:]
			if d.usable(user) {
				return user, true
			}
		}
		return 0, false
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			// The first turn of each place is meant to start with the schedule.
			intended := d.start
			for {
				user, ok := next()
				if !ok {
					return
				}
				intended = d.iterate(user, intended, intended).end
			}
		})
	}
	wg.Wait()
}

// shortestFailure is the least time from the start of a held user's failed
// iteration to the start of its next one.
const shortestFailure = 100 * time.Millisecond

func (s Turns) driveHeld(d *driver) {
	defer d.endAfter(s.hold).Stop()
	var wg sync.WaitGroup
	for _, user := range s.order() {
		if !d.usable(user) {
			continue
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			intended := d.start
			for !d.ended() && d.now() < d.start+s.hold {
				t := d.iterate(user, intended, intended)
				if !t.again {
					return
				}
				intended = t.end
				if pause := t.start + shortestFailure; t.failed && pause > intended {
					intended = pause
					d.sleepUntilEnd(pause, timer)
				}
			}
		})
	}
	wg.Wait()
}
