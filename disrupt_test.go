//go:build !scaletest

package scaletest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// disturbed runs a plan against an embedded deployment. Its verdict is nobody's
// business here: a busy machine may make it invalid.
func disturbed(t *testing.T, e scaletest.Embedded, plan func(*scaletest.Target, []runners.Workspace) harness.Plan) (*harness.Result, *fakeTB) {
	t.Helper()
	var res *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := e.Connect(tb)
		res = scaletest.RunPlan(tb, plan(target, target.Workspaces(tb)))
	})
	require.NotNil(t, res, "%v", tb.fatal)
	require.NotEmpty(t, res.Disruptions)
	return res, tb
}

// keepTyping is a scenario of terminals.
func keepTyping(workspaces []runners.Workspace, length time.Duration, thresholds ...harness.Threshold) harness.Scenario {
	return harness.Scenario{
		Name: "terminals", Runner: runners.Terminal(workspaces, traffic.Constant(512, 50*time.Millisecond)),
		Schedule: harness.AllAtOnce(len(workspaces)).Hold(length), Thresholds: thresholds,
	}
}

func TestLosingOneOfFourReplicasDropsAQuarterOfTheTerminals(t *testing.T) {
	environment(t)
	res, _ := disturbed(t, scaletest.Embedded{Workspaces: 40, Server: codertest.Config{Replicas: 4}}, func(target *scaletest.Target, w []runners.Workspace) harness.Plan {
		return harness.Plan{
			Scenarios: []harness.Scenario{keepTyping(w, 6500*time.Millisecond)},
			Disruptions: []harness.Disruption{{
				Name: "lose-replica", At: time.Second, For: time.Second, Do: target.StopReplica(2), Undo: target.StartReplica(2),
			}},
		}
	})
	d := res.Disruptions[0]
	require.Empty(t, d.Error)
	s := d.Scenarios[0]
	during := s.During.Connections
	assert.Zero(t, s.Before.Connections.Lost)
	assert.InDelta(t, 0.25, during.LostShare, 0.051, "one of four, give or take what else has connected")
	assert.Equal(t, during.Lost, during.Restored+s.After.Connections.Restored, "each came back")
	assert.Zero(t, s.After.Connections.Lost, "and to a replica that stayed, or to one that is back")
	assert.Equal(t, during.Lost, during.BytesRepeated.Connections+s.After.Connections.BytesRepeated.Connections, "to its own session, which replays")
	assert.Zero(t, res.Scenarios[0].Counters["echoes_corrupt"])
}

func TestAnAgentThatRestartsTakesItsTerminalsAlong(t *testing.T) {
	for _, version := range []string{"v2.37.0", "v2.26.0"} {
		t.Run(version, func(t *testing.T) {
			environment(t)
			res, _ := disturbed(t, scaletest.Embedded{Workspaces: 4, Server: codertest.Config{Version: version}}, func(target *scaletest.Target, w []runners.Workspace) harness.Plan {
				return harness.Plan{
					Scenarios:   []harness.Scenario{keepTyping(w, 6*time.Second)},
					Disruptions: []harness.Disruption{{Name: "restart", At: time.Second, Do: target.RestartAgent(w[1])}},
				}
			})
			d := res.Disruptions[0]
			require.Empty(t, d.Error)
			assert.EqualValues(t, 1, d.Scenarios[0].During.Connections.Lost, "that of the one agent")
			assert.EqualValues(t, 4, d.Scenarios[0].After.Connections.Count)
			assert.True(t, d.Recovered)
		})
	}
}

func TestAThrottledNetworkIsSeenInTheEchoes(t *testing.T) {
	environment(t)
	res, _ := disturbed(t, scaletest.Embedded{Workspaces: 10}, func(target *scaletest.Target, w []runners.Workspace) harness.Plan {
		return harness.Plan{
			// 10 terminals × 512 bytes × 20/s, both ways and framed, are more than 200 kB/s.
			Scenarios: []harness.Scenario{keepTyping(w, 8*time.Second)},
			Disruptions: []harness.Disruption{{
				Name: "throttle", At: time.Second, For: 2 * time.Second, Do: target.Throttle(50_000), Undo: target.Throttle(0),
			}},
		}
	})
	s := res.Disruptions[0].Scenarios[0]
	require.Empty(t, res.Disruptions[0].Error)
	assert.Greater(t, s.During.Actions["echo"].Response.P99, 2*s.Before.Actions["echo"].Response.P99)
	assert.GreaterOrEqual(t, res.Disruptions[0].RecoverySeconds, 2.0)
}

func TestACommandOfTheEnvironmentDisrupts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "said")
	environment(t, p+"DISRUPT_COMMAND=echo do >>"+file, p+"DISRUPT_UNDO_COMMAND=echo undo >>"+file)
	disturbed(t, scaletest.Embedded{Workspaces: 1}, func(target *scaletest.Target, w []runners.Workspace) harness.Plan {
		d, ok := target.Disruption(100*time.Millisecond, 100*time.Millisecond)
		require.True(t, ok)
		return harness.Plan{Scenarios: []harness.Scenario{keepTyping(w, time.Second)}, Disruptions: []harness.Disruption{d}}
	})
	said, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "do\nundo\n", string(said))
}

func TestWithoutACommandThereIsNoDisruption(t *testing.T) {
	environment(t)
	_, ok := scaletest.Embedded{Workspaces: 1}.Connect(t).Disruption(time.Second, time.Second)
	require.False(t, ok)
}

func TestALiveDeploymentIsNotOursToTakeApart(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 1})
	environment(t, "CODER_URL="+server.URL(), "CODER_SESSION_TOKEN="+server.OwnerToken())
	target := scaletest.Connect(t)
	for _, do := range []func(context.Context) error{target.StopReplica(0), target.StartReplica(0), target.Throttle(1), target.RestartAgent(runners.Workspace{})} {
		err := do(t.Context())
		require.ErrorContains(t, err, "only the embedded deployment")
		require.ErrorContains(t, err, "CODER_SCALETEST_DISRUPT_COMMAND")
	}
}

func TestTheSummaryTellsADisruptionInEightyColumns(t *testing.T) {
	environment(t)
	_, tb := disturbed(t, scaletest.Embedded{Workspaces: 8, Server: codertest.Config{Replicas: 2}}, func(target *scaletest.Target, w []runners.Workspace) harness.Plan {
		return harness.Plan{
			Scenarios: []harness.Scenario{keepTyping(w, 6*time.Second)},
			Disruptions: []harness.Disruption{
				{Name: "lose-replica", At: time.Second, Do: target.StopReplica(1)},
				{Name: "broken", At: 5 * time.Second, Do: harness.Command("sh", "-c", "echo no such thing; exit 1")},
			},
		}
	})
	out := tb.output.String()
	for _, want := range []string{"disruption lose-replica: at 1.0s of the load", "connections lost", "(50.0 %)", "time to reconnect, p50", "bytes repeated, each", "FAILED", `it said "no such thing"`} {
		require.Contains(t, out, want)
	}
	_, table, _ := strings.Cut(out, "disruption lose-replica: at")
	table, _, _ = strings.Cut(table, "\nresult ") // whole, to be copied
	for line := range strings.Lines(table) {
		require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 80, line)
	}
}

func TestADeploymentThatIsGoneAtTheEndIsNotAPass(t *testing.T) {
	environment(t)
	res, _ := disturbed(t, scaletest.Embedded{Workspaces: 20}, func(target *scaletest.Target, w []runners.Workspace) harness.Plan {
		return harness.Plan{
			Scenarios:   []harness.Scenario{keepTyping(w, 3*time.Second, harness.Rate("errors").Below(0.001))},
			Disruptions: []harness.Disruption{{Name: "gone", At: 1500 * time.Millisecond, Do: target.StopReplica(0)}},
		}
	})
	s := res.Scenarios[0]
	require.False(t, s.Thresholds[0].Passed, "half of the load did not come about: %s", s.Thresholds[0].Message)
	assert.Greater(t, *s.Thresholds[0].Value, 0.4, "each tick that could not be typed is one")
	assert.EqualValues(t, 20, s.Actions["reconnect"].Errors, "and each terminal that did not come back")
	assert.EqualValues(t, 20, s.Connections.Lost)
	assert.Zero(t, s.Connections.Restored)
}
