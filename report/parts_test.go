package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

func part(seconds float64, done, failed int) harness.Part {
	return harness.Part{
		Seconds:    seconds,
		Errors:     int64(failed),
		Iterations: harness.Iterations{Started: int64(done + failed), Succeeded: int64(done), Failed: int64(failed)},
		Iteration:  harness.ActionResult{Count: uint64(done), Response: times(done, 20*time.Millisecond), Service: times(done, 10*time.Millisecond)},
		Actions:    map[string]harness.ActionResult{"login": {Count: uint64(done), Errors: int64(failed), Response: times(done, 20*time.Millisecond), Service: times(done, 10*time.Millisecond)}},
		Counters:   map[string]int64{"bytes_sent": int64(1000 * done)},
		Throughput: &harness.Throughput{BytesIntended: int64(2000 * done), BytesAchieved: int64(1000 * done), Ratio: 0.5},
		Lag:        times(done, time.Millisecond),
	}
}

// parted has all that a result can have beside what counts: parts that don't,
// tags, connections, disruptions and what the generator saw of itself.
func parted() *harness.Result {
	res := passed()
	res.Name = "TestParts"
	s := &res.Scenarios[0]
	warm, cool := part(2, 77, 3), part(1, 33, 0)
	warm.Connections = &harness.Connections{Count: 4}
	s.WarmUp, s.CoolDown = &warm, &cool
	s.Iterations = harness.Iterations{Started: 102, Succeeded: 100, Failed: 2}
	s.Errors = 2
	s.Actions["login"] = harness.ActionResult{
		Count: 100, Errors: 1, Response: times(100, 20*time.Millisecond), Service: times(100, 10*time.Millisecond),
		Tags: map[string]harness.ActionResult{
			"region=us":                 {Count: 60, Response: times(60, 10*time.Millisecond), Service: times(60, 5*time.Millisecond)},
			"attempt=first,region=eu|x": {Count: 40, Errors: 1, Response: times(40, 30*time.Millisecond), Service: times(40, 15*time.Millisecond)},
		},
	}
	s.Connections = &harness.Connections{Count: 4, Lost: 2, LostShare: 0.5, Restored: 1, Reconnect: times(1, 2*time.Second)}
	s.Thresholds = append(s.Thresholds,
		harness.ThresholdResult{Threshold: "login{region=eu}@during: p(99)<1s abort after 10s", Value: number(0.1), Passed: true},
		harness.ThresholdResult{Threshold: "errors@warm-up: rate<1%", Value: number(0.03), Message: "errors@warm-up: rate<1% is broken: 0.03"})
	s.Failures = []harness.Failure{
		{Scenario: "terminals", User: 1, Iteration: 9, Phase: "load", Seconds: 5, Error: "it counts"},
		{Scenario: "terminals", User: 2, Iteration: 1, Phase: "warm-up", Seconds: 1, Error: "it does not"},
	}
	s.MoreFailures = 3
	s.Timeline = []harness.Second{
		{At: 1, Phase: harness.WarmUp, Errors: 4, Actions: map[string]harness.ActionSecond{"login": {Errors: 3}}},
		{At: 2, Errors: 2, Actions: map[string]harness.ActionSecond{"login": {Errors: 1}}},
		{At: 3, Phase: harness.CoolDown, Errors: 5},
	}
	during := part(3, 10, 5)
	during.Connections = &harness.Connections{
		Count: 4, Lost: 2, LostShare: 0.5, Restored: 1, Reconnect: times(1, 2*time.Second),
		BytesLost: &harness.PerConnection{Total: 4096, Connections: 2, Mean: 2048, Max: 3000}, BytesRepeated: &harness.PerConnection{},
	}
	res.Disruptions = []harness.DisruptionResult{
		{Name: "lose-replica", At: 3, Seconds: 2, Recovered: true, RecoverySeconds: 3, Scenarios: []harness.DisruptedScenario{
			{Name: "terminals", Before: part(3, 30, 0), During: during, After: part(2, 20, 0)},
		}},
		{Name: "slow-network", At: 8, Seconds: 1, Error: "do it: tc: exit status 1: it said \"<no>\"", Scenarios: []harness.DisruptedScenario{
			{Name: "terminals", Before: part(2, 20, 0), During: part(2, 0, 0)},
		}},
	}
	res.Generator.Watch = &harness.SelfWatch{
		Seconds: 12, CPU: 0.5, CPUPeak: 1.25, Wake: times(60, time.Millisecond), LateWakes: 1, GCShare: 0.023,
		HeapPeak: 12_500_000, MemoryPeak: 30_000_000, GoroutinesPeak: 321, DescriptorsPeak: 99, DescriptorLimit: 1024,
		OwnErrors: 2, SamplesDropped: 3, SnapshotsMissed: 4,
	}
	return res
}

func TestPartsReadWell(t *testing.T) {
	for format := range formats {
		golden(t, format+"_parts.txt", histograms.ReplaceAllString(text(t, format, parted()), ""))
	}
}

func TestWhatDoesNotCountIsNeverAmongWhatDoes(t *testing.T) {
	lines, err := csv.NewReader(strings.NewReader(text(t, "csv", parted()))).ReadAll()
	require.NoError(t, err)
	kinds := map[string]string{}
	for _, line := range lines {
		if line[5] == "login" {
			kinds[line[4]] = line[6]
		}
	}
	assert.Equal(t, map[string]string{
		"action": "100", "warm-up/action": "77", "cool-down/action": "33",
		"lose-replica/before/action": "30", "lose-replica/during/action": "10", "lose-replica/after/action": "20",
		"slow-network/before/action": "20", "slow-network/during/action": "0",
	}, kinds)

	bench := text(t, "bench", parted())
	assert.Regexp(t, `(?m)^BenchmarkParts/terminals-2 1 .* 2 errors/op$`, bench, "the action's error and the iteration that failed without one, but nothing of the warm-up and the cool-down")
	assert.Contains(t, bench, "BenchmarkParts/terminals/action=login/region=us-2 1 ")
	assert.Contains(t, bench, "BenchmarkParts/terminals/disruption=lose-replica/part=during-2 1 ")

	var s struct {
		TotalFail int `json:"total_fail"`
		Runs      map[string]struct {
			Error   string
			Metrics map[string]int64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, "json", parted())), &s))
	assert.Equal(t, 2, s.TotalFail)
	assert.Len(t, s.Runs, 3, "the one that counts, what passed, and the one that was not kept")
	assert.Contains(t, s.Runs["terminals/failed"].Error, "1 more failed runs")
	assert.EqualValues(t, 2, s.Runs["terminals/passed"].Metrics["connections_lost"])
}

func TestADisruptionThatCouldNotBeDoneIsAnErrorOfItsOwn(t *testing.T) {
	junit := text(t, "junit", parted())
	assert.Contains(t, junit, `<testcase classname="TestParts" name="disruption lose-replica" time="2.000">`)
	assert.Equal(t, 1, strings.Count(junit, `type="disruption"`))
	assert.Contains(t, junit, `errors="1"`)
	assert.Contains(t, junit, `name="login{region=eu}@during: p(99)&lt;1s abort after 10s"`, "one case for each threshold")
}

func TestTablesOfMarkdownHaveTheirCells(t *testing.T) {
	cells := 0
	for line := range strings.SplitSeq(text(t, "markdown", parted()), "\n") {
		switch n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); {
		case n == 0:
			cells = 0
		case cells == 0:
			cells = n
		default:
			assert.Equal(t, cells, n, line)
		}
	}
}

func TestResultsFromBeforeThePartsAreStillRead(t *testing.T) {
	old, err := harness.ReadResult("testdata/result_v1.json")
	require.NoError(t, err)
	require.Nil(t, old.Generator.Watch)
	for format := range formats {
		var b bytes.Buffer
		require.NoError(t, formats[format](&b, old))
		golden(t, format+"_fail.txt", histograms.ReplaceAllString(b.String(), ""))
	}
	require.NoError(t, report.CSV(new(bytes.Buffer), old, parted()), "old and new ones in one file")
}
