//go:build !scaletest

package scaletest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
)

// simulating is a small scenario of simulated agents.
func simulating(tb *fakeTB, target *scaletest.Target, o scaletest.AgentsOptions) *harness.Result {
	cfg := target.SimulatedAgents(tb, o)
	return scaletest.Run(tb, harness.Scenario{
		Name: "agents", Runner: cfg.Runner(), Schedule: harness.AllAtOnce(cfg.Agents).Hold(300 * time.Millisecond),
		Thresholds: []harness.Threshold{
			harness.Rate("errors").AtMost(0), harness.Count("agents_lost").AtMost(0), harness.Count("agent_calls_failed").AtMost(0),
		},
	})
}

func TestSimulatedAgentsOfAPoolAreALoadAndTheResultSaysWhatTheyReported(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"COUNT=5")...)
	var builds int64
	for range 2 {
		tb := attempt(t, nil, func(tb *fakeTB) {
			target := scaletest.Connect(tb)
			res := simulating(tb, target, scaletest.AgentsOptions{Count: 50, Metadata: agentfleet.Metadata{Interval: 50 * time.Millisecond}})
			s := res.Scenarios[0]
			assert.EqualValues(t, 5, s.Actions["agent_ready"].Count, "the environment says how many")
			assert.GreaterOrEqual(t, s.Counters["agent_calls"], int64(5*6), "manifest, version, starting, logs, ready, statistics")
			assert.Regexp(t, "^played 5 agents of workspaces: [0-9]+ calls, 0 failed, .* 0 connections lost.*reports: statistics [1-9][0-9]*, metadata [1-9][0-9]*, health of apps [0-9]+, logs 5$", res.Target["simulated_agents"])
			assert.Zero(t, d.Stats().AgentsConnected, "the cleanup of the run closes the connections")
		})
		require.Empty(t, said(tb))
		if builds == 0 {
			builds = d.Stats().Builds
			require.Positive(t, builds)
		}
		require.Equal(t, builds, d.Stats().Builds, "the pool is used again")
	}
}

func TestAPoolNeedsSomebodyWhoMayMakeItsTemplate(t *testing.T) {
	d := deploy(t, codertest.Config{})
	environment(t, live(d.URL(), d.member(t))...)
	tb := attempt(t, nil, func(tb *fakeTB) { scaletest.Connect(tb).SimulatedAgents(tb, scaletest.AgentsOptions{Count: 5}) })
	require.Contains(t, said(tb), "simulate 5 agents: ")
	require.Contains(t, said(tb), "the token is of alice: use that of an owner or a template admin")
	w, _ := there(t, d.Server)
	require.Zero(t, w)
	// Once it is there, anybody may.
	environment(t, live(d.URL(), d.OwnerToken())...)
	tb = attempt(t, nil, func(tb *fakeTB) { scaletest.Connect(tb).SimulatedAgents(tb, scaletest.AgentsOptions{Count: 1}) })
	require.Empty(t, said(tb))
	environment(t, live(d.URL(), d.token(t, "alice"))...)
	tb = attempt(t, nil, func(tb *fakeTB) { simulating(tb, scaletest.Connect(tb), scaletest.AgentsOptions{Count: 2}) })
	require.Empty(t, said(tb))
}

func TestADryRunMakesNoPool(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"DRY_RUN=true")...)
	tb := attempt(t, nil, func(tb *fakeTB) { simulating(tb, scaletest.Connect(tb), scaletest.AgentsOptions{Count: 5}) })
	require.Empty(t, said(tb))
	require.NotEmpty(t, tb.skipped)
	require.Contains(t, tb.output.String(), "agents      5 users at once")
	require.Zero(t, d.Stats().Builds)
}

func TestSimulatedAgentsThatCannotBeAreRefusedAtOnce(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, live(d.URL(), d.OwnerToken())...)
	for want, o := range map[string]scaletest.AgentsOptions{
		"simulate 5 agents: 3 of them can't serve, want none (0) or all (-1)": {Count: 5, Serve: 3},
		"simulate -1 agents: the number of agents is -1, want 1 or more":      {Count: -1},
	} {
		tb := attempt(t, nil, func(tb *fakeTB) { scaletest.Connect(tb).SimulatedAgents(tb, o) })
		require.Contains(t, said(tb), want)
	}
	require.Zero(t, d.Stats().Builds)
}
