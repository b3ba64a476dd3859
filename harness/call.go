package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
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

// call runs f in a goroutine, so that neither a panic nor a function that
// ignores its context can hold up the harness.
func (r *Run) call(ctx context.Context, label string, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels(labelKey, label)))
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: string(debug.Stack())}
			}
			done <- err
		}()
		err = f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(r.plan.Grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return &StuckError{Cause: context.Cause(ctx), Stack: stackWith(label)}
	}
}

// labelKey marks goroutines, so that a stuck one can be found among all.
const labelKey = "harness_user"

func (s *scenarioRun) label(u *user) string {
	return fmt.Sprintf("%s/%s/%d", s.run.plan.RunID, s.Name, u.index)
}

// stackWith returns the stacks of the goroutines with a label.
func stackWith(label string) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return ""
	}
	var found []string
	want := fmt.Sprintf("%q:%q", labelKey, label)
	for block := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(block, want) {
			found = append(found, block)
		}
	}
	return strings.Join(found, "\n\n")
}

// stackOf returns the stack that an error carries, if any.
func stackOf(err error) string {
	if e, ok := errors.AsType[*PanicError](err); ok {
		return e.Stack
	}
	if e, ok := errors.AsType[*StuckError](err); ok {
		return e.Stack
	}
	return ""
}

// maxFailures is how many failed runs are kept with their logs.
const maxFailures = 100

// problems keeps what went wrong, a bounded number of times.
type problems struct {
	mu       sync.Mutex
	failures []Failure
	more     int
	warnings []string
}

func (p *problems) add(f Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) >= maxFailures {
		p.more++
		return
	}
	p.failures = append(p.failures, f)
}

func (p *problems) list() ([]Failure, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Failure(nil), p.failures...), p.more
}

func (s *scenarioRun) warn(text string) {
	s.problems.mu.Lock()
	defer s.problems.mu.Unlock()
	for _, w := range s.problems.warnings {
		if w == text {
			return
		}
	}
	if len(s.problems.warnings) < maxFailures {
		s.problems.warnings = append(s.problems.warnings, text)
	}
}

// isCut reports whether an iteration ended because the run does, and not
// because of anything it did.
func (s *scenarioRun) isCut(err error) bool {
	if s.ctx.Err() == nil {
		return false
	}
	if _, stuck := errors.AsType[*StuckError](err); stuck {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Cause(s.ctx))
}

func (s *scenarioRun) setupFailed(u *user, err error, ctx context.Context) {
	s.noteStuck(u, err)
	if ctx.Err() != nil && !u.abandoned.Load() {
		return // the run ends
	}
	s.setupFail.Add(1)
	s.problems.add(s.failure(u, "setup", err))
}

func (s *scenarioRun) iterationFailed(u *user, err error) {
	s.noteStuck(u, err)
	s.failed.Add(1)
	s.problems.add(s.failure(u, "load", err))
}

func (s *scenarioRun) noteStuck(u *user, err error) {
	if _, ok := errors.AsType[*StuckError](err); ok {
		u.abandoned.Store(true)
		s.stuck.Add(1)
	}
}

func (s *scenarioRun) failure(u *user, phase string, err error) Failure {
	return Failure{
		Scenario: s.Name, User: u.index, Iteration: u.rec.iteration, Phase: phase,
		Error: err.Error(), Stack: stackOf(err), Log: u.rec.log.String(),
		Seconds: s.run.now().Seconds(),
	}
}
