package harnesstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
)

// Env is the way of one load's runners to the other side. Whatever goes through
// it is an operation, which can be made to fail. It is safe for use by many
// goroutines.
type Env struct {
	runID string

	mu     sync.Mutex
	script script
	phase  phase
	ops    []operation // of the load; those of the cleanup are counted apart
	later  []operation // of the cleanup
	fired  *operation  // where something went wrong
	acting fault       // what goes on going wrong
	thaw   chan struct{}
	healed bool // the cleanup has begun, and the load's fault is over
	conns  map[*conn]struct{}
	stop   func() // of the run; nil before it began
	stops  bool   // a stop was asked for
	left   []func(context.Context) error
	after  []func()
	end    []func()
}

// phase is where a user is.
type phase int

const (
	inNew phase = iota
	inSetup
	inRun
	inCleanup
)

// String is the phase within a sentence.
func (p phase) String() string { return [...]string{"New", "Setup", "Run", "Cleanup"}[p] }

// operation is something that was asked of the other side.
type operation struct {
	number   int
	what     string
	phase    phase
	answered bool // something came back, by the same connection
}

// String is the operation within a sentence.
func (o operation) String() string {
	return fmt.Sprintf("operation %d (%s, in %v)", o.number, o.what, o.phase)
}

func newEnv(runID string, s script) *Env {
	return &Env{runID: runID, script: s, thaw: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// RunID is the identity of the load's run, as harness.Recorder.RunID gives it to
// runners. What they create carries it, so [Env.Left] can look for it.
func (e *Env) RunID() string { return e.runID }

// Left says how to find out what the load's runners have left on the other side. f
// is called when the cleanup is over, not through the Env, and returns an error
// that names what there is, and nil when there is nothing.
func (e *Env) Left(f func(ctx context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left = append(e.left, f)
}

// After has f called when the load is over and before connections and goroutines
// are looked for. It closes what New has made and what is not the runners' own,
// such as idle connections of a client that all users share. The last one is
// called first.
func (e *Env) After(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after = append(e.after, f)
}

// Finally has f called when all has been looked at. It ends the other side, if New
// has made one for this load. The last one is called first.
func (e *Env) Finally(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end = append(e.end, f)
}

// Dial connects as net.Dialer.DialContext does. It fits http.Transport.DialContext.
func (e *Env) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return e.DialBy(ctx, address, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	})
}

// DialBy connects by a way of one's own. To names the other end, in findings.
func (e *Env) DialBy(ctx context.Context, to string, dial func(ctx context.Context) (net.Conn, error)) (net.Conn, error) {
	f, op := e.begin("dial " + to)
	switch f {
	case faultReset, faultGone, faultStatus:
		return nil, broken("dial", op, syscall.ECONNREFUSED)
	case faultSilence:
		if err := e.hear(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", op.what, err)
		}
	}
	inner, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	if f == faultLost {
		_ = inner.Close()
		return nil, broken("dial", op, syscall.ECONNRESET)
	}
	e.answer([]operation{op})
	return e.wrap(inner, op), nil
}

// Do is an operation of any other kind: a call of something in this process,
// say. What names it, in findings. Where the operation is made to fail op is not
// called; where its answer is lost, op is called and Do returns an error all the
// same.
func (e *Env) Do(ctx context.Context, what string, op func(ctx context.Context) error) error {
	f, o := e.begin(what)
	switch f {
	case faultReset, faultGone, faultStatus:
		return fmt.Errorf("%s: %w", what, broken("call", o, syscall.ECONNRESET))
	case faultSilence:
		if err := e.hear(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	err := op(ctx)
	e.answer([]operation{o})
	if f == faultLost && err == nil {
		return fmt.Errorf("%s: %w", what, broken("call", o, syscall.ECONNRESET))
	}
	return err
}

// HTTPClient makes a client with connections of its own, whose idle ones are
// closed when the load is over. For other settings, use [Env.Dial] as the
// DialContext of an http.Transport, and [Env.After] to close what is idle.
func (e *Env) HTTPClient() *http.Client {
	t := &http.Transport{DialContext: e.Dial}
	e.After(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// broken is the error of an operation that was made to fail. It looks like the
// system's.
func broken(what string, op operation, cause error) error {
	return &net.OpError{Op: what, Net: "harnesstest", Err: fmt.Errorf("made to fail at operation %d: %w", op.number, cause)}
}

// begin counts an operation and decides how it goes.
func (e *Env) begin(what string) (fault, operation) {
	e.mu.Lock()
	if e.phase == inNew { // it is none of the runners'
		defer e.mu.Unlock()
		return faultNone, operation{what: what}
	}
	at := &e.ops
	if e.phase == inCleanup {
		at = &e.later
	}
	op := operation{number: len(*at) + 1, what: what, phase: e.phase}
	*at = append(*at, op)
	f := e.acting
	if e.script.begins(op) {
		f = e.script.fault
		e.fired = &op
		if f.lasts() {
			e.acting = f
		}
		if f == faultGone {
			defer e.resetAll()
		}
		// What is on its way when the run is stopped could overtake the cleanup.
		if e.script.stop && (f == faultSilence || e.script.mute) {
			defer e.askToStop()
		}
	}
	e.mu.Unlock()
	return f, op
}

// answer notes that something came back for operations.
func (e *Env) answer(of []operation) {
	if len(of) == 0 {
		return
	}
	e.mu.Lock()
	for _, op := range of {
		if op.phase == inNew {
			continue
		}
		at := e.ops
		if op.phase == inCleanup {
			at = e.later
		}
		at[op.number-1].answered = true
		if e.script.stop && e.script.begins(op) {
			defer e.askToStop()
		}
	}
	e.mu.Unlock()
}

// enter notes that a user's runner is called. With the cleanup all that was wrong
// in the load is well again.
func (e *Env) enter(p phase) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p < e.phase {
		return // another user has come further
	}
	if p == inCleanup && e.phase != inCleanup {
		e.healed = true
		e.acting = faultNone
		close(e.thaw)
		e.thaw = make(chan struct{})
	}
	e.phase = p
}

// heal ends what goes on going wrong in the cleanup.
func (e *Env) heal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.acting, e.script = faultNone, script{}
	close(e.thaw)
	e.thaw = make(chan struct{})
}

// askToStop stops the run, as soon as it has begun.
func (e *Env) askToStop() {
	e.mu.Lock()
	e.stops = true
	stop := e.stop
	e.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// began gives the run's stop.
func (e *Env) began(stop func()) {
	e.mu.Lock()
	e.stop = stop
	asked := e.stops
	e.mu.Unlock()
	if asked {
		stop()
	}
}

var errSilence = errors.New("the other side said nothing")

// hear waits until the other side speaks again.
func (e *Env) hear(ctx context.Context) error {
	for {
		wait := e.silence()
		if wait == nil {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errSilence, context.Cause(ctx))
		}
	}
}

// silence returns what is closed when the other side may speak again, or nil when
// it speaks.
func (e *Env) silence() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.acting != faultSilence {
		return nil
	}
	return e.thaw
}

// history is where something went wrong, and what was asked in the load and in the
// cleanup.
func (e *Env) history() (fired *operation, ops, later []operation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fired, slices.Clone(e.ops), slices.Clone(e.later)
}

func (e *Env) isHealed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.healed
}

// resetAll is the end of the other side.
func (e *Env) resetAll() {
	for _, c := range e.open() {
		c.reset()
	}
}

// open are the connections that are open.
func (e *Env) open() []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		out = append(out, c)
	}
	return out
}

// finish calls what After was given.
func (e *Env) finish() { e.call(&e.after) }

// close calls what After, if that was not done, and Finally were given.
func (e *Env) close() {
	e.finish()
	e.call(&e.end)
}

func (e *Env) call(list *[]func()) {
	e.mu.Lock()
	all := *list
	*list = nil
	e.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i]()
	}
}

// leftBehind asks what is left.
func (e *Env) leftBehind(ctx context.Context) error {
	e.mu.Lock()
	left := e.left
	e.mu.Unlock()
	var errs []error
	for _, f := range left {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}
