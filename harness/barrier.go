package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// Barrier lets nobody go on before enough are ready, for scenarios in which all
// act at the same time: everybody connects, then everybody types. Runners made
// through [Barrier.Among] are its parties, of one scenario or of several, and
// each calls [Barrier.Wait] when it is ready. It opens once, and stays open. Use
// one for each run.
//
//	party │──────●
//	      │──●   ·
//	      │────● ·
//	      │      └ all go on
//	      └───────────── t
//
// A party that fails before it is ready (by an error or a panic in its Setup or
// Run, by a context that is done, or because it returns without waiting) is not
// waited for. When so many have failed that the quorum can't be reached any more,
// all who wait get a [BarrierError] at once.
//
// All parties must be able to run at the same time: in a schedule that lets fewer
// of them run than the quorum, they wait until their context is done. For the
// same reason wait in Run rather than in Setup, which goes by SetupAtATime.
type Barrier struct {
	// Quorum is the share of the parties that must be ready, rounded up: from
	// above 0 to 1. 0 means all of them.
	Quorum float64

	// Patience is how long those who are neither ready nor have failed are waited
	// for when the quorum is there. Who comes later goes on at once. 0 means not
	// at all. It should end well before the plan's JobTimeout, which goes on for
	// those who wait.
	Patience time.Duration

	mu     sync.Mutex
	made   int // parties
	ready  int
	failed int
	first  error // why the first one failed
	of     map[*Recorder]*party
	done   chan struct{} // closed when it is open or broken
	ended  bool          // done is closed
	broken *BarrierError
	timer  *time.Timer // of the patience
}

// BarrierError says that too few got ready for a [Barrier] to open.
type BarrierError struct {
	Parties, Quorum, Failed int
	First                   error // why the first one failed
}

// Error implements error.
func (e *BarrierError) Error() string {
	return fmt.Sprintf("barrier: %d of %d were not ready, and %d are needed; the first: %v", e.Failed, e.Parties, e.Quorum, e.First)
}

// Unwrap returns why the first one failed.
func (e *BarrierError) Unwrap() error { return e.First }

// errAtBarrier is an iteration that a stop of the run found waiting.
var errAtBarrier = errors.New("the run was stopped at a barrier")

// Validate reports everything that is wrong with the barrier.
func (b *Barrier) Validate() error {
	var errs []error
	if !(b.Quorum >= 0 && b.Quorum <= 1) {
		errs = append(errs, fmt.Errorf("barrier: the quorum is %v, want a share of the parties from 0 (all) to 1", b.Quorum))
	}
	if b.Patience < 0 {
		errs = append(errs, fmt.Errorf("barrier: the patience is %v, want 0 (none) or more", b.Patience))
	}
	return errors.Join(errs...)
}

// Among makes a scenario's runners parties of the barrier.
func (b *Barrier) Among(runner func(user int) (Runner, error)) func(user int) (Runner, error) {
	return func(user int) (Runner, error) {
		if err := b.Validate(); err != nil {
			return nil, err
		}
		r, err := runner(user)
		if err != nil || r == nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.made++
		return &party{barrier: b, runner: r}, nil
	}
}

// Wait says that the caller is ready, and returns when the barrier opens. It is
// called as [Recorder.Do] is, and the time until it returns is nobody's wait: the
// next action is measured from then on. It returns an error when the barrier is
// broken, when ctx is done, or when the load ends; the caller does not count as
// ready any more then.
func (b *Barrier) Wait(ctx context.Context, rec *Recorder) error {
	b.mu.Lock()
	p := b.of[rec]
	if p == nil {
		b.mu.Unlock()
		return errors.New("barrier: this runner is none of its parties: make the scenario's runners through Among")
	}
	if p.state == absent { // it comes again, in a later iteration
		b.failed--
	}
	if p.state != ready {
		p.state = ready
		b.ready++
		b.decide()
	}
	done := b.wake()
	b.mu.Unlock()
	defer rec.Pause()
	err := errors.New("the load has ended")
	select {
	case <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-rec.Done():
		if rec.run.stopping() {
			err = errAtBarrier
		}
	}
	return b.leave(p, err)
}

// leave ends a wait: by the barrier's end or, before that, by err.
func (b *Barrier) leave(p *party, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.broken != nil:
		return b.broken
	case b.ended:
		return nil
	}
	err = fmt.Errorf("barrier: %d of %d were ready, and %d are needed: %w", b.ready, b.made, b.quorum(), err)
	if p.state == ready {
		b.ready--
		b.miss(p, err)
	}
	return err
}

// giveUp notes a party that will not get ready.
func (b *Barrier) giveUp(p *party, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.state == missing {
		b.miss(p, err)
	}
}

func (b *Barrier) miss(p *party, err error) {
	p.state = absent
	if b.failed++; b.first == nil {
		b.first = err
	}
	b.decide()
}

func (b *Barrier) quorum() int {
	if b.Quorum == 0 {
		return b.made
	}
	// 0.07·100 is a little more than 7 in floating point.
	return max(int(math.Ceil(b.Quorum*float64(b.made)-1e-9)), 1)
}

// decide opens or breaks the barrier when the time has come.
func (b *Barrier) decide() {
	need := b.quorum()
	switch {
	case b.ended:
	case b.made-b.failed < need:
		b.broken = &BarrierError{Parties: b.made, Quorum: need, Failed: b.failed, First: b.first}
		b.end()
	case b.ready+b.failed == b.made, b.ready >= need && b.Patience == 0:
		b.end()
	case b.ready >= need && b.timer == nil:
		b.timer = time.AfterFunc(b.Patience, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.timer = nil
			if !b.ended && b.ready >= b.quorum() { // else some have left meanwhile
				b.end()
			}
		})
	}
}

func (b *Barrier) end() {
	b.ended = true
	close(b.wake())
	if b.timer != nil {
		b.timer.Stop()
	}
}

// wake is the channel that is closed at the barrier's end.
func (b *Barrier) wake() chan struct{} {
	if b.done == nil {
		b.done = make(chan struct{})
	}
	return b.done
}
