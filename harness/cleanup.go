package harness

import (
	"context"
	"sync"
	"sync/atomic"
)

// runCleanup cleans up after every runner that was made.
func (r *Run) runCleanup() {
	ctx, cancel := context.WithTimeoutCause(r.cleanupCtx, r.plan.CleanupTimeout, errCleanupTimeout)
	defer cancel()
	start := r.now()
	var wg sync.WaitGroup
	var sums cleanupSums
	for _, s := range r.scenarios {
		wg.Go(func() {
			eachUser(s.users, s.CleanupAtATime, func(u *user) { s.cleanUp(ctx, u, &sums) })
		})
	}
	wg.Wait()
	r.cleanup = CleanupResult{
		Cleaned: sums.cleaned.Load(), Failed: sums.failed.Load(), Skipped: sums.skipped.Load(),
		Seconds: (r.now() - start).Seconds(),
	}
}

type cleanupSums struct{ cleaned, failed, skipped atomic.Int64 }

func (s *scenarioRun) cleanUp(ctx context.Context, u *user, sums *cleanupSums) {
	cleaner, ok := u.runner.(Cleaner)
	if !ok {
		return
	}
	if ctx.Err() != nil {
		sums.skipped.Add(1)
		return
	}
	jobCtx, cancel := context.WithTimeoutCause(ctx, s.run.plan.CleanupJobTimeout, errCleanupJobTimeout)
	defer cancel()
	jobCtx, span := s.trace(jobCtx, u, SpanCleanup)
	out := s.run.call(jobCtx, u, cleaner.Cleanup)
	u.endTraced(span, out.err, s.run.aborted.Load() && isCut(ctx, out.err))
	switch {
	case out.err == nil:
		sums.cleaned.Add(1)
	case s.run.aborted.Load() && isCut(ctx, out.err):
		sums.skipped.Add(1) // somebody chose to leave things behind
	default:
		sums.failed.Add(1)
		s.run.problems.add(func() Failure { return s.failure(u, "cleanup", out.err) })
	}
}
