package harness_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestTheSameNameIsTheSameActionWhereverItIsMade(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if harness.NewAction("work") != work {
				t.Error("another action of the same name")
			}
		})
	}
	wg.Wait()
	require.Equal(t, "work", work.String())
	require.Equal(t, testBytes, harness.NewCounter("test_bytes"))
	require.Equal(t, "test_bytes", testBytes.String())
	require.NotEqual(t, first, second)
}

func TestNamesThatThresholdsCouldNotReadPanic(t *testing.T) {
	for _, name := range []string{"", "Login", "1st", "a-b", "a b", "_x", "é", strings.Repeat("x", 65), "errors", "iterations", "iteration", "lag", "throughput", "dropped_iterations", "iteration_errors"} {
		require.Panics(t, func() { harness.NewAction(name) }, name)
		require.Panics(t, func() { harness.NewCounter(name) }, name)
	}
}
