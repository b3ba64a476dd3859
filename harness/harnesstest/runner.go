package harnesstest

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/peek"
)

// subjectRunner is a runner that is looked at.
type subjectRunner struct {
	*outcome
	inner harness.Runner
}

// Setup gets the runner ready, if it is one that does.
func (r *subjectRunner) Setup(ctx context.Context, rec *harness.Recorder) error {
	r.enter(inSetup)
	inner, ok := r.inner.(harness.Setuper)
	if !ok {
		return nil
	}
	if r.done && r.before == inSetup {
		r.env.askToStop()
		<-ctx.Done()
	}
	defer r.catch("Setup")
	err := inner.Setup(ctx, rec)
	r.leave(inSetup, ctx, err)
	return err
}

// Run does the work.
func (r *subjectRunner) Run(ctx context.Context, rec *harness.Recorder) error {
	r.enter(inRun)
	if r.done && r.before == inRun {
		r.env.askToStop()
		<-ctx.Done()
	}
	defer r.catch("Run")
	err := r.inner.Run(ctx, rec)
	r.leave(inRun, ctx, err)
	r.mu.Lock()
	r.live.rec, r.live.recorded = rec, peek.Recorded(rec)
	r.mu.Unlock()
	return err
}

// underway is how long a request is let arrive that was on its way when the run was
// stopped at some time: nobody can take back what comes behind the cleanup.
const underway = 20 * time.Millisecond

// Cleanup cleans up, if there is something to.
func (r *subjectRunner) Cleanup(ctx context.Context) error {
	if r.after > 0 {
		time.Sleep(underway)
	}
	r.enter(inCleanup)
	inner, ok := r.inner.(harness.Cleaner)
	if !ok {
		return nil
	}
	defer r.catch("Cleanup")
	err := inner.Cleanup(ctx)
	r.mu.Lock()
	r.live.cleanups = append(r.live.cleanups, err)
	r.mu.Unlock()
	return err
}

func (r *subjectRunner) enter(p phase) {
	r.env.enter(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live.began.IsZero() {
		r.live.began = time.Now()
	}
}

func (r *subjectRunner) leave(p phase, ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.returned = append(r.live.returned, returned{p, err, ctx.Err() != nil})
	r.live.ended = time.Now()
}

// catch notes a panic, and lets the harness have it.
func (r *subjectRunner) catch(what string) {
	v := recover()
	if v == nil {
		return
	}
	r.mu.Lock()
	r.live.panics = append(r.live.panics, fmt.Sprintf("%s panicked: %v%s", what, v, frames(string(debug.Stack()))))
	r.mu.Unlock()
	panic(v)
}
