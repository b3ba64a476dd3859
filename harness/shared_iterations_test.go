package harness_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestSharedIterationsAreLeftToQuickUsers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		it := run(t, planOf(harness.SharedIterations(12, 2), st.around(harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			return sleep(ctx, time.Duration(1+4*rec.User())*time.Second)
		})))).Scenarios[0].Iterations
		require.Equal(t, harness.Iterations{Started: 12, Succeeded: 12}, it)
		of := map[int]int{}
		for _, user := range st.users() {
			of[user]++
		}
		require.Equal(t, map[int]int{0: 10, 1: 2}, of, "one takes 1 s, the other 5 s")
	})
}

func TestSharedIterationsAreAsManyAsAskedFor(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	for range 30 {
		bubble(t, func(t *testing.T) {
			total := 1 + rng.IntN(300)
			s := harness.SharedIterations(total, 1+rng.IntN(total))
			it := run(t, planOf(s, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				if rec.Rand().IntN(4) == 0 {
					return errBroken
				}
				return sleep(ctx, time.Duration(rec.Rand().IntN(300))*time.Millisecond)
			}))).Scenarios[0].Iterations
			require.EqualValues(t, total, it.Started, "%v", s)
		})
	}
}

func TestSharedIterationsOfAStuckUserAreTakenByTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.SharedIterations(20, 2), nil)
		p.JobTimeout = time.Second
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			if user == 0 {
				return fake{run: stubborn(release)}, nil
			}
			return takes(500 * time.Millisecond), nil
		}
		require.Equal(t, harness.Iterations{Started: 20, Succeeded: 19, Failed: 1, Stuck: 1}, run(t, p).Scenarios[0].Iterations)
	})
}

func TestSharedIterationsThatNobodyIsLeftForAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.SharedIterations(20, 3), fake{run: stubborn(release)})
		p.JobTimeout = time.Second
		require.Equal(t, harness.Iterations{Started: 3, Failed: 3, Stuck: 3, Dropped: 17}, run(t, p).Scenarios[0].Iterations)
	})
}

func TestSharedIterationsThatFailAtOnceDoNotBurnACore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.SharedIterations(20, 2), fake{run: func(context.Context, *harness.Recorder) error { return errBroken }})).Scenarios[0]
		require.EqualValues(t, 20, s.Iterations.Failed)
		require.GreaterOrEqual(t, s.LoadSeconds, 0.9, "ten rounds, 100 ms apart")
		require.LessOrEqual(t, s.LoadSeconds, 1.0)
		require.Zero(t, s.Lag.Max, "the pause is nobody's lateness")
	})
}

func TestSharedIterationsCutByTheTimeoutFailTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.SharedIterations(100, 2), harness.RunnerFunc(func(ctx context.Context, _ *harness.Recorder) error {
			_ = sleep(ctx, time.Second) // it says that all is well, also when it was cut
			return nil
		}))
		p.Timeout = 10*time.Second + time.Millisecond
		res := run(t, p)
		require.Equal(t, harness.Fail, res.Verdict, "more users than iterations were started, but not all iterations")
		require.EqualValues(t, 22, res.Scenarios[0].Iterations.Started)
	})
}

func TestSharedIterationsStopBetweenIterations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, planOf(harness.SharedIterations(100, 2), takes(time.Second)))
		time.Sleep(2500 * time.Millisecond)
		r.Stop()
		require.Equal(t, harness.Iterations{Started: 6, Succeeded: 6}, wait(t, r).Scenarios[0].Iterations)
	})
}

func TestSharedIterationsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.SharedIterations(100, 30)
	require.NoError(t, s.Validate())
	require.Equal(t, "100 iterations shared by 30 users", s.String())
	require.Equal(t, "1 iterations shared by 1 user", harness.SharedIterations(1, 1).String())
	require.Equal(t, 30, s.Users())
	require.Zero(t, s.Length())
	require.Equal(t, 4*time.Minute, s.Lasting(time.Minute).Length(), "four rounds")
	err := harness.SharedIterations(0, -1).Validate()
	require.ErrorContains(t, err, "there are 0")
	require.ErrorContains(t, err, "-1 users")
	require.ErrorContains(t, harness.SharedIterations(3, 4).Validate(), "nothing to do")
	require.Zero(t, harness.SharedIterations(3, 0).Lasting(time.Second).Length())
}
