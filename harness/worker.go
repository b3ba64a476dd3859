package harness

import (
	"context"
	"runtime/debug"
	"runtime/pprof"
	"time"
)

// worker is the goroutine that a user's iterations run on, so that neither a
// panic nor a runner that ignores its context can hold up the schedule. It is
// kept from one iteration to the next: a new one each time costs more than all
// else that the harness does, and a stack that has to grow again.
type worker struct {
	jobs chan job
	ends chan outcome
}

// job is an iteration to run.
type job struct {
	ctx     context.Context
	metrics *metrics
	due     time.Duration // when the user was meant to start and free to
}

// attempt runs an iteration on the user's worker.
func (d *driver) attempt(u *user, j job) outcome {
	w := u.worker
	if w == nil {
		// With room for one, neither waits for the other to come back to it.
		w = &worker{jobs: make(chan job, 1), ends: make(chan outcome, 1)}
		u.worker = w
		go w.work(d.run, u)
	}
	began := d.now()
	w.jobs <- j
	select {
	case out := <-w.ends:
		d.replace(u, out)
		return out
	case <-j.ctx.Done():
	}
	timer := time.NewTimer(d.run.plan.Grace)
	defer timer.Stop()
	select {
	case out := <-w.ends:
		d.replace(u, out)
		return out
	case <-timer.C:
		d.dismiss(u)
		return outcome{start: began, end: d.now(), err: &StuckError{Cause: context.Cause(j.ctx)}}
	}
}

// replace lets a worker whose goroutine is gone have a successor.
func (d *driver) replace(u *user, out outcome) {
	if out.err == errGoexit {
		d.dismiss(u)
	}
}

// dismiss ends a user's worker when it is done with what it does.
func (d *driver) dismiss(u *user) {
	if u.worker != nil {
		close(u.worker.jobs)
		u.worker = nil
	}
}

func (w *worker) work(r *Run, u *user) {
	pprof.SetGoroutineLabels(u.labels)
	for j := range w.jobs {
		w.iterate(r, u, j)
	}
}

func (w *worker) iterate(r *Run, u *user, j job) {
	out := outcome{start: r.now(), err: errGoexit}
	defer func() {
		if v := recover(); v != nil {
			out.err = &PanicError{Value: v, Stack: string(debug.Stack())}
		}
		out.end = r.now()
		w.ends <- out
	}()
	j.metrics.recordLag(out.start - j.due)
	out.err = u.runner.Run(j.ctx, u.rec)
}
