package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestArrivalsThatWaitedForUsersAreCountedAndRemarkedOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// 5 users of 200 ms carry 25 arrivals a second.
		s := run(t, planOf(harness.ConstantArrivals(50, 2*time.Second, 5), takes(200*time.Millisecond))).Scenarios[0]
		require.EqualValues(t, 100, s.Iterations.Started)
		require.InDelta(t, 95, s.Iterations.Waited, 3)
		require.Len(t, s.Warnings, 1)
		require.Contains(t, s.Warnings[0], "of 100 arrivals waited because all 5 users were busy")
		require.Contains(t, s.Warnings[0], "they took 4.1s, where 2s was intended")

		s = run(t, planOf(harness.ConstantArrivals(50, 2*time.Second, 20), takes(200*time.Millisecond))).Scenarios[0]
		require.Zero(t, s.Iterations.Waited)
		require.Empty(t, s.Warnings)

		s = run(t, planOf(harness.AllAtOnce(5).Hold(2*time.Second), takes(200*time.Millisecond))).Scenarios[0]
		require.Zero(t, s.Iterations.Waited, "who goes on waits for nobody")
	})
}

func TestArrivalsThatWaitedInTheWarmUpAreThose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		p := planOf(harness.ConstantArrivals(10, 20*time.Second, 5), fake{run: func(ctx context.Context, _ *harness.Recorder) error {
			if time.Since(began) < 2*time.Second {
				return sleep(ctx, time.Second)
			}
			return sleep(ctx, 10*time.Millisecond)
		}})
		p.Scenarios[0].WarmUp = 10 * time.Second
		s := run(t, p).Scenarios[0]
		require.Positive(t, s.WarmUp.Iterations.Waited)
		require.Zero(t, s.Iterations.Waited)
		require.Empty(t, s.Warnings)
	})
}

func TestFailedActionsThatNobodyDecidesOnAreRemarkedOn(t *testing.T) {
	careless := fake{run: func(ctx context.Context, rec *harness.Recorder) error {
		_ = rec.Do(ctx, work, func(context.Context) error { return errBroken })
		return nil
	}}
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(100), careless))
		require.Equal(t, harness.Pass, res.Verdict)
		require.Len(t, res.Scenarios[0].Warnings, 1)
		require.Contains(t, res.Scenarios[0].Warnings[0], "100 actions failed in iterations that did not")

		res = run(t, planOf(harness.AllAtOnce(100), careless, harness.Rate("errors").AtMost(1)))
		require.Empty(t, res.Scenarios[0].Warnings, "somebody decided")
	})
}
