package harness

import (
	"context"
	"errors"
)

// party is a runner that tells its barrier when it can't get ready any more,
// whatever the reason: nobody else would.
type party struct {
	barrier *Barrier
	runner  Runner
	state   partyState // guarded by the barrier
}

type partyState int

const (
	missing partyState = iota
	ready
	absent // it failed, or left
)

var (
	errPartyEnded    = errors.New("it ended without waiting")
	errPartyBroke    = errors.New("it panicked, or ended its goroutine")
	errPartyNeverRan = errors.New("it never ran")
)

// Setup implements [Setuper].
func (p *party) Setup(ctx context.Context, rec *Recorder) error {
	setuper, ok := p.runner.(Setuper)
	if !ok {
		setuper = noSetup{}
	}
	return p.watch(ctx, rec, setuper.Setup, nil)
}

// Run implements [Runner].
func (p *party) Run(ctx context.Context, rec *Recorder) error {
	return p.watch(ctx, rec, p.runner.Run, errPartyEnded)
}

// Cleanup implements [Cleaner].
func (p *party) Cleanup(ctx context.Context) error {
	p.barrier.giveUp(p, errPartyNeverRan)
	if cleaner, ok := p.runner.(Cleaner); ok {
		return cleaner.Cleanup(ctx)
	}
	return nil
}

// watch calls f. The party is absent when f fails, panics, or ends with end; a
// function that ignores its context is not waited for either.
func (p *party) watch(ctx context.Context, rec *Recorder, f func(context.Context, *Recorder) error, end error) error {
	p.barrier.join(rec, p)
	unwatch := context.AfterFunc(ctx, func() { p.barrier.giveUp(p, context.Cause(ctx)) })
	defer unwatch()
	returned := false
	defer func() { // without a recover, so that the harness sees the panic's own stack
		if !returned {
			p.barrier.giveUp(p, errPartyBroke)
		}
	}()
	err := f(ctx, rec)
	returned = true
	if err != nil {
		end = err
	}
	if end != nil {
		p.barrier.giveUp(p, end)
	}
	return err
}

func (b *Barrier) join(rec *Recorder, p *party) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[*Recorder]*party{}
	}
	b.of[rec] = p
}

type noSetup struct{}

func (noSetup) Setup(context.Context, *Recorder) error { return nil }
