package harness_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestEveryRunnerIsCleanedUpWhateverBecameOfIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		var cleaned [6]atomic.Int64
		p := planOf(harness.AllAtOnce(6), nil)
		p.JobTimeout = time.Minute
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			f := fake{cleanup: func(ctx context.Context) error {
				cleaned[user].Add(1)
				deadline, ok := ctx.Deadline()
				require.True(t, ok, "a deadline of its own")
				require.Equal(t, time.Minute, time.Until(deadline))
				return ctx.Err()
			}}
			switch user {
			case 0:
				f.setup = func(context.Context, *harness.Recorder) error { return errBroken }
			case 1:
				f.run = func(context.Context, *harness.Recorder) error { return errBroken }
			case 2:
				f.run = func(context.Context, *harness.Recorder) error { panic(errBroken) }
			case 3:
				f.run = stubborn(release)
			case 4:
				f.run = func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Hour) }
			}
			return f, nil
		}
		res := run(t, p)
		for user := range cleaned {
			require.EqualValues(t, 1, cleaned[user].Load(), "user %d", user)
		}
		require.EqualValues(t, 6, res.Cleanup.Cleaned)
	})
}

func TestCleanupIsLimitedAndTakesSomeAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var active, most atomic.Int64
		p := planOf(harness.AllAtOnce(10), fake{cleanup: func(ctx context.Context) error {
			most.Store(max(most.Load(), active.Add(1)))
			defer active.Add(-1)
			return sleep(ctx, 10*time.Second)
		}})
		p.Scenarios[0].CleanupAtATime = 3
		p.CleanupTimeout = 25 * time.Second
		res := run(t, p)
		require.EqualValues(t, 3, most.Load())
		require.EqualValues(t, 6, res.Cleanup.Cleaned)
		require.EqualValues(t, 3, res.Cleanup.Failed, "cut by the timeout")
		require.EqualValues(t, 1, res.Cleanup.Skipped, "no time left")
		require.InDelta(t, 25, res.Cleanup.Seconds, 1e-6)
		require.Equal(t, harness.Error, res.Verdict, "something is left behind")
		require.Contains(t, res.Reasons[0], "the cleanup failed for 3 users: context deadline exceeded")
		require.Equal(t, "cleanup", res.Cleanup.Failures[0].Phase)
		require.InDelta(t, 25, res.Cleanup.Failures[0].Seconds, 1e-6)
	})
}

func TestCleanupThatHasNoTimeForSomeIsAnErrorEvenIfNoneFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(10), fake{cleanup: func(context.Context) error {
			time.Sleep(10 * time.Second)
			return nil
		}})
		p.Scenarios[0].CleanupAtATime = 2
		p.CleanupTimeout = 15 * time.Second
		p.Grace = 10 * time.Second
		res := run(t, p)
		require.Equal(t, harness.Error, res.Verdict)
		require.Equal(t, "the cleanup had no time for 6 users: give it more than 15s", res.Reasons[0])
	})
}

func TestOneCleanupThatTakesTooLongFailsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(3), nil)
		p.CleanupJobTimeout = time.Second
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			return fake{cleanup: func(ctx context.Context) error {
				if user == 1 {
					return sleep(ctx, time.Hour)
				}
				return nil
			}}, nil
		}
		res := run(t, p)
		require.EqualValues(t, 2, res.Cleanup.Cleaned)
		require.EqualValues(t, 1, res.Cleanup.Failed)
		require.Equal(t, 1, res.Cleanup.Failures[0].User)
	})
}

func TestRunnersWithoutCleanupAreNotCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(3), takes(time.Second)))
		require.Equal(t, harness.CleanupResult{Failures: []harness.Failure{}}, res.Cleanup)
	})
}
