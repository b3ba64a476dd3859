package harness_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestFailuresAndWarningsAreKeptABoundedNumberOfTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(250), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			rec.Warn("the same for all")
			rec.Warn(fmt.Sprintf("user %d has a remark", rec.User()))
			rec.Logf("user %d", rec.User())
			return fmt.Errorf("user %d failed", rec.User())
		}))).Scenarios[0]
		require.EqualValues(t, 250, s.Iterations.Failed)
		require.Len(t, s.Failures, 100)
		require.Equal(t, 150, s.MoreFailures)
		require.Len(t, s.Warnings, 100)
		require.Contains(t, s.Warnings, "the same for all")
		for _, f := range s.Failures {
			require.Equal(t, fmt.Sprintf("user %d failed", f.User), f.Error, "with its own log")
			require.Contains(t, f.Log, fmt.Sprintf("user %d\n", f.User))
		}
	})
}
