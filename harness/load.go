package harness

import (
	"context"
	"errors"
	"sync"
	"time"
)

// runLoad waits until a scenario's start, gets it ready if that was not done
// before, and drives its schedule.
func (s *scenarioRun) runLoad(start time.Duration, late bool) {
	defer s.cancel(nil)
	defer s.ended.Store(true)
	s.run.sleepUntil(start)
	s.begun.Store(true)
	s.beginSpan()
	defer func() { endSpan(s.span, nil, s.run.stopping()) }()
	if late && !s.halted() {
		s.run.runSetup([]*scenarioRun{s})
		start = max(start, s.run.now())
	}
	s.start = start
	s.beginParts(start)
	s.first.Store(s.fullMarks(start))
	s.running.Store(true)
	for _, u := range s.users {
		u.rec.metrics.Store(s.metrics)
	}
	driven := make(chan struct{})
	var guard sync.WaitGroup
	guard.Go(func() { s.enforceEnd(driven) })
	if s.parted != nil {
		guard.Go(func() { s.markBounds(driven) })
	}
	if !s.halted() && s.ready.Load() > 0 {
		d := &driver{scenarioRun: s}
		s.Schedule.drive(d)
		for _, u := range s.users {
			d.dismiss(u)
		}
	}
	s.timedOut = errors.Is(context.Cause(s.ctx), errTimeout)
	s.end()
	close(driven)
	guard.Wait()
	s.ran = max(s.run.now(), start)
	s.loadTime = s.countedTime(start, s.ran)
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
	s.frozen.Store(true)
	final := s.partsNow()
	s.final = &final
	s.all = newTotals()
	for _, p := range final {
		if p != nil {
			s.all.plus(p.totals)
		}
	}
}

// sums are the numbers of a part until now, and the final ones when the load has
// ended.
func (s *scenarioRun) sums(p part) *partSums {
	s.totalsMu.Lock()
	defer s.totalsMu.Unlock()
	if s.final != nil {
		return s.final[p]
	}
	return s.partsNow()[p]
}

// totals are the sums of all parts until now, and the final ones when the load
// has ended.
func (s *scenarioRun) totals() *totals {
	s.totalsMu.Lock()
	defer s.totalsMu.Unlock()
	if s.all != nil {
		return s.all
	}
	t := s.metrics.totals()
	if s.parted != nil {
		t.plus(s.parted.metrics[warmUp].recorded()).plus(s.parted.metrics[coolDown].recorded())
	}
	return t
}
