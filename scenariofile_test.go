//go:build !scaletest

package scaletest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/scenario"
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
