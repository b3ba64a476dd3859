package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"time"
)

// PanicError is a runner that panicked.
type PanicError struct {
	Value any    // what it panicked with
	Stack string // where
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// StuckError is a runner that went on after its context was done and the grace
// period was over. It was abandoned; its goroutine may still be there.
type StuckError struct {
	Cause error  // why it should have ended
	Stack string // where it was
}

// Error implements error.
func (e *StuckError) Error() string {
	return fmt.Sprintf("stuck: it did not return after its context was done (%v), and was abandoned", e.Cause)
}

// Unwrap returns the cause.
func (e *StuckError) Unwrap() error { return e.Cause }

var errGoexit = errors.New("the runner's goroutine ended without returning: runtime.Goexit, or a test's FailNow, was called on it")

// outcome is what became of a call, and when it began and ended by the clock
// of the runner's own goroutine: how long the harness takes to notice is not
// the runner's time.
type outcome struct {
	start, end time.Duration
	err        error
}

// call runs f in a goroutine, so that neither a panic nor a function that
// ignores its context can hold up the harness.
func (r *Run) call(ctx context.Context, u *user, f func(context.Context) error) outcome {
	done := make(chan outcome, 1)
	began := r.now()
	go func() {
		pprof.SetGoroutineLabels(u.labels)
		out := outcome{start: r.now(), err: errGoexit}
		defer func() {
			if v := recover(); v != nil {
				out.err = &PanicError{Value: v, Stack: string(debug.Stack())}
			}
			out.end = r.now()
			done <- out
		}()
		out.err = f(ctx)
	}()
	select {
	case out := <-done:
		return out
	case <-ctx.Done():
	}
	timer := time.NewTimer(r.plan.Grace)
	defer timer.Stop()
	select {
	case out := <-done:
		return out
	case <-timer.C:
		return outcome{began, r.now(), &StuckError{Cause: context.Cause(ctx)}}
	}
}

// isCut reports whether a call failed because ctx ended it, and not because of
// anything it did. Once ctx is done, no error can be told from the end's own
// ("use of closed connection"), except those that are never right.
func isCut(ctx context.Context, err error) bool {
	if errors.Is(err, errAtBarrier) {
		return true
	}
	if err == nil || ctx.Err() == nil || errors.Is(err, errGoexit) {
		return false
	}
	_, stuck := errors.AsType[*StuckError](err)
	_, panicked := errors.AsType[*PanicError](err)
	return !stuck && !panicked
}
