package scaletest

import (
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// creationJobTimeout is how long one creation may take when the environment
// does not say, as in Coder's utility.
const creationJobTimeout = 5 * time.Minute

// Template is CODER_SCALETEST_TEMPLATE, by name or ID, or the only one that the
// deployment has. It fails the test if there is no such template, or if it is
// not clear which one is meant.
func (t *Target) Template(tb TB) coder.Template {
	tb.Helper()
	if t.cfg.Template != "" {
		tpl, err := t.findTemplate(tb.Context(), t.cfg.Template)
		if err != nil {
			tb.Fatalf("%s", oneLine(err))
		}
		return tpl
	}
	all, err := t.client.Templates(tb.Context())
	switch {
	case err != nil:
		tb.Fatalf("%s", oneLine(err))
	case len(all) == 0:
		tb.Fatalf("%s has no template that this token can see: push one first", t.Describe())
	case len(all) > 1:
		names := make([]string, len(all))
		for i, tpl := range all {
			names[i] = tpl.Name
		}
		tb.Fatalf("CODER_SCALETEST_TEMPLATE is not set, want the template to create from: %s has %s", t.Describe(), orNone(names))
	default:
		return all[0]
	}
	return coder.Template{}
}

// CreateUsers is what the environment says of users to create, with the
// target's client and ledger.
func (t *Target) CreateUsers(tb TB) runners.CreateUsersConfig {
	tb.Helper()
	return runners.CreateUsersConfig{
		Client:    t.client,
		NoCleanup: t.cfg.Create.NoCleanup,
		Ledger:    t.Ledger(tb),
	}
}

// CreateWorkspaces is what the environment says of workspaces to create, with
// the target's client and ledger. It fails the test if there is no template or
// if it does not take the parameters; nothing has been created then.
func (t *Target) CreateWorkspaces(tb TB) runners.CreateWorkspacesConfig {
	tb.Helper()
	o := t.cfg.Create
	cfg := runners.CreateWorkspacesConfig{
		Users:           t.CreateUsers(tb),
		HostLogin:       t.cfg.HostLogin,
		Template:        t.Template(tb),
		Parameters:      o.Parameters,
		Retries:         o.Retries,
		NoWaitForAgents: o.NoWaitForAgents,
		Command:         o.Command,
		After:           t.holdTunnel(),
		NoCleanup:       o.NoCleanup,
	}
	if err := cfg.Check(tb.Context()); err != nil {
		tb.Fatalf("%s", oneLine(err))
	}
	return cfg
}

// Creation is the plan of a scenario that creates things: n of them, or
// CODER_SCALETEST_COUNT, so many at a time as CODER_SCALETEST_CONCURRENCY says
// (1 on a live deployment), each within CODER_SCALETEST_JOB_TIMEOUT (5 minutes),
// all within CODER_SCALETEST_TIMEOUT (30 minutes).
func (t *Target) Creation(name string, n int, runner func(user int) (harness.Runner, error)) harness.Plan {
	n = or(t.cfg.Create.Count, n)
	atATime := 1
	if t.embedded != nil {
		atATime = 10
	}
	if c := t.cfg.Concurrency; c != nil {
		atATime = *c
	}
	schedule := harness.AllAtOnce(n)
	if atATime > 0 {
		schedule = harness.AtATime(n, atATime)
	}
	s := harness.Scenario{
		Name: name, Runner: runner, Schedule: schedule,
		CleanupAtATime: or(t.cfg.CleanupConcurrency, max(atATime, 0)),
	}
	plan := harness.Plan{
		Scenarios: []harness.Scenario{s}, MaxFailures: t.cfg.MaxFailures,
		JobTimeout: creationJobTimeout, Timeout: t.cfg.wholeRun,
	}
	plan.CleanupJobTimeout = or(t.cfg.CleanupJobTimeout, noLimit)
	return plan
}
