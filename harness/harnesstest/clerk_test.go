package harnesstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
)

var (
	enrol   = harness.NewAction("enrol")
	forgery = harness.NewAction("forgery")
	names   = harness.NewCounter("names")
)

// flaw is what is wrong with a clerk.
type flaw int

const (
	none flaw = iota
	waitsForNobody
	asksWithoutContext
	asksWithoutContextInSetup
	callsItDone
	forgets
	forgetsToCount
	forges
	tellsNobody
	measuresBackwards
	measuresTooMuch
	writesLate
	leavesAGoroutine
	leavesAConnection
	leavesADescriptor
	notesAfterwards
	notesAtTheEnd
	givesUpCleaning
	cleansByItsContext
	needsARun
	hidesTheMess
	sharesAName
	panicsAtErrors
	tags // which is none
	neverStops
)

// clerk is a runner that enrols two names and takes them back.
type clerk struct {
	flaw      flaw
	env       *harnesstest.Env
	transport *http.Transport
	names     []string
	done      bool
	ctx       context.Context
	release   <-chan struct{} // what a flaw waits for
}

func (c *clerk) ask(ctx context.Context, method, name string, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://registry/"+name, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, name, err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return errNotThere
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: it answered %s", method, name, resp.Status)
	}
	return nil
}

// Setup looks whether the registry is there.
func (c *clerk) Setup(ctx context.Context, _ *harness.Recorder) error {
	if c.flaw == asksWithoutContextInSetup {
		ctx = context.WithoutCancel(ctx)
	}
	err := c.ask(ctx, http.MethodGet, "", http.StatusOK)
	if c.flaw == tellsNobody {
		return nil
	}
	return err
}

// Run enrols.
func (c *clerk) Run(ctx context.Context, rec *harness.Recorder) error {
	err := c.run(ctx, rec)
	switch {
	case c.flaw == tellsNobody, c.flaw == callsItDone && ctx.Err() != nil:
		return nil
	case c.flaw == panicsAtErrors && err != nil:
		panic(err)
	}
	return err
}

func (c *clerk) run(ctx context.Context, rec *harness.Recorder) error {
	c.ctx = ctx
	switch c.flaw {
	case waitsForNobody:
		time.Sleep(time.Second)
		if ctx.Err() != nil {
			<-c.release
		}
	case neverStops:
		<-rec.Done()
		<-ctx.Done()
		return ctx.Err()
	case asksWithoutContext:
		ctx = context.WithoutCancel(ctx)
	case leavesAGoroutine:
		go func() { <-c.release }()
	case leavesADescriptor:
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		leftOpen = append(leftOpen, f) // nor does the garbage collector close it
	case forges:
		rec.Record(forgery, time.Second, time.Second, nil)
	case writesLate:
		done := rec.Done()
		go func() {
			<-done
			time.Sleep(10 * time.Millisecond)
			rec.Add(names, 1)
		}()
	}
	for i := range 2 {
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		name := fmt.Sprintf("%s-%d-%d-%d", rec.RunID(), rec.User(), rec.Iteration(), i)
		if c.flaw == sharesAName {
			name = fmt.Sprintf("%s-%d-%d", rec.RunID(), rec.Iteration(), i)
		}
		if c.flaw != notesAfterwards && c.flaw != notesAtTheEnd {
			c.names = append(c.names, name)
		}
		if err := c.enrol(ctx, rec, name); err != nil {
			return err
		}
		if c.flaw == notesAfterwards {
			c.names = append(c.names, name)
		}
	}
	if c.flaw == notesAtTheEnd {
		for i := range 2 {
			c.names = append(c.names, fmt.Sprintf("%s-%d-%d-%d", rec.RunID(), rec.User(), rec.Iteration(), i))
		}
	}
	c.done = true
	return nil
}

func (c *clerk) enrol(ctx context.Context, rec *harness.Recorder, name string) error {
	work := func(ctx context.Context) error { return c.ask(ctx, http.MethodPost, name, http.StatusCreated) }
	if c.flaw != forgetsToCount {
		defer rec.Add(names, 1)
	}
	switch c.flaw {
	case forgets, tellsNobody:
		return work(ctx)
	case measuresBackwards:
		err := work(ctx)
		rec.Record(enrol, time.Millisecond, time.Second, err)
		return err
	case measuresTooMuch:
		err := work(ctx)
		rec.Record(enrol, time.Since(time.Time{}), time.Millisecond, err)
		return err
	}
	action := enrol
	if c.flaw == tags {
		action = enrol.Tag("place", "here")
	}
	return rec.Do(ctx, action, work)
}

// Cleanup takes the names back.
func (c *clerk) Cleanup(ctx context.Context) error {
	if c.flaw != leavesAConnection {
		defer c.transport.CloseIdleConnections()
	}
	switch {
	case c.flaw == needsARun && !c.done:
		return errors.New("there was no run")
	case c.flaw == cleansByItsContext && c.ctx != nil:
		ctx = c.ctx
	}
	var errs []error
	for _, name := range c.names {
		err := c.ask(ctx, http.MethodDelete, name, http.StatusOK)
		if c.flaw == givesUpCleaning && err != nil {
			return err
		}
		if !errors.Is(err, errNotThere) {
			errs = append(errs, err)
		}
	}
	if c.flaw == hidesTheMess {
		return nil
	}
	return errors.Join(errs...)
}

var leftOpen []*os.File // of one user at a time

var errNotThere = errors.New("not there")

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// clerks is a subject of clerks with a flaw.
func clerks(t *testing.T, f flaw, release <-chan struct{}) harnesstest.Subject {
	return harnesstest.Subject{
		New: func(env *harnesstest.Env) (func(int) (harness.Runner, error), error) {
			r := newRegistry()
			env.Finally(r.stop)
			env.Left(func(context.Context) error { return r.left(env.RunID()) })
			return func(int) (harness.Runner, error) {
				return &clerk{flaw: f, env: env, transport: r.transport(env), release: release}, nil
			}, nil
		},
		Actions: []harness.Action{enrol}, Counters: []harness.Counter{names},
	}
}
