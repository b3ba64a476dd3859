package harness_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestResultSaysWhatTheGeneratorWas(t *testing.T) {
	g := run(t, planOf(harness.AllAtOnce(1), fake{})).Generator
	require.Equal(t, runtime.Version(), g.Go)
	require.Equal(t, runtime.GOOS, g.OS)
	require.Equal(t, runtime.GOARCH, g.Arch)
	require.Equal(t, runtime.NumCPU(), g.CPUs)
	require.Equal(t, runtime.GOMAXPROCS(0), g.GOMAXPROCS)
	require.GreaterOrEqual(t, g.CPUSeconds, 0.0)
	require.GreaterOrEqual(t, g.LoadStart, 0.0)
}
