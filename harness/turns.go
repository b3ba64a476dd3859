package harness

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// Turns is a closed schedule: a number of users who take turns. Each runs one
// iteration, or a number of them, or as many as fit when it is held.
type Turns struct {
	users   int
	atATime int // 0: all
	perUser int // iterations; 0: one
	hold    time.Duration
	gap     time.Duration // between the first starts
	each    time.Duration // how long an iteration takes, if known
	shuffle shuffle
}

// AllAtOnce starts all users at the same instant, one iteration each: k6's
// constant-vus when it is held.
//
//	user │▪▪▪▪
//	     │▪▪
//	     │▪▪▪▪▪▪
//	     └──────── t
func AllAtOnce(users int) Turns { return Turns{users: users} }

// AtATime lets at most n of the users run at a time, in their order. The next
// one is meant to start when one has ended.
//
//	place │▪▪▪▪ ▪▪ ▪▪
//	      │▪▪ ▪▪▪▪▪ ▪
//	      └─────────── t
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
//
//	users │──────────┐
//	      └──────────┴─ t
//	      0          d
func (s Turns) Hold(d time.Duration) Turns {
	if d <= 0 {
		d = -1
	}
	s.hold = d
	return s
}

// Lasting says that an iteration takes about d, so that a plan can be held
// against a deadline before it begins. It changes nothing else.
func (s Turns) Lasting(d time.Duration) Turns {
	s.each = max(d, 0)
	return s
}

// Shuffled takes the users in a random order, the same one for the same seed.
func (s Turns) Shuffled(seed uint64) Turns {
	s.shuffle = shuffle{true, seed}
	return s
}

// Staggered starts the k-th of those who would start together k gaps later: the
// first one at once. A gap of 0 is none.
//
//	users │      ┌─────
//	      │   ┌──┘
//	      │───┘
//	      └───────────── t
func (s Turns) Staggered(gap time.Duration) Turns {
	s.gap = gap
	return s
}

// Users implements [Schedule].
func (s Turns) Users() int { return s.users }

// Length implements [Schedule].
func (s Turns) Length() time.Duration {
	if s.hold > 0 || s.each == 0 || s.users < 1 {
		return max(s.hold, 0)
	}
	places := s.places()
	return time.Duration((s.users+places-1)/places*s.turn())*s.each + time.Duration(places-1)*max(s.gap, 0)
}

// places is how many users run at a time.
func (s Turns) places() int {
	if s.atATime > 0 {
		return min(s.users, s.atATime)
	}
	return s.users
}

func (s Turns) most() (int, string) {
	if p := s.places(); p < s.users {
		return p, "users at a time"
	}
	return math.MaxInt, "" // who has none issues none
}

// turn is how many iterations a user's turn has.
func (s Turns) turn() int { return max(s.perUser, 1) }

func (s Turns) iterations(ready int64, _ Shard) int64 {
	if s.hold > 0 {
		return 0
	}
	return ready * int64(s.turn())
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
	if s.perUser < 0 {
		errs = append(errs, errors.New("schedule: the iterations of each user are less than 1"))
	}
	if s.perUser > 0 && s.hold != 0 {
		errs = append(errs, errors.New("schedule: users with a number of iterations can't be held: want one of the two"))
	}
	if s.gap < 0 {
		errs = append(errs, fmt.Errorf("schedule: the gap between starts is %v, want 0 or more", s.gap))
	}
	if last := time.Duration(s.users-1) * s.gap; s.hold > 0 && last >= s.hold {
		errs = append(errs, fmt.Errorf("schedule: the last of %d users would start after %v, but they are held for %v only: want a smaller gap or a longer time", s.users, last, s.hold))
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
	if s.perUser > 0 {
		text += fmt.Sprintf(", %d iterations each", s.perUser)
	}
	if s.hold > 0 {
		text += fmt.Sprintf(" for %v", s.hold)
	}
	if s.gap > 0 {
		text += fmt.Sprintf(", each %v after the one before", s.gap)
	}
	return text + s.shuffle.String()
}

func (s Turns) drive(d *driver) {
	if s.hold > 0 {
		s.driveHeld(d)
		return
	}
	if s.places() == s.users {
		s.driveAll(d)
		return
	}
	var mu sync.Mutex
	order := s.shuffle.order(s.users)
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
	for place := range s.places() {
		if !d.run.plan.Shard.Has(place) {
			continue
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			// The first turn of each place is meant to start with the schedule.
			intended := d.start + time.Duration(place)*s.gap
			for d.sleep(intended, timer) {
				user, ok := next()
				if !ok {
					return
				}
				intended = s.driveTurn(d, user, intended, timer)
				d.dismiss(d.user(user))
			}
		})
	}
	wg.Wait()
}

// driveAll runs users who each have a place, and so an instant, of their own.
func (s Turns) driveAll(d *driver) {
	var wg sync.WaitGroup
	for k, user := range s.shuffle.order(s.users) {
		if !d.usable(user) {
			continue
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			intended := d.start + time.Duration(k)*s.gap
			if d.sleep(intended, timer) {
				s.driveTurn(d, user, intended, timer)
				d.dismiss(d.user(user))
			}
		})
	}
	wg.Wait()
}

// driveTurn runs a user's iterations and returns when the last one ended.
func (s Turns) driveTurn(d *driver, user int, intended time.Duration, timer *time.Timer) time.Duration {
	for left := s.turn() - 1; ; left-- {
		t := d.iterate(user, intended, intended)
		if !t.again && !d.halted() {
			d.drop(t.end, left) // it is stuck
			return t.end
		}
		if left == 0 || d.halted() {
			return t.end
		}
		intended = d.rest(t, d.ending, timer)
	}
}

func (s Turns) driveHeld(d *driver) {
	defer d.endAfter(s.hold).Stop()
	var wg sync.WaitGroup
	for k, user := range s.shuffle.order(s.users) {
		if !d.usable(user) {
			continue
		}
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			intended := d.start + time.Duration(k)*s.gap
			if d.sleep(intended, timer) {
				d.stay(user, intended, d.start+s.hold, d.ending, timer)
			}
		})
	}
	wg.Wait()
}
