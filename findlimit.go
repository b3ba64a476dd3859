package scaletest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
)

// FindLimit searches for the highest load that the deployment holds: see
// [harness.Search].
//
//	limit := scaletest.FindLimit(t, harness.Search{
//		Of: "arrivals/s", From: 10, To: 2000,
//		Plan: func(load float64) (harness.Plan, error) {
//			scenario := listing(target)
//			scenario.Schedule = harness.ConstantArrivals(load, time.Minute, 1000)
//			return harness.Plan{Scenarios: []harness.Scenario{scenario}}, nil
//		},
//	})
//	if limit.Holds < 500 {
//		t.Errorf("want 500 at least: %v", limit)
//	}
//
// What the environment says goes for each probe as for [RunPlan], thresholds
// included; the number of users that needs no confirmation is that of the highest
// load. It prints how each probe came out, and the limit with its evidence, and
// writes limit.json and probe-1.json and so on into the test's artefact folder.
// Outputs with a path get all probes, but for junit, where a load that breaks
// would be a failure.
//
// The search ends, with what is known, in time for the test's deadline. It fails
// the test when it can't be carried out, and when it is interrupted, but not by
// what it finds. It returns nil only for a search that is refused. Its Run must
// be nil.
func FindLimit(tb TB, search harness.Search) *harness.Limit {
	tb.Helper()
	target := targetOf(tb)
	if target == nil {
		tb.Fatalf("there is no target: call scaletest.Connect first, or use package harness for other systems")
		return nil
	}
	if err := target.unsharded("a search"); err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	p := &probing{Target: target, tb: tb, console: &console{out: output(tb)}}
	low, high, err := p.ends(search)
	if err == nil {
		err = checkOutputs(target.cfg.Outputs)
	}
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	p.announce(search, low, high)
	if target.cfg.DryRun {
		tb.Skipf("CODER_SCALETEST_DRY_RUN is set: nothing was run")
		return nil
	}
	if p.dir, err = artifacts(tb, target.cfg, false); err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	p.bound(&search.Budget)

	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	p.cancel, p.heard = cancel, hear()
	defer p.heard.release()
	p.heard.obey(p, p.console)
	limit, err := harness.FindLimit(ctx, p.wrapped(search))
	if limit == nil {
		_ = os.Remove(p.dir) // it is empty, or stays
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	path := unused(filepath.Join(p.dir, "limit.json"))
	if werr := limit.WriteFile(path); werr != nil {
		tb.Errorf("%v", werr)
	}
	p.printf("\n%s%-12s%s\n%-12s%s\n\n", limit.Text(), "result", path, "probes", filepath.Join(p.dir, "probe-*.json"))
	switch {
	case err != nil:
		tb.Errorf("%s", oneLine(err))
	case limit.Stopped == harness.StopInterrupted:
		tb.Errorf("interrupted: %s", limit.Reason)
	}
	return limit
}

// probing is a search of a test.
type probing struct {
	*Target
	*console
	tb    TB
	dir   string
	heard *interrupts
	load  string // of the next probe
	probe int    // its number

	cancel  context.CancelFunc
	mu      sync.Mutex
	now     *harness.Run // nil between probes
	aborted bool
}

// ends are the plans of the lowest and the highest load as they will be run. What
// is wrong with them is wrong with the search.
func (p *probing) ends(search harness.Search) (low, high harness.Plan, err error) {
	if err := search.Validate(); err != nil {
		return low, high, err
	}
	if search.Run != nil {
		return low, high, errors.New("search: Run is set, but scaletest.FindLimit runs the probes as the environment says: leave it nil, or use harness.FindLimit")
	}
	from, to := search.Range()
	for _, end := range []struct {
		load float64
		plan *harness.Plan
	}{{from, &low}, {to, &high}} {
		if *end.plan, err = search.Plan(end.load); err == nil {
			*end.plan, err = p.prepare(p.tb, *end.plan)
		}
		if err != nil {
			return low, high, fmt.Errorf("search: the plan of %s: %w", search.Amount(end.load), err)
		}
	}
	return low, high, nil
}

func (p *probing) announce(search harness.Search, low, high harness.Plan) {
	from, to := search.Range()
	p.printf("search      for the highest load that holds, from %s to %s\n", search.Amount(from), search.Amount(to))
	p.plan(low, p.Target)
	p.say("up to")
	p.scenariosOf(high)
	if length := max(low.Length(), high.Length()); length > 0 {
		probes, takes := search.Estimate(length)
		p.printf("takes       about %d probes, and %v\n", probes, max(takes.Round(time.Second), time.Second))
	}
	if slices.ContainsFunc(p.cfg.Outputs, isJUnit) {
		p.say("outputs     no junit: a load that breaks is not a test that fails")
	}
}

func isJUnit(o Output) bool { return o.Format == "junit" }

// wrapped is the search with what happens around its probes.
func (p *probing) wrapped(search harness.Search) harness.Search {
	plan, amount := search.Plan, search.Amount
	search.Plan = func(load float64) (harness.Plan, error) {
		p.load = amount(load)
		made, err := plan(load)
		made.Name = or(made.Name, p.tb.Name())
		return made, err
	}
	search.Run = p.run
	search.OnProbe = p.then(search.OnProbe)
	next := search.OnWait
	search.OnWait = func(wait time.Duration, from float64) {
		text := fmt.Sprintf("resting for %v", wait)
		if from > 0 {
			text = fmt.Sprintf("waiting for %v, then seeing whether it has recovered from %s", wait, amount(from))
		}
		p.say(text)
		if next != nil {
			next(wait, from)
		}
	}
	return search
}

// bound ends the search before go test ends it.
func (p *probing) bound(b *harness.Budget) {
	deadline, ok := deadlineOf(p.tb)
	if !ok {
		return
	}
	left := time.Until(deadline) - reserve - time.Second // what fits a probe fits the budget
	if b.Time == 0 || left < b.Time {
		b.Time = max(left, time.Nanosecond)
		p.printf("budget      %v, because go test ends this test then: -timeout 0 gives it more\n", b.Time.Round(time.Second))
	}
}

// run runs the plan of a probe.
func (p *probing) run(ctx context.Context, plan harness.Plan) (*harness.Result, error) {
	plan, err := p.prepare(p.tb, plan)
	if err != nil {
		return nil, err
	}
	plan.OnSnapshot = chain(plan.OnSnapshot, p.snapshot)
	p.probe++
	p.printf("probe %-5d %s\n", p.probe, p.load)
	defer p.set(nil)
	return p.carryOut(ctx, p.tb, plan, p.console, p.heard, p.set, func(res *harness.Result) {
		outputs := slices.DeleteFunc(slices.Clone(p.cfg.Outputs), isJUnit)
		if _, err := write(res, p.dir, fmt.Sprintf("probe-%d.json", p.probe), false, outputs); err != nil {
			p.tb.Errorf("%v", err)
		}
	})
}

// then prints how a probe came out before the caller hears of it.
func (p *probing) then(next func(harness.Probe, *harness.Result)) func(harness.Probe, *harness.Result) {
	return func(probe harness.Probe, res *harness.Result) {
		text := string(probe.Outcome)
		if probe.Outcome == harness.Uncounted {
			text = string(probe.Verdict)
		}
		if probe.Check {
			text += ", a check of the recovery"
		}
		text += fmt.Sprintf(", in %s", time.Duration(probe.Seconds*float64(time.Second)).Round(10*time.Millisecond))
		if len(probe.Reasons) > 0 {
			text += ": " + probe.Reasons[0]
		}
		var b strings.Builder
		facts.Write(&b, 12, "", text)
		p.printf("%s", b.String())
		if next != nil {
			next(probe, res)
		}
	}
}

func (p *probing) set(run *harness.Run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = run
	if run != nil && p.aborted {
		run.Abort()
	}
}

// Stop ends the search gracefully, and the run that is under way.
func (p *probing) Stop() { p.cancel() }

// Abort also skips the cleanup of that run.
func (p *probing) Abort() {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aborted = true
	if p.now != nil {
		p.now.Abort()
	}
}
