package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// searching is a search under way.
type searching struct {
	Search
	*decider
	limit *Limit

	overhead time.Duration // most that a run took beyond the length of its plan
	broken   int           // number of the probe that the deployment has to recover from, or 0
	invalid  int64         // rung whose last probe was invalid, or 0
	checked  time.Time     // when the last check of a recovery began

	recovering float64 // load that the deployment has to recover from, or 0
}

// halt ends a search. Nil is to go on.
type halt struct {
	stop   Stop
	reason string
	err    error
}

func halted(stop Stop, format string, args ...any) *halt {
	return &halt{stop: stop, reason: fmt.Sprintf(format, args...)}
}

func failed(err error) *halt { return &halt{stop: StopError, reason: oneLine(err), err: err} }

// FindLimit searches for the highest load that holds; see [Search]. It blocks
// until the search has ended and its last run is cleaned up. When ctx is done,
// the run that is under way is stopped as by [Run.Stop].
//
// To find no limit is not an error: [Limit.Stopped] says what came of it. An
// error is a search that makes no sense, of which there is no limit then, or a
// plan that can't be made or run, or a cleanup that failed, with what is known
// until then.
func FindLimit(ctx context.Context, search Search) (*Limit, error) {
	if err := search.Validate(); err != nil {
		return nil, err
	}
	s := search.withDefaults()
	name := ""
	for _, load := range []float64{s.To, s.From} { // before anything runs
		plan, err := s.plan(load)
		if err != nil {
			return nil, err
		}
		name = plan.Name
	}
	x := &searching{Search: s, decider: s.decider(), limit: &Limit{
		SchemaVersion: SchemaVersion, Name: name, Of: s.Of, From: s.From, To: s.To,
		StartedAt: time.Now(), Unclear: []float64{}, Probes: []Probe{},
	}}
	h := x.search(ctx)
	l, e := x.limit, x.edge()
	l.EndedAt = time.Now()
	l.Holds, l.Breaks, l.Confidence = s.load(e.holds), s.load(e.breaks), x.confidence(e)
	for _, rung := range e.unclear {
		l.Unclear = append(l.Unclear, s.load(rung))
	}
	l.Stopped, l.Reason, l.Target = h.stop, h.reason, orEmpty(l.Target)
	return l, h.err
}

// plan makes and checks the plan of a load.
func (s Search) plan(load float64) (Plan, error) {
	plan, err := s.Plan(load)
	if err == nil {
		err = plan.Validate()
	}
	if err == nil && plan.RunID != "" {
		err = fmt.Errorf("its RunID is %q, want none, because each probe is a run of its own", plan.RunID)
	}
	if err != nil {
		return plan, fmt.Errorf("search: the plan of %s: %w", s.Amount(load), err)
	}
	return plan, nil
}

func (x *searching) search(ctx context.Context) *halt {
	for {
		rung, more := x.next()
		if !more {
			return x.learned()
		}
		if h := x.probe(ctx, rung); h != nil {
			return h
		}
	}
}

// learned is the end of a search that has nothing more to learn.
func (x *searching) learned() *halt {
	switch e := x.edge(); {
	case len(e.unclear) > 0:
		return halted(StopUnclear, "the probes at %s do not agree, and more of them would not settle it", x.amounts(e.unclear))
	case e.breaks == 0:
		return halted(StopCeiling, "the highest load of the search holds")
	case e.holds == 0:
		return halted(StopFloor, "the lowest load of the search breaks")
	case e.breaks-e.holds == 1:
		return halted(StopFound, "the edge is one step wide")
	default:
		return halted(StopFound, "the edge is as narrow as was asked for")
	}
}

// probe tries a load, and notes what it says.
func (x *searching) probe(ctx context.Context, rung int64) *halt {
	rest := x.Rest
	if len(x.limit.Probes) == 0 {
		rest = 0
	}
	if x.broken != 0 {
		checked, h := x.recover(ctx)
		if h != nil {
			return h
		}
		if checked { // after a rest
			rest = 0
		}
		x.broken = 0
	}
	p, h := x.run(ctx, x.load(rung), rest, false)
	if h != nil {
		return h
	}
	switch p.Outcome {
	case Held, Broke:
		x.observe(rung, p.Outcome == Held)
		x.invalid = 0
		if p.Outcome == Broke {
			x.broken = p.Number
		}
	case Uncounted: // machines have hiccups, and so there is a second chance
		if x.invalid == rung {
			return halted(StopGenerator, "at %s the generator was the limit, twice: %s", x.Amount(p.Load), first(p.Reasons))
		}
		x.invalid = rung
	}
	return nil
}

// run waits, and runs the plan of a load. The outcome is uncounted only where
// the generator was too slow.
func (x *searching) run(ctx context.Context, load float64, rest time.Duration, check bool) (*Probe, *halt) {
	plan, err := x.plan(load)
	if err != nil {
		return nil, failed(err)
	}
	if h := x.afford(rest, plan.Length()+x.overhead, load); h != nil {
		return nil, h
	}
	if h := x.wait(ctx, rest); h != nil {
		return nil, h
	}
	began := time.Now()
	res, err := x.Run(ctx, plan)
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, interrupted(ctx)
	case err != nil:
		return nil, failed(fmt.Errorf("search: run %s: %w", x.Amount(load), err))
	}
	p := Probe{
		Number: len(x.limit.Probes) + 1, Load: load, Check: check, Outcome: x.outcome(res),
		RunID: res.RunID, Verdict: res.Verdict, Reasons: res.Reasons,
		StartedAt: res.StartedAt, Seconds: res.Seconds, Thresholds: []ProbeThreshold{},
	}
	for _, s := range res.Scenarios {
		for _, t := range s.Thresholds {
			p.Thresholds = append(p.Thresholds, ProbeThreshold{s.Name, t})
		}
	}
	x.limit.Probes = append(x.limit.Probes, p)
	if x.limit.Target == nil {
		x.limit.Target = res.Target
	}
	if x.OnProbe != nil {
		x.OnProbe(p, res)
	}
	x.overhead = max(x.overhead, time.Since(began)-plan.Length()) // with all that the caller does
	switch {
	case p.Outcome != Uncounted || p.Verdict == Invalid:
		return &p, nil
	case p.Verdict == Interrupted:
		return nil, halted(StopInterrupted, "the run of %s was interrupted", x.Amount(load))
	default:
		return nil, failed(fmt.Errorf("search: the run %s of %s ended in an error: %s", p.RunID, x.Amount(load), first(p.Reasons)))
	}
}

// outcome is what a result says about its load.
func (x *searching) outcome(res *Result) Outcome {
	switch res.Verdict {
	case Pass:
		return Held
	case Fail:
		return Broke
	case Invalid:
		// Where it was not this machine, the users were all busy, and a deployment
		// that is too slow keeps them so.
		if res.starved || !brokeAny(res) {
			return Uncounted
		}
		return Broke
	case Error:
		// Nobody got ready. That is too much of a load only where less was not.
		if !disruptionFailed(res) && res.Cleanup.Failed == 0 && res.Cleanup.Skipped == 0 && x.edge().holds != 0 {
			return Broke
		}
	}
	return Uncounted
}

func disruptionFailed(res *Result) bool {
	return slices.ContainsFunc(res.Disruptions, func(d DisruptionResult) bool { return d.Error != "" })
}

func brokeAny(res *Result) bool {
	for _, s := range res.Scenarios {
		for _, t := range s.Thresholds {
			if !t.Passed {
				return true
			}
		}
	}
	return false
}

// afford ends the search when the budget has no room for a wait and a run.
func (x *searching) afford(rest, run time.Duration, load float64) *halt {
	b := x.Budget
	if b.Probes > 0 && len(x.limit.Probes) >= b.Probes {
		return halted(StopBudget, "the budget of %s is spent", plural(int64(b.Probes), "run"))
	}
	if spent := time.Since(x.limit.StartedAt); b.Time > 0 && spent+rest+run > b.Time {
		return halted(StopBudget, "the budget of %v has no room for another run of %s, which takes %v: %v are spent",
			roundDuration(b.Time), x.Amount(load), roundDuration(rest+run), roundDuration(spent))
	}
	return nil
}

func (x *searching) wait(ctx context.Context, d time.Duration) *halt {
	if d > 0 && ctx.Err() == nil {
		if x.OnWait != nil {
			x.OnWait(d, x.recovering)
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	return nil
}

func interrupted(ctx context.Context) *halt {
	return halted(StopInterrupted, "the search was interrupted: %v", context.Cause(ctx))
}

func first(reasons []string) string {
	if len(reasons) == 0 {
		return "no reason was given"
	}
	return reasons[0]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// oneLine joins the lines of several errors.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
