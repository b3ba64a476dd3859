package scaletest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// reserve is what a run needs beyond its load before the test's deadline: to
// get ready, to end gracefully, to clean up and to write results.
const reserve = 45 * time.Second

// safeUsers is how many users may load a host that is not this machine without
// CODER_SCALETEST_YES.
const safeUsers = 1000

// Run runs scenarios side by side against the target that the test connected
// to, prints a heartbeat line each second and a summary, and fails the test
// unless the verdict is pass. It writes result.json into the test's artefact
// folder (result-2.json for a second run, and so on), beside it report.html and
// stream.ndjson, which holds the numbers while the run goes on, and whatever else
// CODER_SCALETEST_OUTPUTS asks for. It returns the result in any case but a plan
// that is refused.
//
// Thresholds in CODER_SCALETEST_THRESHOLDS replace those of the scenario they
// name. A plan that can't end before the test's deadline is refused at once.
func Run(tb TB, scenarios ...harness.Scenario) *harness.Result {
	tb.Helper()
	return RunPlan(tb, harness.Plan{Name: tb.Name(), Scenarios: scenarios})
}

// RunPlan is [Run] with a plan of one's own. What the environment says wins
// over the plan's timeouts, seed and failures.
func RunPlan(tb TB, plan harness.Plan) *harness.Result {
	tb.Helper()
	c := &console{out: output(tb)}
	res := runPlan(tb, plan, c)
	if res != nil && res.Verdict != harness.Pass {
		tb.Errorf("%s", failureLine(res))
	}
	return res
}

// failureLine is the first line of a test that failed.
func failureLine(res *harness.Result) string {
	if len(res.Reasons) == 0 {
		return string(res.Verdict)
	}
	return fmt.Sprintf("%s: %s", res.Verdict, res.Reasons[0])
}

// runPlan returns nil if the plan is refused.
func runPlan(tb TB, plan harness.Plan, c *console) *harness.Result {
	tb.Helper()
	target := targetOf(tb)
	if target == nil {
		tb.Fatalf("there is no target: call scaletest.Connect first, or use package harness for other systems")
		return nil
	}
	plan, err := target.prepare(tb, plan)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	if target.cfg.DryRun {
		(&console{out: output(tb)}).plan(plan, target)
		tb.Skipf("CODER_SCALETEST_DRY_RUN is set: nothing was run")
		return nil
	}
	if err := checkOutputs(target.cfg.Outputs); err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	c.plan(plan, target)
	if !c.quiet { // a benchmark has many runs
		target.beginTogether(tb, &plan, c)
	}
	plan.OnSnapshot = chain(plan.OnSnapshot, c.snapshot)
	plan.OnPhase = chain(plan.OnPhase, c.phase)

	dir, err := artifacts(tb, target.cfg, c.quiet)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	stream, err := openStream(dir, c.quiet)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	if stream != nil {
		plan.Stream = stream.File
	}
	sent, err := target.send(plan.Name, stream)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	heard := hear() // before the start, so that no interrupt is lost
	defer heard.release()
	res, err := target.carryOut(tb.Context(), tb, plan, c, heard, func(run *harness.Run) { heard.obey(run, c) }, func(res *harness.Result) {
		name := "result.json"
		if c.quiet { // a benchmark has many runs
			name = "result-" + res.RunID + ".json"
		}
		files, err := write(res, dir, name, !c.quiet, target.cfg.Outputs)
		if err != nil {
			tb.Errorf("%v", err)
		}
		if err := c.annotate(res, target.cfg); err != nil {
			tb.Errorf("%v", err)
		}
		if !c.quiet {
			if err := c.print(res, files, target.cfg.Outputs); err != nil {
				tb.Errorf("%v", err)
			}
		}
	})
	if cerr := stream.close(err == nil); cerr != nil {
		tb.Errorf("%v", cerr)
	}
	if err != nil {
		sent.drop()
		_ = os.Remove(dir) // it is empty, or stays
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	if err := sent.end(); err != nil && loaded(res) { // or it has been said why not
		tb.Errorf("%s; they are in %s: 'scaletest merge' makes one result of those of all shards", oneLine(err), dir)
	}
	return res
}

// loaded reports whether the load began.
func loaded(res *harness.Result) bool {
	return slices.ContainsFunc(res.Phases, func(p harness.PhaseMark) bool { return p.Name == "load" })
}

// carryOut runs a plan that is prepared: begun is called when it has begun, and
// keep with the result, before the last numbers are waited for. Nothing has
// happened when it returns an error.
func (t *Target) carryOut(ctx context.Context, tb TB, plan harness.Plan, c *console, heard *interrupts, begun func(*harness.Run), keep func(*harness.Result)) (*harness.Result, error) {
	tb.Helper()
	flush, err := t.trace(tb, &plan, c)
	if err != nil {
		return nil, err
	}
	defer flush()
	metrics, err := t.serveMetrics(&plan, c)
	if err != nil {
		return nil, err
	}
	defer metrics.close()
	plan.OnPhase = chain(plan.OnPhase, func(phase string) { // of result and stream
		if phase == "done" {
			t.describeAfter(plan.Target)
		}
	})
	page, err := t.serveLive(&plan, c)
	if err != nil {
		return nil, err
	}
	defer page.close()
	end, err := t.watchServer(&plan, c)
	if err != nil {
		return nil, err
	}
	defer end()
	run, err := harness.Start(ctx, plan)
	if err != nil {
		return nil, err
	}
	page.began(run)
	begun(run)
	res := run.Wait()
	keep(res)
	until, _ := deadlineOf(tb)
	if !until.IsZero() {
		until = until.Add(-reserve / 5) // for what the test itself has to clean up
	}
	if err := metrics.finish(ctx, res, until, heard.first, c); err != nil {
		tb.Errorf("%v", err)
	}
	return res, nil
}

// describeAfter says what only a run shows of the target.
func (t *Target) describeAfter(about map[string]string) {
	if way := t.describeTailnet(); way != "" {
		about["tailnet"] = way
	}
	if agents := t.describeSimulated(); agents != "" {
		about["simulated_agents"] = agents
	}
}

// prepare fills in what the environment says, and refuses what can't be done.
func (t *Target) prepare(tb TB, plan harness.Plan) (harness.Plan, error) {
	cfg := t.cfg
	plan.Target, plan.Configuration = t.info(), cfg.set
	if cfg.Seed != 0 {
		plan.Seed = cfg.Seed
	}
	if cfg.given("MAX_FAILURES") {
		plan.MaxFailures = cfg.MaxFailures
	}
	if cfg.given("JOB_TIMEOUT") {
		plan.JobTimeout = cfg.JobTimeout
	}
	if plan.CleanupTimeout == 0 || cfg.given("CLEANUP_TIMEOUT") {
		plan.CleanupTimeout = or(cfg.CleanupTimeout, noLimit)
	}
	if plan.CleanupJobTimeout == 0 || cfg.given("CLEANUP_JOB_TIMEOUT") {
		plan.CleanupJobTimeout = or(cfg.CleanupJobTimeout, noLimit)
	}
	t.cut(&plan)
	plan.Scenarios = slices.Clone(plan.Scenarios)
	for _, name := range replaceThresholds(plan.Scenarios, cfg.Thresholds) {
		tb.Logf("CODER_SCALETEST_THRESHOLDS also names scenario %q, which this test does not have: it has %s", name, scenarioNames(plan.Scenarios))
	}
	if err := plan.Validate(); err != nil {
		return plan, err
	}
	if err := knownMetrics(plan.Scenarios); err != nil {
		return plan, err
	}
	if err := cfg.limit(&plan); err != nil {
		return plan, err
	}
	if err := fits(tb, &plan); err != nil {
		return plan, err
	}
	return plan, t.safe(plan)
}

// knownMetrics refuses thresholds about what nothing in this program records,
// which would be found only at the end of the load.
func knownMetrics(scenarios []harness.Scenario) error {
	var errs []error
	metrics := harness.Metrics()
	for _, s := range scenarios {
		for _, t := range s.Thresholds {
			if !slices.Contains(metrics, t.Metric) {
				near, _ := nearest(t.Metric, metrics)
				errs = append(errs, fmt.Errorf("scenario %q: threshold %v: nothing records %s, the nearest is %s", s.Name, t, t.Metric, near))
			}
		}
	}
	return errors.Join(errs...)
}

// noLimit stands for none where the harness takes 0 for its default.
const noLimit = 365 * 24 * time.Hour

// given reports whether a variable is set, named without its prefix.
func (c Config) given(name string) bool {
	_, ok := c.set[prefix+name]
	return ok
}

// limit sets the plan's timeout, and refuses a plan that is longer.
func (c Config) limit(plan *harness.Plan) error {
	length := plan.Length()
	switch {
	case c.limitsPlans && length > c.Timeout:
		return fmt.Errorf("the plan takes %v, but CODER_SCALETEST_TIMEOUT is %v: want a longer timeout, or a shorter plan", length, c.Timeout)
	case c.limitsPlans:
		plan.Timeout = c.Timeout
	case plan.Timeout == 0 && c.Timeout > 0:
		plan.Timeout = max(c.Timeout, length+reserve)
	}
	return nil
}

// fits holds the plan against the test's deadline.
func fits(tb TB, plan *harness.Plan) error {
	deadline, ok := deadlineOf(tb)
	if !ok {
		return nil
	}
	left := time.Until(deadline)
	need := plan.Length() + reserve
	if need > left {
		return fmt.Errorf("the plan takes %v and as much as %v to get ready and clean up, but go test ends this test in %v: run it with -timeout 0, or shorter",
			plan.Length(), reserve, left.Round(time.Second))
	}
	// Half of the reserve is for what comes after the load.
	plan.Timeout = min(or(plan.Timeout, noLimit), left-reserve/2)
	plan.CleanupTimeout = min(plan.CleanupTimeout, max(left-plan.Length()-reserve/3, time.Second))
	return nil
}

// safe refuses a crowd that its host's operator may not expect.
func (t *Target) safe(plan harness.Plan) error {
	users := 0
	for _, s := range plan.Scenarios {
		users += s.Schedule.Users()
	}
	if users <= safeUsers || t.Confirmed() {
		return nil
	}
	host := t.host()
	return fmt.Errorf("%d users on %s are more than the %d that need no confirmation: set CODER_SCALETEST_YES=%s if its operators know", users, host, safeUsers, host)
}

// replaceThresholds puts the environment's thresholds in place of the code's:
// those that name no scenario go to all of them. It returns the names of
// scenarios that this test does not have; another test of the run may.
func replaceThresholds(scenarios []harness.Scenario, thresholds map[string][]harness.Threshold) (others []string) {
	for i := range scenarios {
		list := slices.Concat(thresholds[""], thresholds[scenarios[i].Name])
		if len(list) > 0 {
			scenarios[i].Thresholds = list
		}
	}
	for name := range thresholds {
		if name != "" && !slices.ContainsFunc(scenarios, func(s harness.Scenario) bool { return s.Name == name }) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return others
}

func scenarioNames(scenarios []harness.Scenario) string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// chain calls both.
func chain[T any](first, second func(T)) func(T) {
	if first == nil {
		return second
	}
	return func(v T) {
		first(v)
		second(v)
	}
}

// or is v, unless that is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
