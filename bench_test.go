//go:build !scaletest

package scaletest_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
)

func TestBenchReportsWhatBenchstatCompares(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"ARTIFACTS="+dir)
	r := testing.Benchmark(func(b *testing.B) {
		target := tiny.Connect(b)
		scaletest.Bench(b, typing(target.Workspaces(b), 300*time.Millisecond))
	})
	require.Positive(t, r.N)
	assert.Positive(t, r.Extra["p50-ns"])
	assert.GreaterOrEqual(t, r.Extra["p99-ns"], r.Extra["p50-ns"])
	assert.Positive(t, r.Extra["MB/s"])
	assert.Zero(t, r.Extra["errors/op"])
	assert.Contains(t, r.Extra, "errors/op")
	assert.NotContains(t, r.String(), "ns/op", "how long a run takes is its plan's choice")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, r.N, "a result for each run")
	result, err := os.ReadFile(files[0])
	require.NoError(t, err)
	assert.NotContains(t, string(result), `"server":`, "looking costs the deployment something, not the same each time")
}

func TestBenchCountsErrorsOnce(t *testing.T) {
	environment(t, p+"MAX_FAILURES=1")
	r := testing.Benchmark(func(b *testing.B) {
		tiny.Connect(b)
		scaletest.Bench(b, visiting(4, 1))
	})
	require.Positive(t, r.N)
	assert.InDelta(t, 1, r.Extra["errors/op"], 0, "a failed action fails its iteration: that is one error")
	assert.NotContains(t, r.Extra, "MB/s", "nothing was sent")
}

func TestBenchFailsUnlessItPasses(t *testing.T) {
	environment(t)
	failed := false
	testing.Benchmark(func(b *testing.B) {
		defer func() { failed = b.Failed() }()
		tiny.Connect(b)
		s := visiting(1, 0)
		s.Runner = func(int) (harness.Runner, error) { return nil, errors.New("no") }
		scaletest.Bench(b, s)
	})
	assert.True(t, failed, "a plan that is refused")
	testing.Benchmark(func(b *testing.B) {
		defer func() { failed = b.Failed() }()
		tiny.Connect(b)
		scaletest.Bench(b, visiting(2, 1))
	})
	assert.True(t, failed, "a run that failed")
}

func TestBenchLeavesNoFoldersBehindThatNobodyAskedFor(t *testing.T) {
	temp := t.TempDir()
	environment(t, p+"ARTIFACTS=")
	t.Setenv("TMPDIR", temp)
	testing.Benchmark(func(b *testing.B) {
		tiny.Connect(b)
		scaletest.Bench(b, visiting(1, 0))
	})
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, left)
}
