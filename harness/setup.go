package harness

import (
	"context"
	"sync"
	"sync/atomic"
)

// runSetup gets the runners of scenarios ready. A stop during the setup waits
// for nobody.
func (r *Run) runSetup(of []*scenarioRun) {
	ctx, cancel := context.WithCancelCause(r.loadCtx)
	ended := make(chan struct{})
	var watch, scenarios sync.WaitGroup
	watch.Go(func() {
		select {
		case <-r.stop:
			cancel(errStopped)
		case <-ended:
		}
	})
	for _, s := range of {
		scenarios.Go(func() { s.runSetup(ctx) })
	}
	scenarios.Wait()
	close(ended)
	watch.Wait()
	cancel(nil)
}

func (s *scenarioRun) runSetup(ctx context.Context) {
	s.beginSpan()
	eachUser(s.users, s.SetupAtATime, func(u *user) {
		if ctx.Err() != nil {
			return
		}
		if setuper, ok := u.runner.(Setuper); ok {
			u.rec.begin(s.run.now())
			jobCtx, cancel := context.WithTimeoutCause(ctx, s.run.plan.SetupTimeout, errSetupTimeout)
			defer cancel()
			jobCtx, span := s.trace(jobCtx, u, SpanSetup)
			out := s.run.call(jobCtx, u, func(ctx context.Context) error { return setuper.Setup(ctx, u.rec) })
			u.endTraced(span, out.err, isCut(ctx, out.err))
			if out.err != nil {
				s.setupFailed(ctx, u, out.err)
				return
			}
		}
		u.ready = true
		s.ready.Add(1)
	})
}

// setupFailed counts a user who did not get ready, unless only because the run
// ends.
func (s *scenarioRun) setupFailed(ctx context.Context, u *user, err error) {
	s.noteStuck(u, &s.counts[counted], err)
	if isCut(ctx, err) {
		return
	}
	s.setupFail.Add(1)
	if isOwn(err) {
		s.ownSetup.Add(1)
	}
	s.problems.add(func() Failure { return s.failure(u, "setup", err) })
}

// atATimeDefault is how many users get ready, or are cleaned up, at a time.
const atATimeDefault = 50

// eachUser calls f for all users, atATime at a time.
func eachUser(users []*user, atATime int, f func(*user)) {
	if atATime == 0 {
		atATime = atATimeDefault
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atATime, len(users)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(users) {
					return
				}
				f(users[i])
			}
		})
	}
	wg.Wait()
}
