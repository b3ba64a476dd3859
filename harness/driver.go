package harness

import (
	"context"
	"time"
)

// driver is what a schedule steers a scenario with. Instants are durations
// since the run's epoch.
type driver struct{ *scenarioRun }

func (d *driver) now() time.Duration { return d.run.now() }

// ended reports whether the load has ended.
func (d *driver) ended() bool {
	select {
	case <-d.ending:
		return true
	default:
		return d.halted()
	}
}

// cutoff is the instant after which nothing was meant to start, because the
// load was cut short.
func (d *driver) cutoff() time.Duration { return time.Duration(d.run.cutoff.Load()) }

// sleep waits until an instant. It returns false when the load is cut short
// before.
func (d *driver) sleep(until time.Duration, timer *time.Timer) bool {
	wait := until - d.now()
	if wait <= 0 {
		return !d.halted()
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
	case <-d.run.stop:
	case <-d.ctx.Done():
	}
	return !d.halted()
}

// sleepUntilEnd waits until an instant, or until the load ends.
func (d *driver) sleepUntilEnd(until time.Duration, timer *time.Timer) {
	wait := until - d.now()
	if wait <= 0 {
		return
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
	case <-d.ending: // also after a stop
	}
}

// endAfter ends the load when it has lasted this long.
func (d *driver) endAfter(length time.Duration) *time.Timer {
	return time.AfterFunc(d.start+length-d.now(), d.end)
}

// drop counts an iteration that was meant to start and did not.
func (d *driver) drop() { d.dropped.Add(1) }

// usable reports whether a user can run.
func (d *driver) usable(user int) bool {
	u := d.users[user]
	return u.ready && !u.abandoned.Load()
}

// turn is how an iteration went, for the schedule.
type turn struct {
	start, end time.Duration
	failed     bool
	again      bool // the user can run another one
}

// iterate runs one iteration of a user, meant to start at intended. The user
// was free since free: what passes between the later of the two and the actual
// start is the generator's own lateness.
func (d *driver) iterate(index int, intended, free time.Duration) turn {
	s, u := d.scenarioRun, d.users[index]
	ctx, cancel := s.ctx, context.CancelFunc(func() {})
	if d.run.plan.JobTimeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, d.run.plan.JobTimeout, errJobTimeout)
	}
	defer cancel()
	u.rec.begin(intended)
	ctx, span := s.trace(ctx, u, SpanIteration)
	s.started.Add(1)
	s.active.Add(1)
	out := d.run.call(ctx, u, func(ctx context.Context) error {
		s.metrics.recordLag(d.now() - max(intended, free))
		return u.runner.Run(ctx, u.rec)
	})
	s.active.Add(-1)
	t := turn{start: out.start, end: out.end}
	if isCut(s.ctx, out.err) {
		endSpan(span, out.err, true)
		s.cut.Add(1)
		return t
	}
	u.endTraced(span, out.err, false)
	t.failed = out.err != nil
	s.metrics.recordIteration(out.end-intended, out.end-out.start, t.failed)
	if t.failed {
		s.iterationFailed(u, out.err)
	} else {
		s.succeeded.Add(1)
	}
	if !u.abandoned.Load() { // its recorder would still be in use
		u.rec.iteration++
		t.again = s.ctx.Err() == nil
	}
	return t
}

func (s *scenarioRun) iterationFailed(u *user, err error) {
	s.noteStuck(u, err)
	s.failed.Add(1)
	if u.rec.failures.Load() == 0 {
		s.bare.Add(1)
	}
	s.problems.add(func() Failure { return s.failure(u, "load", err) })
}
