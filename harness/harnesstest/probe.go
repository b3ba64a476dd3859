package harnesstest

import (
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// probe is a small load that is looked at closely.
type probe struct {
	script script
	users  int           // 0 is one
	after  time.Duration // the run is stopped so long behind the beginning of its load; 0 is not
	before phase         // with beforehand: what is called with a context that is done
	done   bool          // whether there is such a call
	clean  bool          // nothing goes wrong
	check  Check         // that it is made for
	at     string        // what goes wrong, for findings
}

// outcome is what came of a probe.
type outcome struct {
	*probe
	result *harness.Result
	load   *harness.ScenarioResult
	env    *Env
	took   time.Duration // from the setup to the end of the load

	fired      *operation  // where something went wrong; nil when it did not come to that
	ops, later []operation // of the load, and of the cleanup

	seen // when the run had ended
	mu   sync.Mutex
	live seen // guarded by mu: a call that is stuck may still return
}

// seen is what came of the calls of a load's runners.
type seen struct {
	began    time.Time
	ended    time.Time
	returned []returned
	panics   []string
	cleanups []error
	rec      *harness.Recorder // of the last Run that returned
	recorded map[string]int64  // when it did
}

// returned is an end of a Setup or Run.
type returned struct {
	phase phase
	err   error
	cut   bool // the context was done
}

// scenarioName is that of a probe's scenario.
const scenarioName = "subject"

// userLabel is the label that the harness gives to the goroutines of a user, and
// that those which they start inherit.
const userLabel = "harness_user"

// probe makes a load and looks at what is always to be looked at. It returns nil
// when the load could not begin.
func (s *suite) probe(ctx context.Context, p probe) (*outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	p.users = max(p.users, 1)
	runID := harness.NewRunID()
	o := &outcome{probe: &p, env: newEnv(runID, p.script)}
	defer o.env.close()
	runner, err := s.New(o.env)
	if err != nil {
		return nil, fmt.Errorf("the subject's New failed: %w", err)
	}
	// What is started when runners are made is theirs, too.
	labels := pprof.Labels(userLabel, runID+"/"+scenarioName+"/made")
	plan := harness.Plan{
		RunID: runID, Seed: s.Seed, Grace: s.Soon, MaxLag: time.Hour, GracefulStop: s.Soon, Timeout: s.patience(p),
		CleanupJobTimeout: max(10*s.Soon, time.Minute), CleanupTimeout: max(20*s.Soon, 2*time.Minute),
		Scenarios: []harness.Scenario{{
			Name: scenarioName, Schedule: s.schedule(p.users),
			Runner: func(user int) (r harness.Runner, err error) {
				pprof.Do(ctx, labels, func(context.Context) {
					var inner harness.Runner
					if inner, err = runner(user); err == nil && inner == nil {
						err = fmt.Errorf("user %d: there is no runner and no error", user)
					}
					r = &subjectRunner{inner: inner, outcome: o}
				})
				return r, err
			},
		}},
	}
	if p.script.late {
		plan.CleanupJobTimeout = s.patience(p) // it may go on trying for as long as it is let
	}
	if p.stops() {
		plan.GracefulStop = 1 // a stop cancels at once
	}
	run, err := harness.Start(context.WithoutCancel(ctx), plan)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, run.Stop)()
	o.env.began(run.Stop)
	if p.after > 0 {
		timer := time.AfterFunc(p.after, run.Stop)
		defer timer.Stop()
	}
	o.result = run.Wait()
	o.load = &o.result.Scenarios[0]
	o.env.heal()
	o.mu.Lock()
	o.seen = o.live
	o.mu.Unlock()
	o.fired, o.ops, o.later = o.env.history()
	o.took = o.ended.Sub(o.began)
	s.judge(ctx, o)
	return o, nil
}

func (s *suite) schedule(users int) harness.Schedule {
	if s.Hold > 0 {
		return harness.AllAtOnce(users).Hold(s.Hold)
	}
	return harness.AllAtOnce(users)
}

// cleanTimeout bounds a load in which nothing goes wrong.
const cleanTimeout = time.Minute

// patience is how long a load may take.
func (s *suite) patience(p probe) time.Duration {
	switch {
	case p.clean:
		return s.Hold + max(s.Patience, cleanTimeout)
	case s.Patience > 0:
		return s.Hold + s.Patience
	}
	return s.Hold + max(4*s.clean.took, leastPatience)
}

// stops reports whether the run is stopped in the middle.
func (p probe) stops() bool { return p.script.stop || p.after > 0 || p.done }

// judge looks at what must be true whatever went wrong.
func (s *suite) judge(ctx context.Context, o *outcome) {
	for _, p := range o.panics {
		s.find(o, Panics, p, wantNoPanic)
	}
	if stuck := o.stuck(); stuck != "" {
		check, want := Stops, wantAtOnce
		if o.check == Silence {
			check = Silence
		}
		s.find(o, check, fmt.Sprintf("%s, had not returned %v after its context was done", stuck, s.Soon), want)
		return // what it still holds is no other finding
	}
	s.judgeCleanup(ctx, o)
	o.env.finish()
	s.judgeLeaks(o)
	s.judgeLate(o)
}

// stuck says which call ignored its context, if any.
func (o *outcome) stuck() string {
	for _, f := range append(append([]harness.Failure(nil), o.load.Failures...), o.result.Cleanup.Failures...) {
		if strings.HasPrefix(f.Error, "stuck:") {
			at := whereOf(f.Stack)
			switch f.Phase {
			case "setup":
				return "Setup" + at
			case "cleanup":
				return "Cleanup" + at
			}
			return "Run" + at
		}
	}
	return ""
}

// place is what went wrong, within a sentence.
func (o *outcome) place() string {
	if o.fired == nil {
		return o.at
	}
	if o.script.stop {
		if o.script.fault == faultSilence {
			return fmt.Sprintf("the run was stopped while the other side did not answer to %v", o.fired)
		}
		return fmt.Sprintf("the run was stopped at %v", o.fired)
	}
	return fmt.Sprintf("%v %v", o.script.fault, o.fired)
}
