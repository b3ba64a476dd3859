package harnesstest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// judgeLeaks looks for what outlives a load.
func (s *suite) judgeLeaks(o *outcome) {
	if s.Exempt[Leaks] != "" {
		return
	}
	if !settle(s.Soon, func() bool { return len(o.env.open()) == 0 }) {
		open := o.env.open()
		slices.SortFunc(open, func(a, b *conn) int { return a.dialed.number - b.dialed.number })
		s.find(o, Leaks, fmt.Sprintf("%s still open %v after the cleanup: that of \"%s\", dialed in %v",
			number(len(open), "connection is", "connections are"), s.Soon, open[0].dialed.what, open[0].dialed.phase), wantNothing)
		for _, c := range open { // so that it is no goroutine's leak as well
			c.reset()
		}
	}
	var left []string
	if !settle(s.Soon, func() bool {
		left = goroutines(o.env.runID)
		return len(left) == 0
	}) {
		for _, block := range left {
			s.find(o, Leaks, fmt.Sprintf("a goroutine of the runner was still there %v after the cleanup%s", s.Soon, where(block)), wantNothing)
		}
	}
}

// leakRounds are as many loads as must each leave a descriptor before that is
// called a leak: something may be opened once and kept, by the process.
const leakRounds = 3

// tryLeaks looks for descriptors that did not come by the Env: with each load there
// is one more. Other leaks are looked for after each probe.
func (s *suite) tryLeaks(ctx context.Context) error {
	if descriptors() < 0 {
		return nil // this system does not tell
	}
	var o *outcome
	grows, err := growsWithEach(func() (whole bool, err error) {
		o, err = s.probe(ctx, probe{clean: true, check: Leaks, at: "nothing went wrong"})
		return err == nil && o.stuck() == "", err
	}, descriptors, s.Soon)
	if grows {
		s.find(o, Leaks, fmt.Sprintf("each of %d loads left a descriptor open, such as a file or a socket of its own", 2*leakRounds), wantNothing)
	}
	return err
}

// growsWithEach reports whether a count grows with each load, of which there are seven
// at most. One that is not whole ends it.
func growsWithEach(load func() (whole bool, err error), count func() int, soon time.Duration) (bool, error) {
	if whole, err := load(); !whole { // what is opened once is open now
		return false, err
	}
	// A pool of connections may grow to its size, but does not do so again.
	for range 2 {
		before := count()
		for range leakRounds {
			if whole, err := load(); !whole {
				return false, err
			}
		}
		// What the other side closes a moment later is no leak.
		if settle(soon, func() bool { return count() < before+leakRounds }) {
			return false, nil
		}
	}
	return true, nil
}

// number is a count within a sentence.
func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
