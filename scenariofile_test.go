//go:build !scaletest

package scaletest_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/scenario"
	"github.com/coderscale/scaletest/traffic"
)

func TestTheExampleOfAScenarioFileDoesAllThatItSays(t *testing.T) {
	environment(t)
	var res *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Embedded{Workspaces: 3, Server: codertest.Config{Users: 5}}.Connect(tb)
		f, err := scenario.Read("scenario/examples/complete.yaml")
		require.NoError(t, err)
		for i := range f.Scenarios { // how fast this machine is decides nothing here
			f.Scenarios[i].Thresholds = slices.DeleteFunc(f.Scenarios[i].Thresholds, func(t string) bool { return strings.Contains(t, "p(99)") })
		}
		res = scaletest.RunFile(tb, f)
	})
	require.Empty(t, tb.fatal)
	require.NotNil(t, res)
	// A machine that is busy with other tests says so, and nothing else.
	require.Contains(t, []harness.Verdict{harness.Pass, harness.Invalid}, res.Verdict, res.Reasons)

	require.Len(t, res.Scenarios, 4)
	terminals, calls, recorded, commands := res.Scenarios[0], res.Scenarios[1], res.Scenarios[2], res.Scenarios[3]
	assert.Equal(t, "users: 0 to 3 over 500ms, then 3 for 2s, then 3 to 0 over 500ms, with 1s to finish, shuffled with seed 7", terminals.Schedule)
	assert.NotNil(t, terminals.WarmUp)
	assert.NotNil(t, terminals.CoolDown)
	assert.Positive(t, terminals.Actions["echo"].Count)
	assert.Equal(t, "arrivals at 20/s ± 15/s with a period of 1s for 3s on 20 users, dropped after waiting 2s", calls.Schedule)
	assert.Positive(t, calls.Actions["api_workspaces"].Count)
	assert.EqualValues(t, 6, recorded.Iterations.Started+recorded.Iterations.Dropped, "there is one for each recorded instant")
	assert.EqualValues(t, 9, commands.Actions["ssh_exec"].Count, "three by each of three users")
	require.Len(t, res.Disruptions, 1)
	assert.Equal(t, "nothing-much", res.Disruptions[0].Name)
	assert.Empty(t, res.Disruptions[0].Error)
	for _, s := range res.Scenarios {
		for _, th := range s.Thresholds {
			assert.True(t, th.Passed, th.Message)
		}
	}
}

// everySchedule has what the example leaves out. Builds have a workspace of their
// own, because they take it from whoever uses it.
const everySchedule = `
scenarios:
  - {name: constant, kind: ssh, ssh_mode: exec, targets: "1:3", duration: 400ms, virtual_users: 5, schedule: {kind: constant_arrivals, rate: 20}}
  - {name: ramping, kind: api, schedule: {kind: ramping_arrivals, stages: [{to: 50, over: 200ms}, {hold: 200ms}]}, calls: [{path: /api/v2/users/me}]}
  - {name: stepped, kind: api, schedule: {kind: stepped_arrivals, steps: [{rate: 20, for: 200ms}, {rate: 40, for: 200ms}]}, calls: [{path: /api/v2/users/me}]}
  - {name: spike, kind: api, duration: 400ms, schedule: {kind: spike_arrivals, rate: 10, peak: 100, length: 100ms, every: 200ms}, calls: [{path: /api/v2/users/me}]}
  - {name: poisson, kind: api, duration: 400ms, schedule: {kind: poisson_arrivals, rate: 50, seed: 3}, calls: [{path: /api/v2/users/me}]}
  - {name: callers, kind: api, duration: 400ms, virtual_users: 2, schedule: {kind: turns, stagger: 100ms}, calls: [{path: /healthz}]}
  - {name: shared, kind: build, build: start, targets: "0:1", schedule: {kind: shared_iterations, iterations: 2}}
  - {name: staggered, kind: app, targets: "1:3", duration: 400ms, schedule: {stagger: 100ms, shuffle: 3}}
`

func TestEveryScheduleOfAFileIsDoneByADeployment(t *testing.T) {
	environment(t)
	var res *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Embedded{Workspaces: 3, Server: codertest.Config{Users: 5, BuildTime: codertest.Fixed(5 * time.Millisecond)}}.Connect(tb)
		f, err := scenario.Parse([]byte(everySchedule))
		require.NoError(t, err)
		res = scaletest.RunFile(tb, f)
	})
	require.Empty(t, tb.fatal)
	require.NotNil(t, res)
	require.Contains(t, []harness.Verdict{harness.Pass, harness.Invalid}, res.Verdict, res.Reasons)
	started := map[string]int64{}
	for _, s := range res.Scenarios {
		it := s.Iterations
		require.Zero(t, it.Failed, "%s: %v", s.Name, s.Failures)
		started[s.Name] = it.Started + it.Dropped
	}
	require.Positive(t, started["callers"])
	require.Positive(t, started["staggered"])
	// The arithmetic of their shapes; the event at the end of a shape that ends by
	// itself is one.
	require.InDelta(t, 5+10, started["ramping"], 1)
	require.InDelta(t, 4+8, started["stepped"], 1)
	require.InDelta(t, 2*(1+10), started["spike"], 1)
	require.EqualValues(t, traffic.Count(traffic.Poisson{PerSecond: 50, Seed: 3}, 400*time.Millisecond), started["poisson"])
	require.EqualValues(t, 8, started["constant"])
	require.EqualValues(t, 2, started["shared"])
}

func TestACommandOfAFileThatFailsIsAnErrorAndIsTakenBack(t *testing.T) {
	environment(t)
	dir := t.TempDir()
	t.Setenv("UNDONE", filepath.Join(dir, "undone"))
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Embedded{Workspaces: 1}.Connect(tb)
		f, err := scenario.Parse([]byte(`
scenarios: [{kind: watch, duration: 300ms}]
disruptions: [{name: broken, for: 10s, command: echo no way; exit 3, undo_command: 'touch "$UNDONE"'}]`))
		require.NoError(t, err)
		res := scaletest.RunFile(tb, f)
		require.Equal(t, harness.Error, res.Verdict)
		require.Contains(t, res.Disruptions[0].Error, `it said "no way"`)
	})
	require.Contains(t, said(tb), "no way")
	require.FileExists(t, filepath.Join(dir, "undone"))
}

func TestWhatADryRunShowsOfAFileHasItsSchedulesAndDisruptions(t *testing.T) {
	environment(t, p+"DRY_RUN=true")
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Embedded{Workspaces: 4}.Connect(tb)
		f, err := scenario.Parse([]byte(`
scenarios: [{kind: terminal, schedule: {kind: ramping_users, stages: [{to: 50%, over: 1m}, {hold: 1m}]}}]
disruptions: [{name: lose, at: 1m, for: 5s, command: "false", undo_command: "false"}]`))
		require.NoError(t, err)
		scaletest.RunFile(tb, f)
	})
	require.Empty(t, said(tb))
	require.Contains(t, tb.output.String(), "terminal    users: 0 to 2 over 1m0s, then 2 for 1m0s")
	require.Contains(t, tb.output.String(), "disruption  lose after 1m0s, for 5s")
}
