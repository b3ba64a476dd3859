//go:build !scaletest

package scaletest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
)

var update = flag.Bool("update", false, "write what the golden files should hold")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	assert.Equal(t, string(want), got, "if that is better, -update")
}

func TestHeartbeatReadsWell(t *testing.T) {
	terminals := harness.Second{
		Scenario: "terminals", At: 7, Span: 1, Users: 200, BytesIntended: 8_192_000, BytesAchieved: 8_191_000, Errors: 3,
		Actions: map[string]harness.ActionSecond{"echo": {Count: 2000, Errors: 3, P50: 0.000713, P99: 0.00123}},
	}
	visits := harness.Second{
		Scenario: "visits", At: 7, Span: 1, Users: 5, Dropped: 2,
		Actions: map[string]harness.ActionSecond{"visit": {Count: 20, P50: 0.0123, P99: 1.5}},
	}
	rest := terminals
	rest.Span = 0.01
	golden(t, "heartbeat.txt", scaletest.Heartbeat(harness.Snapshot{Scenarios: []harness.Second{terminals}})+
		scaletest.Heartbeat(harness.Snapshot{Scenarios: []harness.Second{rest}})+ // too short for a line
		scaletest.Heartbeat(harness.Snapshot{Scenarios: []harness.Second{terminals, visits}}))
}

func TestHeartbeatSaysWhatIsGoingOn(t *testing.T) {
	environment(t)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := tiny.Connect(tb)
		scaletest.Run(tb, typing(target.Workspaces(tb), 1100*time.Millisecond))
	})
	require.Empty(t, tb.fatal)
	assert.Regexp(t, `(?m)^ +1s +2 users +0\.01 of +0\.01 MB/s  echo p50 \S+ p99 \S+  0 errors$`, tb.output.String(),
		"elapsed, users, achieved against intended, echo, errors")

	tb = attempt(t, nil, func(tb *fakeTB) {
		target := tiny.Connect(tb)
		other := visiting(3, 0)
		other.StartAfter = 10 * time.Millisecond
		scaletest.Run(tb, typing(target.Workspaces(tb), 1100*time.Millisecond), other)
	})
	require.Empty(t, tb.fatal)
	assert.Regexp(t, `(?m)^terminals +1s .* echo p50`, tb.output.String(), "which scenario")
	assert.Regexp(t, `(?m)^visits +1s `, tb.output.String())
	assert.Contains(t, tb.output.String(), "visits      3 users at once, after 10ms\n")
}
