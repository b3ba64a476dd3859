package harness

import (
	"context"
	"errors"
	"sync"
	"time"
)

// runLoad drives the schedules side by side and takes a snapshot each second.
func (r *Run) runLoad() {
	quit := make(chan struct{})
	start := r.now()
	var snapshots, scenarios sync.WaitGroup
	snapshots.Go(func() { r.snapshots(start, quit) })
	for _, s := range r.scenarios {
		scenarios.Go(func() { s.runLoad(start + s.StartAfter) })
	}
	scenarios.Wait()
	close(quit)
	snapshots.Wait()
}

func (s *scenarioRun) runLoad(start time.Duration) {
	defer s.cancel(nil)
	for _, u := range s.users {
		u.rec.metrics.Store(s.metrics)
	}
	if wait := start - s.run.now(); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.run.stop:
		case <-s.ctx.Done():
		}
	}
	s.start = start
	driven := make(chan struct{})
	var guard sync.WaitGroup
	guard.Go(func() { s.enforceEnd(driven) })
	if !s.halted() && s.ready.Load() > 0 {
		s.Schedule.drive(&driver{scenarioRun: s})
	}
	s.timedOut = errors.Is(context.Cause(s.ctx), errTimeout)
	s.end()
	close(driven)
	guard.Wait()
	s.loadTime = max(s.run.now()-start, 0)
	s.freeze()
}

// enforceEnd gives iterations the graceful-stop time after the load's end.
func (s *scenarioRun) enforceEnd(driven <-chan struct{}) {
	select {
	case <-driven:
		return
	case <-s.ctx.Done():
	case <-s.run.stop:
	case <-s.ending:
	}
	s.end()
	timer := time.NewTimer(s.run.plan.GracefulStop)
	defer timer.Stop()
	select {
	case <-driven:
	case <-s.ctx.Done():
	case <-timer.C:
		s.cancel(errGraceful)
	}
}

// end closes the recorders' Done.
func (s *scenarioRun) end() { s.endOnce.Do(func() { close(s.ending) }) }

// halted reports whether no iteration may start any more.
func (s *scenarioRun) halted() bool { return s.run.stopping() || s.ctx.Err() != nil }

// freeze makes the numbers final. What an abandoned runner still records does
// not count, or the timeline would not add up to the totals.
func (s *scenarioRun) freeze() {
	s.totalsMu.Lock()
	defer s.totalsMu.Unlock()
	s.final = s.metrics.totals()
}

// totals are the sums until now, and the final ones when the load has ended.
func (s *scenarioRun) totals() *totals {
	s.totalsMu.Lock()
	defer s.totalsMu.Unlock()
	if s.final != nil {
		return s.final
	}
	return s.metrics.totals()
}
