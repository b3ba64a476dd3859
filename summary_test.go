//go:build !scaletest

package scaletest_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
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

func times(count uint64, p50 time.Duration) harness.Distribution {
	s := p50.Seconds()
	return harness.Distribution{Count: count, Min: s / 2, Mean: s, P50: s, P90: 1.57 * s, P95: 1.73 * s, P99: 2.345 * s, P999: 7 * s, Max: 12 * s}
}

func number(v float64) *float64 { return &v }

// passed is the main job as it should be.
func passed() *harness.Result {
	return &harness.Result{Verdict: harness.Pass, Scenarios: []harness.ScenarioResult{{
		Name: "terminals", Schedule: "200 users at once for 10s", Users: 200, Ready: 200, LoadSeconds: 10,
		Iterations: harness.Iterations{Started: 200, Succeeded: 200},
		Actions: map[string]harness.ActionResult{
			"echo":      {Count: 20000, Response: times(20000, 713*time.Microsecond), Service: times(20000, 105*time.Microsecond)},
			"reconnect": {},
		},
		Setup: map[string]harness.ActionResult{
			"terminal_open":  {Count: 200, Response: times(200, 3640*time.Microsecond)},
			"terminal_ready": {Count: 200, Response: times(200, 893*time.Microsecond)},
		},
		Lag:        times(20000, 594*time.Microsecond),
		Counters:   map[string]int64{"bytes_sent": 81_920_000, "bytes_received": 82_001_000, "reconnects": 0},
		Throughput: &harness.Throughput{BytesIntended: 81_920_000, BytesAchieved: 81_920_000, Ratio: 1},
		Thresholds: []harness.ThresholdResult{
			{Threshold: "errors: rate<0.001", Value: number(0), Passed: true},
			{Threshold: "throughput: rate>=0.99", Value: number(1), Passed: true},
			{Threshold: "echo: p(99)<250ms", Value: number(0.00167), Passed: true},
			{Threshold: "bytes_received: count>0", Value: number(82_001_000), Passed: true},
		},
	}}}
}

// failed has something of everything that can go wrong.
func failed() *harness.Result {
	res := passed()
	res.Verdict = harness.Fail
	res.Reasons = []string{
		"terminals: errors: rate<0.001 is broken: 0.0125",
		"3 failed runs, 0 allowed; the first: open terminal of agent 282b0bd4-a85a-467b-9ba9-1f3dcbe123b6: Forbidden (403 from GET /api/v2/workspaceagents/282b0bd4-a85a-467b-9ba9-1f3dcbe123b6/pty)",
	}
	s := &res.Scenarios[0]
	s.Iterations = harness.Iterations{Started: 199, Succeeded: 195, Failed: 3, Interrupted: 1, Dropped: 7, Stuck: 1, SetupFailed: 1}
	s.Counters["reconnects"], s.Counters["echoes_lost"] = 2, 31
	echo := s.Actions["echo"]
	echo.Errors = 250
	s.Actions["echo"] = echo
	s.Actions["reconnect"] = harness.ActionResult{Count: 2, Response: times(2, 1500*time.Millisecond), Service: times(2, 1400*time.Millisecond)}
	s.Thresholds = append(s.Thresholds,
		harness.ThresholdResult{Threshold: "echo: p(50)<500µs", Value: number(0.000713), Passed: false},
		harness.ThresholdResult{Threshold: "login: p(99)<1s", Passed: false, Message: "login: p(99)<1s: no samples"})
	s.Warnings = []string{"the echo of 3 terminals can't be compared, because their server redraws the screen: their bytes are counted, their round trips are not"}
	for user := range 5 {
		s.Failures = append(s.Failures, harness.Failure{User: user, Phase: "load", Error: "the connection was lost, and after 30s there is no other: dial tcp 127.0.0.1:3000: connect: connection refused"})
	}
	s.Failures[1].Error, s.Failures[1].Stack = "panic: index out of range", "goroutine 7 [running]:\nmain.f()\n\tmain.go:3\n"
	s.MoreFailures = 10
	return res
}

func TestSummaryReadsWell(t *testing.T) {
	const path = "/tmp/scaletest-123/result.json"
	golden(t, "summary_pass.txt", scaletest.Summary(passed(), path))
	golden(t, "summary_fail.txt", scaletest.Summary(failed(), path))
	for _, v := range []harness.Verdict{harness.Error, harness.Interrupted, harness.Invalid} {
		res := &harness.Result{Verdict: v, Reasons: []string{"why"}}
		golden(t, "summary_"+string(v)+".txt", scaletest.Summary(res, path))
	}
}

func TestSummaryFitsATerminal(t *testing.T) {
	for _, res := range []*harness.Result{passed(), failed()} {
		for line := range strings.SplitSeq(scaletest.Summary(res, "result.json"), "\n") {
			if len(strings.Fields(line)) == 1 {
				continue // a path that must be whole, to be copied
			}
			assert.LessOrEqual(t, len([]rune(line)), 76, "with the 4 that go test puts in front, more than 80: %s", line)
			assert.Equal(t, strings.TrimRight(line, " "), line, "blanks at the end")
		}
	}
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
