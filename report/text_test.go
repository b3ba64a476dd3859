package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// summary is what a person reads.
func summary(t *testing.T, res *harness.Result, path string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Text(&b, res, report.TextOptions{Path: path}))
	return b.String()
}

// spread is a distribution without a histogram.
func spread(count uint64, p50 time.Duration) harness.Distribution {
	s := p50.Seconds()
	return harness.Distribution{Count: count, Min: s / 2, Mean: s, P50: s, P90: 1.57 * s, P95: 1.73 * s, P99: 2.345 * s, P999: 7 * s, Max: 12 * s}
}

// mainJob is the main job as it should be.
func mainJob() *harness.Result {
	return &harness.Result{Verdict: harness.Pass, Scenarios: []harness.ScenarioResult{{
		Name: "terminals", Schedule: "200 users at once for 10s", Users: 200, Ready: 200, LoadSeconds: 10,
		Iterations: harness.Iterations{Started: 200, Succeeded: 200},
		Actions: map[string]harness.ActionResult{
			"echo":      {Count: 20000, Response: spread(20000, 713*time.Microsecond), Service: spread(20000, 105*time.Microsecond)},
			"reconnect": {},
		},
		Setup: map[string]harness.ActionResult{
			"terminal_open":  {Count: 200, Response: spread(200, 3640*time.Microsecond)},
			"terminal_ready": {Count: 200, Response: spread(200, 893*time.Microsecond)},
		},
		Lag:        spread(20000, 594*time.Microsecond),
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

// brokenJob has something of everything that can go wrong.
func brokenJob() *harness.Result {
	res := mainJob()
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
	s.Actions["reconnect"] = harness.ActionResult{Count: 2, Response: spread(2, 1500*time.Millisecond), Service: spread(2, 1400*time.Millisecond)}
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
	golden(t, "text_pass.txt", summary(t, mainJob(), path))
	golden(t, "text_fail.txt", summary(t, brokenJob(), path))
	for _, v := range []harness.Verdict{harness.Error, harness.Interrupted, harness.Invalid} {
		res := &harness.Result{Verdict: v, Reasons: []string{"why"}}
		golden(t, "text_"+string(v)+".txt", summary(t, res, path))
	}
}

func TestSummaryFitsATerminal(t *testing.T) {
	for _, res := range []*harness.Result{mainJob(), brokenJob()} {
		for line := range strings.SplitSeq(summary(t, res, "result.json"), "\n") {
			if len(strings.Fields(line)) == 1 {
				continue // a path that must be whole, to be copied
			}
			assert.LessOrEqual(t, len([]rune(line)), 76, "with the 4 that go test puts in front, more than 80: %s", line)
			assert.Equal(t, strings.TrimRight(line, " "), line, "blanks at the end")
		}
	}
}

func TestColoursChangeNothingElse(t *testing.T) {
	for _, res := range []*harness.Result{mainJob(), brokenJob(), parted()} {
		var plain, colored bytes.Buffer
		require.NoError(t, report.Text(&plain, res, report.TextOptions{}))
		require.NoError(t, report.Text(&colored, res, report.TextOptions{Color: true}))
		require.NotContains(t, plain.String(), "\x1b")
		require.Contains(t, colored.String(), "\x1b[")
		text := colored.String()
		for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"} {
			text = strings.ReplaceAll(text, code, "")
		}
		require.Equal(t, plain.String(), text)
	}
}

func TestAVerdictAloneHasItsReasonsAndItsWarnings(t *testing.T) {
	res := brokenJob()
	res.Warnings = []string{"the stream is incomplete"}
	var b bytes.Buffer
	require.NoError(t, report.Text(&b, res, report.TextOptions{VerdictOnly: true}))
	require.True(t, strings.HasPrefix(b.String(), "\nverdict     FAIL: "), b.String())
	require.Contains(t, b.String(), "3 failed runs, 0 allowed")
	require.Contains(t, b.String(), "warning     the stream is incomplete\n")
	require.NotContains(t, b.String(), "terminals: 200 users")
}
