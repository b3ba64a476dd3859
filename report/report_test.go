package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write what the golden files should hold")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	assert.Equal(t, string(want), got, "if that is better, -update")
}

// formats are all that there are, of one result.
var formats = map[string]func(io.Writer, *harness.Result) error{
	"json":     report.JSON,
	"csv":      func(w io.Writer, r *harness.Result) error { return report.CSV(w, r) },
	"junit":    func(w io.Writer, r *harness.Result) error { return report.JUnit(w, r) },
	"markdown": func(w io.Writer, r *harness.Result) error { return report.Markdown(w, r) },
	"github":   func(w io.Writer, r *harness.Result) error { return report.GitHub(w, r) },
	"row":      func(w io.Writer, r *harness.Result) error { return report.Row(w, r) },
	"bench":    func(w io.Writer, r *harness.Result) error { return report.Bench(w, r) },
}

func text(t *testing.T, format string, res *harness.Result) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, formats[format](&b, res))
	return b.String()
}

// times is a distribution around a time.
func times(n int, around time.Duration) harness.Distribution {
	var h histogram.Histogram
	for i := range n {
		h.Record(around/2 + around*time.Duration(i)/time.Duration(n))
	}
	return harness.Distribute(&h)
}

func number(v float64) *float64 { return &v }

// passed is a run as it should be.
func passed() *harness.Result {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return &harness.Result{
		SchemaVersion: 1, Name: "TestTerminals", RunID: "ab12", Seed: 7, Verdict: harness.Pass, Reasons: []string{},
		StartedAt: start, EndedAt: start.Add(12500 * time.Millisecond), Seconds: 12.5,
		Target:        map[string]string{"embedded": "false", "url": "https://coder.example.com", "version": "v2.37.0"},
		Configuration: map[string]string{"CODER_SCALETEST_DURATION": "10s"},
		Generator:     harness.Generator{OS: "linux", Arch: "amd64", CPUs: 2, GOMAXPROCS: 2},
		Scenarios: []harness.ScenarioResult{{
			Name: "terminals", Schedule: "4 users at once for 10s", Users: 4, Ready: 4, LoadSeconds: 10,
			Iterations: harness.Iterations{Started: 4, Succeeded: 4},
			Iteration:  harness.ActionResult{Count: 4, Response: times(4, 10*time.Second), Service: times(4, 10*time.Second)},
			Actions: map[string]harness.ActionResult{
				"echo":      {Count: 1000, Response: times(1000, 2*time.Millisecond), Service: times(1000, time.Millisecond)},
				"reconnect": {},
			},
			Setup:      map[string]harness.ActionResult{"terminal_open": {Count: 4, Response: times(4, 3*time.Millisecond), Service: times(4, 3*time.Millisecond)}},
			Lag:        times(1000, 100*time.Microsecond),
			Counters:   map[string]int64{"bytes_sent": 4096000, "bytes_received": 4100000, "reconnects": 0},
			Throughput: &harness.Throughput{BytesIntended: 4096000, BytesAchieved: 4096000, Ratio: 1},
			Thresholds: []harness.ThresholdResult{{Threshold: "echo: p(99)<250ms", Value: number(0.003), Passed: true, Message: "echo: p(99)<250ms holds: 3ms"}},
		}},
	}
}

// failed has something of everything that can go wrong, and texts that could
// break a format.
func failed() *harness.Result {
	res := passed()
	res.Verdict = harness.Fail
	res.Reasons = []string{"terminals: echo: p(99)<1ms is broken: 3ms", "5 failed runs, 0 allowed; the first: <b>no</b> | `none`"}
	s := &res.Scenarios[0]
	s.Iterations = harness.Iterations{Started: 8, Succeeded: 2, Failed: 4, Interrupted: 2, Dropped: 1, Stuck: 1, SetupFailed: 1}
	echo := s.Actions["echo"]
	echo.Errors = 3
	s.Actions["echo"] = echo
	s.Thresholds = append(s.Thresholds,
		harness.ThresholdResult{Threshold: "echo: p(99)<1ms", Value: number(0.003), Message: "echo: p(99)<1ms is broken: 3ms"},
		harness.ThresholdResult{Threshold: "login: p(99)<1s", Message: "login: p(99)<1s: no samples"})
	s.Warnings = []string{"the echo of 3 terminals can't be compared"}
	s.Failures = []harness.Failure{
		{Scenario: "terminals", User: 3, Phase: "setup", Seconds: 0.5, Error: "open terminal: \x1b[31mForbidden\x00, \"403\"\nand another line", Log: "    0.100s dial <wss://host/pty?a=1&b=2>\n"},
		{Scenario: "terminals", User: 1, Iteration: 2, Phase: "load", Seconds: 4.25, Error: "panic: a,b;c|d", Stack: "goroutine 7 [running]:\n"},
		{Scenario: "terminals", User: 1, Iteration: 2, Phase: "load", Seconds: 5, Error: "the same user, of another machine"},
	}
	s.MoreFailures = 2
	s.Timeline = []harness.Second{{At: 1, Errors: 4}, {At: 2, Errors: 1}}
	return res
}

func TestFormatsReadWell(t *testing.T) {
	for format := range formats {
		// Without the histograms, whose text is another one with another compressor.
		golden(t, format+"_pass.txt", histograms.ReplaceAllString(text(t, format, passed()), ""))
		golden(t, format+"_fail.txt", histograms.ReplaceAllString(text(t, format, failed()), ""))
		golden(t, format+"_empty.txt", text(t, format, &harness.Result{RunID: "x", Verdict: harness.Error}))
	}
}

var histograms = regexp.MustCompile(`,"histogram":"[^"]*"`)

// fullDisk takes some bytes.
type fullDisk struct{ left int }

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.left)
	d.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestDiskThatIsFullIsAnError(t *testing.T) {
	for format, write := range formats {
		for _, left := range []int{0, 50} {
			err := write(&fullDisk{left}, failed())
			assert.ErrorIs(t, err, errFull, format)
			assert.ErrorContains(t, err, "write ", format)
		}
	}
}

func TestScriptsForCodersUtilityFindTheirKeys(t *testing.T) {
	var s struct {
		TotalRuns *int                       `json:"total_runs"`
		TotalPass *int                       `json:"total_pass"`
		TotalFail *int                       `json:"total_fail"`
		Elapsed   string                     `json:"elapsed"`
		ElapsedMS int                        `json:"elapsed_ms"`
		Runs      map[string]json.RawMessage `json:"runs"`
		Scaletest *harness.Result            `json:"scaletest"`
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, "json", failed())), &s))
	assert.Equal(t, 7, *s.TotalRuns)
	assert.Equal(t, 2, *s.TotalPass)
	assert.Equal(t, 5, *s.TotalFail, "a setup that failed is a failed run")
	assert.Equal(t, "12.5s", s.Elapsed)
	assert.Equal(t, 12500, s.ElapsedMS)
	assert.Equal(t, "ab12", s.Scaletest.RunID)
	assert.EqualValues(t, 1000, s.Scaletest.Scenarios[0].Actions["echo"].Response.Histogram.Count(), "the whole result is nested")

	errs := map[string]string{}
	for id, raw := range s.Runs {
		var r map[string]any
		require.NoError(t, json.Unmarshal(raw, &r))
		for _, key := range []string{"full_id", "test_name", "id", "logs", "started_at", "duration", "duration_ms", "error"} {
			assert.Contains(t, r, key, id)
		}
		assert.Equal(t, id, r["full_id"])
		assert.Equal(t, id, r["test_name"].(string)+"/"+r["id"].(string))
		_, err := time.ParseDuration(r["duration"].(string))
		assert.NoError(t, err)
		errs[id] = r["error"].(string)
	}
	assert.Equal(t, "<nil>", errs["terminals/passed"])
	assert.Len(t, errs, 5, "the same user of two machines has two entries: %v", errs)
	assert.Equal(t, "panic: a,b;c|d", errs["terminals/1/2"])
	assert.Equal(t, "the same user, of another machine", errs["terminals/1/2#2"])
	assert.Contains(t, errs["terminals/failed"], "2 more")

	var m struct {
		Runs map[string]struct{ Metrics map[string]int64 }
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, "json", passed())), &m))
	assert.EqualValues(t, 4100000, m.Runs["terminals/passed"].Metrics["bytes_read"])
	assert.EqualValues(t, 4096000, m.Runs["terminals/passed"].Metrics["bytes_written"])
}

func TestARowIsFilledInFromTheDeploymentAndItsMetrics(t *testing.T) {
	res := drawn(60, 5)
	res.Server.Series = append(res.Server.Series, harness.Series{Name: "jobs_running", Of: "a", Points: [][2]float64{{1, 2}, {2, 7}}}, harness.Series{Name: "jobs_running", Of: "b", Points: [][2]float64{{1, 3}}})
	res.Target["database"], res.Target["environment"] = "db|1", "Kubernetes (GKE)"
	res.Server.Facts["replicas"], res.Server.Facts["cores_per_replica"], res.Server.Facts["memory_limit_bytes"] = "3", "2", "4000000000"
	require.Contains(t, text(t, "row", res), `| Kubernetes (GKE) | 2 cores | 4 GB | 3 | db\|1 | 4 | 10 | 200 | v2.37.0 | Nov 23, 2026 |`+"\n")
	require.NotContains(t, text(t, "row", res), "blank")
}

func TestTextsFromElsewhereDoNotBreakTheFormat(t *testing.T) {
	lines, err := csv.NewReader(strings.NewReader(text(t, "csv", failed()))).ReadAll()
	require.NoError(t, err, "a line with another number of fields")
	assert.Equal(t, "run_id", lines[0][0])

	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal([]byte(text(t, "junit", failed())), &suites), "not XML")
	assert.Equal(t, 5, suites.Tests)
	assert.Equal(t, 4, suites.Failures, "the verdict, the runs and two thresholds")
	assert.Zero(t, suites.Errors)
	assert.Len(t, suites.Suites[0].Cases, 5)

	for line := range strings.SplitSeq(text(t, "markdown", failed()), "\n") {
		if strings.HasPrefix(line, "| ") {
			bare := strings.ReplaceAll(line, `\|`, "")
			assert.Contains(t, []int{4, 8}, strings.Count(bare, "|"), "a cell too many: %s", line)
		}
		assert.NotContains(t, line, "<b>")
	}
}

func TestVerdictsThatSayNothingAboutTheDeploymentAreErrors(t *testing.T) {
	for _, v := range []harness.Verdict{harness.Error, harness.Interrupted, harness.Invalid} {
		res := passed()
		res.Verdict, res.Reasons = v, []string{"why"}
		junit := text(t, "junit", res)
		assert.Contains(t, junit, `failures="0" errors="1"`, v)
		assert.Contains(t, junit, `<error message="why" type="`+string(v)+`">`)
	}
	tolerated := failed()
	tolerated.Verdict, tolerated.Scenarios[0].Thresholds = harness.Pass, nil
	assert.Contains(t, text(t, "junit", tolerated), `failures="0" errors="0"`, "failed runs that are allowed fail a pipeline")
}

func TestSeveralResultsShareAFile(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.CSV(&b, passed(), failed()))
	assert.Equal(t, 1, strings.Count(b.String(), "run_id"), "one header")
	b.Reset()
	require.NoError(t, report.JUnit(&b, passed(), failed()))
	assert.Contains(t, b.String(), `<testsuites tests="8" failures="4" errors="0" time="25.000">`)
	b.Reset()
	require.NoError(t, report.Bench(&b, passed(), failed()))
	assert.Equal(t, 1, strings.Count(b.String(), "goos:"))
	assert.Equal(t, 2, strings.Count(b.String(), "BenchmarkTerminals/terminals-2 1 "))
	for _, write := range []func(io.Writer, ...*harness.Result) error{report.CSV, report.JUnit, report.Markdown, report.Bench} {
		assert.NoError(t, write(&b), "no result at all")
	}
}

func TestBenchmarkNamesAreOnesThatToolsRead(t *testing.T) {
	line := regexp.MustCompile(`(?m)^Benchmark[^\p{Ll}\s]\S* 1( \S+ \S+)+$`)
	for _, name := range []string{"", "TestX/y z", "BenchmarkTerminals/conns=50", "what a person wrote", "éclair", "/", "日本\n\x00"} {
		res := passed()
		res.Name = name
		assert.Regexp(t, line, text(t, "bench", res), name)
	}
	res := passed()
	res.Name = "BenchmarkTerminals/conns=50"
	assert.Contains(t, text(t, "bench", res), "BenchmarkTerminals/conns=50/terminals-2 1 ")
}

func FuzzFormats(f *testing.F) {
	f.Add("TestX", "why", 0.5, int64(3))
	f.Add("\xff\x00", "|`<\n", -1e300, int64(-1))
	// To encode their histograms takes longer than all else.
	copyFailed, copyParted := withoutHistograms(f, failed()), withoutHistograms(f, parted())
	f.Fuzz(func(t *testing.T, name, message string, value float64, n int64) {
		res := copyFailed(t)
		res.Name, res.Reasons, res.Seconds = name, []string{message}, value
		res.Scenarios[0].Failures[0].Error = message
		res.Scenarios[0].Counters["c"] = n
		parts := copyParted(t)
		parts.Disruptions[1].Name, parts.Disruptions[1].Error = name, message
		parts.Disruptions[0].RecoverySeconds, parts.Generator.Watch.CPU = value, value
		parts.Scenarios[0].Actions["login"].Tags[message] = harness.ActionResult{Errors: n}
		parts.Scenarios[0].Connections.Lost = n
		for _, res := range []*harness.Result{res, parts} {
			requireReadable(t, res)
		}
	})
}

// withoutHistograms returns what makes copies of a result, with the percentiles of
// its histograms only.
func withoutHistograms(f *testing.F, res *harness.Result) func(*testing.T) *harness.Result {
	f.Helper()
	text, err := json.Marshal(res)
	require.NoError(f, err)
	text = regexp.MustCompile(`,"histogram":"[^"]*"`).ReplaceAll(text, nil)
	return func(t *testing.T) *harness.Result {
		var c harness.Result
		require.NoError(t, json.Unmarshal(text, &c))
		return &c
	}
}

// requireReadable writes a result in all formats that have a grammar.
func requireReadable(t *testing.T, res *harness.Result) {
	t.Helper()
	for format, write := range formats {
		var b bytes.Buffer
		err := write(&b, res)
		if err != nil { // JSON has no way to say NaN
			require.ErrorContains(t, err, "write ", format)
			continue
		}
		switch format {
		case "json":
			require.True(t, json.Valid(b.Bytes()))
		case "junit":
			require.NoError(t, xml.Unmarshal(b.Bytes(), new(struct{})))
		case "csv":
			_, err := csv.NewReader(&b).ReadAll()
			require.NoError(t, err)
		case "bench":
			for line := range strings.Lines(b.String()) {
				require.Regexp(t, benchFormat, line)
			}
		}
	}
}

var benchFormat = regexp.MustCompile(`^(Unit \S+ \S+|[a-z-]+: .*|Benchmark[^\p{Ll}\s]\S* 1( \S+ \S+)+)\n$`)
