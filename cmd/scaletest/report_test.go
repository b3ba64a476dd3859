package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

var visit = harness.NewAction("visit")

// results writes n results of a load whose visits take so long, and returns their
// folder.
func results(t *testing.T, n int, took time.Duration) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		run := filepath.Join(dir, string(rune('a'+i)))
		require.NoError(t, os.Mkdir(run, 0o700))
		stream, err := os.Create(filepath.Join(run, "stream.ndjson"))
		require.NoError(t, err)
		r, err := harness.Start(t.Context(), harness.Plan{Name: "TestVisits", Stream: stream, Target: map[string]string{"version": "v2.37.0"}, Scenarios: []harness.Scenario{{
			Name: "visits", Schedule: harness.AllAtOnce(4),
			Runner: func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
					rec.Record(visit, took+time.Duration(i)*time.Microsecond, took, nil)
					return nil
				}), nil
			},
		}}})
		require.NoError(t, err)
		require.NoError(t, r.Wait().WriteFile(filepath.Join(run, "result.json")))
		require.NoError(t, stream.Close())
	}
	return dir
}

// spoken runs a command.
func spoken(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{&o, &e})
	return code, o.String(), e.String()
}

func TestEveryReportIsMadeOfFilesAlone(t *testing.T) {
	dir := results(t, 2, time.Millisecond)
	want := map[string]string{
		"text": "verdict     PASS: ", "html": "<!doctype html>", "markdown": "## TestVisits: PASS", "github": "::notice title=TestVisits%3A pass::",
		"junit": "<testsuites ", "csv": "visit", "bench": "BenchmarkVisits/visits", "row": "| Environment | Coder CPU |",
	}
	for _, format := range report.Formats() {
		code, out, errs := spoken(t, "report", dir, "-format", format)
		if format == "json" || format == "result" { // of one result
			assert.Equal(t, exitError, code)
			assert.Contains(t, errs, "2 results, but a file of it holds one")
			code, out, errs = spoken(t, "report", "-format", format, filepath.Join(dir, "a", "result.json"))
			assert.True(t, json.Valid([]byte(out)))
		}
		assert.Equal(t, exitOK, code, errs)
		assert.Contains(t, out, want[format], format)
		assert.Empty(t, errs)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	code, out, errs := spoken(t, "report", "-o", path, dir)
	assert.Equal(t, exitOK, code, errs)
	assert.Empty(t, out)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAReportOfAStreamSaysWhatThatOfTheResultSays(t *testing.T) {
	dir := filepath.Join(results(t, 1, time.Millisecond), "a")
	for _, format := range report.Formats() {
		_, result, _ := spoken(t, "report", "-format", format, filepath.Join(dir, "result.json"))
		_, stream, _ := spoken(t, "report", "-format", format, filepath.Join(dir, "stream.ndjson"))
		assert.Equal(t, result, stream, format)
	}
	older := filepath.Join(results(t, 1, time.Millisecond), "a", "result.json")
	text, err := os.ReadFile(older)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "result.json"), text, 0o600)) // of another run
	_, out, _ := spoken(t, "report", dir)
	assert.Equal(t, 2, strings.Count(out, "verdict     "), "a stream is hidden behind the result of an earlier run")
	require.NoError(t, os.Remove(filepath.Join(dir, "result.json")))
	code, out, _ := spoken(t, "report", dir)
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "PASS", "the stream, where there is no result beside it")
}

func TestARowIsFilledInFromFacts(t *testing.T) {
	dir := results(t, 1, time.Millisecond)
	_, out, _ := spoken(t, "report", "-format", "row", dir, "-fact", "environment=Kubernetes (GKE)", "-fact=database=db-f1-micro")
	assert.Contains(t, out, "| Kubernetes (GKE) |  |  |  | db-f1-micro | 4 |  |  | v2.37.0 | ")
	assert.Contains(t, out, "Coder CPU is blank")
	assert.NotContains(t, out, "Environment is blank")
}

func TestComparisonsFailABuildOnlyWhereAGateIsTripped(t *testing.T) {
	fast, slow := results(t, 5, time.Millisecond), results(t, 5, 3*time.Millisecond)
	few := results(t, 2, 3*time.Millisecond)
	page := filepath.Join(t.TempDir(), "compare.html")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{fast, "--", slow}, exitOK, ""},
		{[]string{fast, "--", slow, "--fail-if", "p99 > +10%", "-html", page}, exitError, "scaletest compare: a gate is tripped: p99 > +10%: visits/visit p99 from 1ms to 3ms (+"},
		{[]string{"--fail-if", "p99 > +10%", slow, "--", fast}, exitOK, ""},
		{[]string{fast, "--", few, "-fail-if=p99 > +10%"}, exitUndecided, "not enough runs for a gate: p99 > +10%: not enough runs: 5 old and 2 new"},
		{[]string{"-format", "markdown", fast, "--", slow}, exitOK, ""},
		{[]string{fast, slow}, exitUsage, "want the old results, then --, then the new ones"},
		{[]string{"--", slow}, exitUsage, "want the old results"},
		{[]string{fast, "--", slow, "-fail-if", "p99"}, exitUsage, "want a metric, > + or < -, and a limit"},
		{[]string{fast, "--", slow, "-alpha", "2"}, exitUsage, "Alpha is 2"},
		{[]string{fast, "--", slow, "-format", "pdf"}, exitUsage, "want text, markdown or html"},
		{[]string{t.TempDir(), "--", slow}, exitError, "there is no result*.json and no stream*.ndjson in"},
		{[]string{fast, "--", filepath.Join(slow, "missing")}, exitError, "no such file"},
	} {
		code, out, errs := spoken(t, append([]string{"compare"}, c.args...)...)
		assert.Equal(t, c.code, code, "%q: %s", c.args, errs)
		assert.Contains(t, errs, c.says)
		assert.LessOrEqual(t, strings.Count(errs, "\n"), 1)
		if code == exitOK || code == exitUndecided {
			assert.Contains(t, out, "visit p99")
		}
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "Percentiles of visit")
}

func TestAStreamIsFollowedFromItsFile(t *testing.T) {
	dir := results(t, 1, time.Millisecond)
	text, err := os.ReadFile(filepath.Join(dir, "a", "stream.ndjson"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "growing.ndjson")
	first := bytes.IndexByte(text, '\n') + 1
	require.NoError(t, os.WriteFile(path, text[:first], 0o600))

	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"live", path}, streams{write, io.Discard}) }()
	line := make([]byte, 200)
	n, err := read.Read(line)
	require.NoError(t, err)
	url := strings.TrimSpace(string(line[:n]))
	page := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(b)
	}
	require.Eventually(t, func() bool { return strings.Contains(page(), "<title>TestVisits: running</title>") }, 10*time.Second, 20*time.Millisecond)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.Write(text[first:])
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Eventually(t, func() bool { return strings.Contains(page(), "<title>TestVisits: pass</title>") }, 10*time.Second, 20*time.Millisecond)
	cancel()
	assert.Equal(t, exitOK, <-ended)
	code, _, errs := spoken(t, "live")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "want the path of one stream.ndjson")
}

func TestReportsOfNothingAreOneSentence(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"report"}, exitError, "no file: want a result.json, a stream.ndjson, or a folder that has them"},
		{[]string{"report", "missing.json"}, exitError, "missing.json: no such file"},
		{[]string{"report", "-format", "pdf", "x"}, exitUsage, `-format is "pdf", want one of bench, csv, github, html, `},
		{[]string{"report", "-fact", "x"}, exitUsage, "want name=value"},
	} {
		code, out, errs := spoken(t, c.args...)
		assert.Equal(t, c.code, code)
		assert.Contains(t, errs, c.says)
		assert.Equal(t, 1, strings.Count(errs, "\n"))
		assert.Empty(t, out)
	}
}
