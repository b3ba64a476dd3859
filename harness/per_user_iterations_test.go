package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestPerUserIterationsAreTheSameForQuickAndSlowUsers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.PerUserIterations(4, 3), st.around(harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			return sleep(ctx, time.Duration(1+rec.User())*time.Second)
		}))))
		require.Equal(t, harness.Iterations{Started: 12, Succeeded: 12}, res.Scenarios[0].Iterations)
		of := map[int]int{}
		for _, user := range st.users() {
			of[user]++
		}
		require.Equal(t, map[int]int{0: 4, 1: 4, 2: 4}, of)
		require.Equal(t, 12.0, res.Scenarios[0].LoadSeconds, "what the slowest takes")
	})
}

func TestPerUserIterationsGoOnAfterFailuresWithAPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.PerUserIterations(5, 2), fake{run: func(context.Context, *harness.Recorder) error { return errBroken }})).Scenarios[0]
		require.EqualValues(t, 10, s.Iterations.Failed)
		require.InDelta(t, 0.4, s.LoadSeconds, 1e-6, "there is no pause after the last one")
	})
}

func TestPerUserIterationsThatAStuckUserCantRunAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.PerUserIterations(5, 2), nil)
		p.JobTimeout = time.Second
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			if user == 0 {
				return fake{run: stubborn(release)}, nil
			}
			return takes(time.Millisecond), nil
		}
		require.Equal(t, harness.Iterations{Started: 6, Succeeded: 5, Failed: 1, Stuck: 1, Dropped: 4}, run(t, p).Scenarios[0].Iterations)
	})
}

func TestPerUserIterationsStopBetweenIterations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, planOf(harness.PerUserIterations(100, 2), takes(time.Second)))
		time.Sleep(2500 * time.Millisecond)
		r.Stop()
		require.Equal(t, harness.Iterations{Started: 6, Succeeded: 6}, wait(t, r).Scenarios[0].Iterations)
	})
}

func TestPerUserIterationsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.PerUserIterations(4, 3)
	require.NoError(t, s.Validate())
	require.Equal(t, "3 users at once, 4 iterations each", s.String())
	require.Equal(t, 4*time.Minute, s.Lasting(time.Minute).Length(), "a turn has four iterations of a minute")
	require.ErrorContains(t, harness.PerUserIterations(0, 3).Validate(), "less than 1")
	require.ErrorContains(t, s.Hold(time.Minute).Validate(), "can't be held")
}
