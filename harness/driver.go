package harness

import (
	"context"
	"time"
)

// driver is what a schedule steers a scenario with. Instants are durations
// since the run's epoch.
type driver struct {
	*scenarioRun
	stop <-chan struct{}
}

func (d *driver) now() time.Duration { return d.run.now() }

// stopping reports whether no new iterations may start.
func (d *driver) stopping() bool { return d.run.stopping() }

// ended reports whether the load has ended.
func (d *driver) ended() bool {
	select {
	case <-d.ending:
		return true
	default:
		return d.stopping()
	}
}

// drop counts an iteration that was meant to start and did not.
func (d *driver) drop() { d.dropped.Add(1) }

// iterate runs one iteration of a user, meant to start at intended; lag is how
// late the generator itself was. It returns false when this user can't run any
// more.
func (d *driver) iterate(index int, intended, lag time.Duration) bool {
	s, u := d.scenarioRun, d.users[index]
	if !u.ready || u.abandoned.Load() {
		return false
	}
	ctx, cancel := s.ctx, context.CancelFunc(func() {})
	if d.run.plan.JobTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, d.run.plan.JobTimeout)
	}
	defer cancel()
	u.rec.intended, u.rec.from = intended, intended
	s.started.Add(1)
	s.active.Add(1)
	start := d.now()
	err := d.run.call(ctx, s.label(u), func(ctx context.Context) error { return u.runner.Run(ctx, u.rec) })
	end := d.now()
	s.active.Add(-1)
	switch {
	case err == nil:
		s.succeeded.Add(1)
	case s.isCut(err):
		s.cut.Add(1)
		return false
	default:
		s.iterationFailed(u, err)
	}
	if u.abandoned.Load() {
		return false // its recorder is still in use
	}
	u.rec.iteration++
	s.metrics.recordIteration(lag, end-intended, end-start, err != nil)
	return s.ctx.Err() == nil
}
