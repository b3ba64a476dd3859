package harness_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestResultSurvivesItsFile(t *testing.T) {
	res := sample(t)
	path := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, os.WriteFile(path, []byte("what was there before"), 0o644))
	require.NoError(t, res.WriteFile(path))

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "for its owner's eyes only")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file is left")

	got, err := harness.ReadResult(path)
	require.NoError(t, err)
	require.True(t, res.StartedAt.Equal(got.StartedAt))
	want, err := json.Marshal(res)
	require.NoError(t, err)
	again, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(again))

	h := got.Scenarios[0].Actions["work"].Response.Histogram
	require.EqualValues(t, res.Scenarios[0].Actions["work"].Count, h.Count(), "histograms survive, so that results can be merged")
	for _, p := range []float64{0, 50, 99, 100} {
		require.InEpsilon(t, res.Scenarios[0].Actions["work"].Response.Histogram.Percentile(p), h.Percentile(p), 0.01)
	}
}

func TestResultThatCantBeWrittenLeavesNothing(t *testing.T) {
	res := sample(t)
	require.ErrorContains(t, res.WriteFile(filepath.Join(t.TempDir(), "absent", "result.json")), "write result")
	dir := t.TempDir()
	target := filepath.Join(dir, "result.json")
	require.NoError(t, os.MkdirAll(filepath.Join(target, "a directory"), 0o755))
	require.ErrorContains(t, res.WriteFile(target), "write result")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestFilesThatAreNoResultOfThisVersionAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                        "unexpected end",
		`[]`:                      "cannot unmarshal",
		`{}`:                      "it has no schema version",
		`{"schema_version":null}`: "it has no schema version",
		`{"schema_version":"1"}`:  "cannot unmarshal",
		`{"schema_version":0}`:    "schema version 0, want 1",
		`{"schema_version":2,"run_id":{"of":"another shape"}}`:                "schema version 2, want 1",
		`{"schema_version":1,"run_id":5}`:                                     "cannot unmarshal",
		`{"schema_version":1,"scenarios":[{"lag":{"histogram":"nonsense"}}]}`: "histogram",
	} {
		path := filepath.Join(t.TempDir(), "result.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := harness.ReadResult(path)
		require.ErrorContains(t, err, "read result", text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := harness.ReadResult(filepath.Join(t.TempDir(), "absent.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
