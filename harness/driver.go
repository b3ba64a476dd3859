package harness

import (
	"context"
	"time"
)

// driver is what a schedule steers a scenario with. Instants are durations
// since the run's epoch.
type driver struct{ *scenarioRun }

func (d *driver) now() time.Duration { return d.run.now() }

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

// shortestFailure is the least time from the start of a user's failed iteration
// to the start of its next one, where that follows at once.
const shortestFailure = 100 * time.Millisecond

// rest returns when a user's next iteration is meant to start, which is the end
// of the one before. After one that failed too soon it waits until then, or
// until done is closed.
func (d *driver) rest(t turn, done <-chan struct{}, timer *time.Timer) time.Duration {
	pause := t.start + shortestFailure
	if !t.failed || pause <= t.end {
		return t.end
	}
	if wait := pause - d.now(); wait > 0 {
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-done:
		}
	}
	return pause
}

// stay lets a user run one iteration after the other until an instant, or until
// done is closed. It returns when the last one ended, and whether the user can
// run another one.
func (d *driver) stay(user int, intended, until time.Duration, done <-chan struct{}, timer *time.Timer) (time.Duration, bool) {
	for d.now() < until && !d.halted() && !closed(done) {
		t := d.iterate(user, intended, intended)
		if !t.again {
			return t.end, false
		}
		intended = d.rest(t, done, timer)
	}
	return intended, true
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// endAfter ends the load when it has lasted this long.
func (d *driver) endAfter(length time.Duration) *time.Timer {
	return time.AfterFunc(d.start+length-d.now(), d.end)
}

// drop counts iterations that were meant to start at an instant and did not.
func (d *driver) drop(due time.Duration, n int) { d.counts[d.partAt(due)].dropped.Add(int64(n)) }

// user is one of this shard, by its index in the whole.
func (d *driver) user(index int) *user { return d.users[index/d.run.plan.Shard.count()] }

// usable reports whether a user is of this shard and can run.
func (d *driver) usable(index int) bool {
	if !d.run.plan.Shard.Has(index) {
		return false
	}
	u := d.user(index)
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
	s, u := d.scenarioRun, d.user(index)
	load := u.rec.load()
	ctx, cancel := load, context.CancelFunc(func() {})
	if d.run.plan.JobTimeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, d.run.plan.JobTimeout, errJobTimeout)
	}
	defer cancel()
	u.rec.begin(intended)
	ctx, span := s.trace(ctx, u, SpanIteration)
	part := s.partAt(intended)
	counts, metrics := &s.counts[part], s.metricsOf(part)
	counts.started.Add(1)
	if free > intended {
		counts.waited.Add(1)
	}
	s.active.Add(1)
	out := d.attempt(u, job{ctx, metrics, max(intended, free)})
	s.active.Add(-1)
	t := turn{start: out.start, end: out.end}
	if ended := s.partOf(intended, out.end, out.err != nil); ended != part {
		counts.started.Add(-1)
		if free > intended {
			counts.waited.Add(-1)
			s.counts[ended].waited.Add(1)
		}
		part, counts, metrics = ended, &s.counts[ended], s.metricsOf(ended)
		counts.started.Add(1)
	}
	if isCut(load, out.err) {
		endSpan(span, out.err, true)
		counts.cut.Add(1)
		return s.next(u, t)
	}
	u.endTraced(span, out.err, false)
	t.failed = out.err != nil
	metrics.recordIteration(out.end-intended, out.end-out.start, t.failed)
	if t.failed {
		s.iterationFailed(u, part, out.err)
	} else {
		counts.succeeded.Add(1)
	}
	return s.next(u, t)
}

// next gets a user ready for another iteration, if it can run one.
func (s *scenarioRun) next(u *user, t turn) turn {
	if !u.abandoned.Load() && s.ctx.Err() == nil { // else its recorder is still in use, or done with
		u.rec.iteration++
		t.again = true
	}
	return t
}

func (s *scenarioRun) iterationFailed(u *user, part part, err error) {
	counts := &s.counts[part]
	s.noteStuck(u, counts, err)
	if part == counted {
		s.noteOwn(u, err)
	}
	counts.failed.Add(1)
	if u.rec.failures.Load() == 0 {
		counts.bare.Add(1)
	}
	problems := &s.problems
	if part != counted { // they must not take the place of those that count
		problems = &s.parted.problems
	}
	problems.add(func() Failure { return s.failure(u, part.String(), err) })
}
