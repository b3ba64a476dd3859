package harnesstest

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// leftTimeout bounds the look at what is left.
const leftTimeout = 30 * time.Second

// judgeCleanup looks at how the cleanup went. The other side was well by then,
// unless it is the cleanup in which something goes wrong.
func (s *suite) judgeCleanup(ctx context.Context, o *outcome) {
	check := CleansUp
	if o.script.late {
		check = Owns
	}
	if s.Exempt[check] != "" {
		return
	}
	err := errors.Join(o.cleanups...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leftTimeout)
	defer cancel()
	left := o.env.leftBehind(ctx)
	switch {
	case o.script.late && err != nil: // it says so
	case o.script.late && left != nil:
		s.find(o, Owns, fmt.Sprintf("Cleanup returned nil, and this was left: %v", left), wantOwnUp)
	case err != nil:
		s.find(o, CleansUp, fmt.Sprintf("Cleanup failed, though the other side was well: %v", err), wantCleanup)
	case left != nil:
		s.find(o, CleansUp, fmt.Sprintf("after the cleanup this was left: %v", left), wantCleanup)
	}
}

// tryCleansUp lets something go wrong at many operations, in each way.
func (s *suite) tryCleansUp(ctx context.Context) error {
	for _, f := range []fault{faultReset, faultLost, faultStatus, faultGone} {
		for _, k := range points(s.clean.ops, s.Points) {
			o, err := s.probe(ctx, probe{script: script{fault: f, at: k}, check: CleansUp})
			if err != nil {
				return err
			}
			for name := range s.actions(o) {
				s.claimed(o, "action", name)
			}
			for name := range o.load.Counters {
				s.claimed(o, "counter", name)
			}
		}
	}
	return nil
}

// tryOwns lets something go wrong in the cleanup.
func (s *suite) tryOwns(ctx context.Context) error {
	for _, f := range []fault{faultReset, faultLost, faultStatus, faultGone} {
		n := s.Points
		if f == faultGone {
			n = min(n, 2) // it takes as long as the cleanup is patient
		}
		for _, k := range points(s.clean.later, n) {
			if _, err := s.probe(ctx, probe{script: script{fault: f, at: k, late: true}, check: Owns}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryUnbegun cleans up after a runner that was made and nothing else.
func (s *suite) tryUnbegun(ctx context.Context) error {
	env := newEnv(harness.NewRunID(), script{})
	defer env.close()
	make, err := s.New(env)
	if err != nil {
		return fmt.Errorf("the subject's New failed: %w", err)
	}
	r, err := make(0)
	if err != nil {
		return fmt.Errorf("no runner was made: %w", err)
	}
	inner, ok := r.(harness.Cleaner)
	if !ok {
		return nil
	}
	env.enter(inCleanup)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leftTimeout)
	defer cancel()
	o := &outcome{probe: &probe{at: "Cleanup was called of a runner that was made and did nothing"}, env: env}
	pprof.Do(ctx, pprof.Labels(userLabel, env.runID+"/"+scenarioName+"/0"), func(ctx context.Context) {
		defer func() {
			if v := recover(); v != nil {
				s.find(o, Unbegun, fmt.Sprintf("it panicked: %v", v), wantCleanup)
			}
		}()
		if err := inner.Cleanup(ctx); err != nil {
			s.find(o, Unbegun, fmt.Sprintf("it failed: %v", err), wantCleanup)
		}
	})
	if left := env.leftBehind(ctx); left != nil {
		s.find(o, Unbegun, fmt.Sprintf("this was left: %v", left), wantCleanup)
	}
	env.finish()
	s.judgeLeaks(o)
	return nil
}
