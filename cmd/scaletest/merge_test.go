package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// shards writes the results of a run's shards and returns their folder.
func shards(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		r, err := harness.Start(t.Context(), harness.Plan{
			Name: "TestVisits", RunID: "sharded", Shard: harness.Shard{Index: i, Of: n},
			Scenarios: []harness.Scenario{{
				Name: "visits", Schedule: harness.AllAtOnce(5),
				Thresholds: []harness.Threshold{{Metric: "visit", Aggregate: "count", Op: "==", Value: 5}},
				Runner: func(int) (harness.Runner, error) {
					return harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
						rec.Record(visit, time.Millisecond, time.Millisecond, nil)
						return nil
					}), nil
				},
			}},
		})
		require.NoError(t, err)
		require.NoError(t, r.Wait().WriteFile(filepath.Join(dir, "result-"+string(rune('a'+i))+".json")))
	}
	return dir
}

func TestMergeMakesOneResultOfShards(t *testing.T) {
	dir := shards(t, 3)
	whole := filepath.Join(t.TempDir(), "result.json")
	code, out, errs := spoken(t, "merge", dir, "-o", whole)
	require.Equal(t, exitOK, code, errs)
	assert.Empty(t, out)
	res, err := harness.ReadResult(whole)
	require.NoError(t, err)
	assert.Equal(t, 5, res.Scenarios[0].Users)
	assert.Len(t, res.Shards, 3)
	code, out, errs = spoken(t, "merge", "-format", "markdown", whole)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "TestVisits: PASS")
}

func TestMergeFailsAndNamesAShardThatIsMissing(t *testing.T) {
	dir := shards(t, 3)
	require.NoError(t, os.Remove(filepath.Join(dir, "result-b.json")))
	whole := filepath.Join(t.TempDir(), "result.json")
	code, _, errs := spoken(t, "merge", dir, "-o", whole)
	assert.Equal(t, exitInvalid, code)
	assert.Contains(t, errs, "shard 2/3 is missing")
	res, err := harness.ReadResult(whole)
	require.NoError(t, err, "it is written all the same")
	assert.Equal(t, harness.Invalid, res.Verdict)

	code, _, errs = spoken(t, "merge", "-allow-missing", dir, "-o", whole)
	assert.Equal(t, exitFail, code)
	assert.Contains(t, errs, "visit: count==5 is broken: 3", "what is missing is no excuse for a threshold")
	assert.NotContains(t, errs, "missing")
}

func TestMergeRefusesWhatIsNoShard(t *testing.T) {
	code, _, errs := spoken(t, "merge", results(t, 2, time.Millisecond))
	assert.Equal(t, exitError, code)
	assert.Contains(t, errs, "of no shard but of a whole run")
	code, _, errs = spoken(t, "merge", "-format", "xml", "x")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "-format is \"xml\"")
	code, _, errs = spoken(t, "merge")
	assert.Equal(t, exitError, code)
	assert.Contains(t, errs, "no file")
}
