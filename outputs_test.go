//go:build !scaletest

package scaletest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
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

// visitTwice is a test with two runs, of which the second fails.
func visitTwice(t *testing.T, outputs string) *fakeTB {
	t.Helper()
	dir := t.TempDir()
	environment(t, p+"ARTIFACTS="+dir, p+"OUTPUTS="+outputs)
	tb := attempt(t, &fakeTB{name: "TestVisits"}, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(2, 0))
		scaletest.Run(tb, visiting(2, 1))
	})
	require.Empty(t, tb.fatal)
	require.Len(t, tb.errors, 1, "%v", tb.errors)
	for name, verdict := range map[string]harness.Verdict{"result.json": harness.Pass, "result-2.json": harness.Fail} {
		res, err := harness.ReadResult(filepath.Join(dir, "TestVisits", name))
		require.NoError(t, err)
		assert.Equal(t, verdict, res.Verdict, "a run has overwritten another one's result")
		assert.Contains(t, tb.output.String(), name, "where it is, is not said")
	}
	return tb
}

func TestNoRunOverwritesAnother(t *testing.T) {
	dir := t.TempDir()
	at := func(format string) string { return format + ":" + filepath.Join(dir, "out."+format) }
	tb := visitTwice(t, strings.Join([]string{at("json"), at("result"), at("csv"), at("junit"), at("markdown"), at("bench"), at("text")}, ","))
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
		return string(b)
	}
	for name, fails := range map[string]int{"out.json": 0, "out-2.json": 1} {
		var s struct {
			TotalFail int `json:"total_fail"`
			Scaletest *harness.Result
		}
		require.NoError(t, json.Unmarshal([]byte(read(name)), &s))
		assert.Equal(t, fails, s.TotalFail)
		assert.Equal(t, "TestVisits", s.Scaletest.Name)
	}
	read("out.result")
	read("out-2.result")
	assert.Equal(t, 2, strings.Count(read("out.csv"), ",visit,"), "both runs")
	assert.Equal(t, 2, strings.Count(read("out.junit"), "<testsuite "))
	assert.Contains(t, read("out.markdown"), "TestVisits: PASS")
	assert.Contains(t, read("out.markdown"), "TestVisits: FAIL")
	assert.Equal(t, 2, strings.Count(read("out.bench"), "BenchmarkVisits/visits"))
	assert.Contains(t, read("out.text"), "PASS")
	assert.Contains(t, read("out.text"), "FAIL")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 9, "%v", left)
	for _, f := range left {
		assert.Contains(t, tb.output.String(), "written     "+filepath.Join(dir, f.Name())+"\n", "where it is, is not said")
	}
}

func TestOutputWithoutAPathIsPrinted(t *testing.T) {
	out := visitTwice(t, "json").output.String()
	assert.Equal(t, 2, strings.Count(out, `{"total_runs":2,`))
	assert.NotContains(t, out, "load on for", "text was not asked for")
	assert.Contains(t, out, "verdict     PASS", "how it ended is always said")
	out = visitTwice(t, "text,bench").output.String()
	assert.Contains(t, out, "load on for")
	assert.Contains(t, out, "BenchmarkVisits/visits")
}

func TestPathThatCannotBeWrittenIsSaidBeforeTheRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	environment(t, p+"OUTPUTS=json:"+filepath.Join(dir, "absent", "a.json")+",csv:"+filepath.Join(file, "b.csv"))
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
		t.Error("it went on")
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "CODER_SCALETEST_OUTPUTS has json:"+dir)
	assert.Contains(t, tb.fatal[0], "CODER_SCALETEST_OUTPUTS has csv:"+dir)
	assert.Contains(t, tb.fatal[0], "want a path in a folder that exists")
	assert.NotContains(t, tb.output.String(), "getting ready")
}

func TestPathThatTurnsOutToBeUnwritableFailsTheTest(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"OUTPUTS=csv:"+dir) // a folder
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
	})
	require.Len(t, tb.errors, 1)
	assert.Contains(t, tb.errors[0], "write the results: ")
}

func TestQuietTimeIsAnnounced(t *testing.T) {
	environment(t)
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.RunPlan(tb, harness.Plan{Baseline: 10 * time.Millisecond, Scenarios: []harness.Scenario{visiting(1, 0)}})
	})
	assert.Contains(t, tb.output.String(), "quiet for 10ms (baseline)\ngetting ready\n")
}

func TestEveryRunLeavesItsFiles(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"ARTIFACTS="+dir)
	tb := attempt(t, &fakeTB{name: "TestVisits"}, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(2, 0))
		scaletest.Run(tb, visiting(2, 0))
	})
	require.Empty(t, tb.fatal)
	for _, name := range []string{"result.json", "stream.ndjson", "report.html", "result-2.json", "stream-2.ndjson", "report-2.html"} {
		info, err := os.Stat(filepath.Join(dir, "TestVisits", name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
		assert.NotZero(t, info.Size(), name)
	}
	assert.Contains(t, tb.output.String(), "report      "+filepath.Join(dir, "TestVisits", "report.html")+"\n")
	of, err := harness.ReadResult(filepath.Join(dir, "TestVisits", "stream-2.ndjson"))
	require.NoError(t, err)
	res, err := harness.ReadResult(filepath.Join(dir, "TestVisits", "result-2.json"))
	require.NoError(t, err)
	assert.Equal(t, res.RunID, of.RunID)
	assert.Equal(t, res.Target, of.Target, "what the target says after the run, too")
}

func TestGitHubActionsAreToldWithoutBeingAsked(t *testing.T) {
	summary := filepath.Join(t.TempDir(), "summary.md")
	environment(t, "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+summary)
	tb := attempt(t, &fakeTB{name: "TestVisits"}, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(2, 0))
		scaletest.Run(tb, visiting(2, 1))
	})
	require.Empty(t, tb.fatal)
	assert.Contains(t, tb.output.String(), "::notice title=TestVisits%3A pass::")
	assert.Contains(t, tb.output.String(), "::error title=TestVisits%3A fail::")
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Contains(t, string(text), "## TestVisits: PASS")
	assert.Contains(t, string(text), "## TestVisits: FAIL")

	environment(t, "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+filepath.Join(summary, "no", "folder"))
	tb = attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(2, 0))
	})
	require.Len(t, tb.errors, 1)
	assert.Contains(t, tb.errors[0], "write the job's summary, GITHUB_STEP_SUMMARY: ")
}

func TestARunIsFollowedOnAPageWhenAsked(t *testing.T) {
	environment(t, p+"LIVE_ADDRESS=127.0.0.1:0")
	var page string
	tb := attempt(t, &fakeTB{name: "TestVisits"}, func(tb *fakeTB) {
		tiny.Connect(tb)
		s := visiting(2, 0)
		made := s.Runner
		s.Runner = func(user int) (harness.Runner, error) {
			runner, err := made(user)
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				_, after, _ := strings.Cut(tb.output.String(), "live        ")
				url, _, _ := strings.Cut(after, "\n")
				resp, err := http.Get(url)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if user == 0 {
					page = string(text)
				}
				http.DefaultClient.CloseIdleConnections()
				return errors.Join(err, runner.Run(ctx, rec))
			}), err
		}
		scaletest.Run(tb, s)
	})
	require.Empty(t, tb.fatal)
	assert.Contains(t, page, "<title>TestVisits: running</title>")
	assert.Contains(t, page, `id="stop"`)

	environment(t, p+"LIVE_ADDRESS=nowhere:x")
	tb = attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(2, 0))
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "CODER_SCALETEST_LIVE_ADDRESS: serve the live page at nowhere:x: ")
}
