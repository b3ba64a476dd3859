package harnesstest

import (
	"context"
	"fmt"
	"time"
)

// tryStops stops the run at many operations, after some times, and before Setup
// and Run begin.
func (s *suite) tryStops(ctx context.Context) error {
	for _, k := range points(s.clean.ops, s.Points) {
		if _, err := s.probe(ctx, probe{script: script{at: k, stop: true, mute: !s.clean.ops[k-1].answered}, check: Stops}); err != nil {
			return err
		}
	}
	for i := range stopTimes {
		after := s.clean.took * time.Duration(i+1) / (stopTimes + 1)
		if after <= 0 {
			break // it takes no time, so there is no time to stop it at
		}
		at := fmt.Sprintf("the run was stopped after %d%% of the time that it takes", 100*(i+1)/(stopTimes+1))
		if _, err := s.probe(ctx, probe{after: after, check: Stops, at: at}); err != nil {
			return err
		}
	}
	for _, p := range []phase{inSetup, inRun} {
		o, err := s.probe(ctx, probe{done: true, before: p, check: Stops, at: fmt.Sprintf("the context was done before %v was called", p)})
		if err != nil {
			return err
		}
		s.judgeCut(o, p)
	}
	return nil
}

// stopTimes are how many times a run is stopped at.
const stopTimes = 3

// trySilence stops the run while the other side does not answer.
func (s *suite) trySilence(ctx context.Context) error {
	for _, k := range points(s.clean.ops, s.Points) {
		o, err := s.probe(ctx, probe{script: script{fault: faultSilence, at: k, stop: true}, check: Silence})
		if err != nil {
			return err
		}
		if o.fired != nil && s.clean.ops[k-1].answered { // else it is a goodbye
			s.judgeCut(o, o.fired.phase)
		}
	}
	return nil
}

// judgeCut looks at a call whose work can't be done: of it, nil would count as a
// success. One that stays until the load ends may return nil, because a stop ends
// the load, too.
func (s *suite) judgeCut(o *outcome, p phase) {
	if p != inRun || s.Hold > 0 || o.stuck() != "" {
		return
	}
	for _, r := range o.returned {
		if r.phase == p && r.cut && r.err == nil {
			s.find(o, o.check, fmt.Sprintf("%v returned nil", p), wantCutShort)
		}
	}
}
