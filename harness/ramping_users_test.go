package harness_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// stays is a runner that stays until it is told to leave, and finishes within
// no time.
func stays() harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		select {
		case <-rec.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func TestRampingUsersComeOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.RampUsers(10, 5*time.Second).Hold(20*time.Second), st.around(stays())))
		require.Equal(t, harness.Iterations{Started: 10, Succeeded: 10}, res.Scenarios[0].Iterations)
		for k, s := range st.list {
			require.Equal(t, startOf{k, time.Duration(k) * time.Second / 2}, s)
		}
		require.Equal(t, 25.0, res.Scenarios[0].LoadSeconds)
		require.Zero(t, res.Scenarios[0].Lag.Max)
	})
}

func TestRampingUsersAreAsManyAsTheLineSaysGiveOrTakeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 1))
	for range 40 {
		type point struct {
			at time.Duration
			n  float64
		}
		line := []point{{0, 0}}
		to, over := 1+rng.IntN(50), anySpan(rng)
		s := harness.RampUsers(to, over)
		line = append(line, point{over, float64(to)})
		for range rng.IntN(5) {
			if over = anySpan(rng); rng.IntN(3) == 0 {
				s = s.Hold(over)
			} else {
				to = rng.IntN(50)
				s = s.To(to, over)
			}
			line = append(line, point{line[len(line)-1].at + over, float64(to)})
		}
		if rng.IntN(2) == 0 {
			s = s.Shuffled(rng.Uint64())
		}
		bubble(t, func(t *testing.T) {
			st := newStarts()
			r := start(t, planOf(s, st.around(stays())))
			for i := 1; i < len(line); i++ {
				a, b := line[i-1], line[i]
				// Not at a time when somebody comes or goes.
				time.Sleep((b.at-a.at)/3 + 7)
				want := a.n + (b.n-a.n)*float64(time.Since(st.epoch)-a.at)/float64(b.at-a.at)
				require.InDelta(t, want, float64(st.now()), 1.001, "%v at %v", s, time.Since(st.epoch))
				time.Sleep(b.at - time.Since(st.epoch))
			}
			it := wait(t, r).Scenarios[0].Iterations
			require.Equal(t, it.Started, it.Succeeded, "%v", s)
		})
	}
}

func TestRampingUserWhoIsToLeaveFinishesItsIteration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var ended []time.Duration
		epoch := time.Now()
		s := harness.RampUsers(4, 0).Hold(10*time.Second).To(0, 4*time.Second).Hold(10 * time.Second)
		res := run(t, planOf(s, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			defer func() {
				mu.Lock()
				ended = append(ended, time.Since(epoch))
				mu.Unlock()
			}()
			return takes(3*time.Second).Run(ctx, rec)
		})))
		it := res.Scenarios[0].Iterations
		require.Zero(t, it.Interrupted+it.Failed+it.Dropped, "%+v", it)
		// They leave at 11, 12, 13 and 14 s: the first three in the iteration that
		// ends at 12 s, one of them just then, the last two in the one after.
		require.EqualValues(t, 4+4+4+4+2, it.Succeeded)
		require.Equal(t, 15*time.Second, ended[len(ended)-1])
		require.Equal(t, 15.0, res.Scenarios[0].LoadSeconds, "nobody comes any more")
	})
}

func TestRampingUserWhoDoesNotFinishInTimeIsInterruptedAndNotFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		s := harness.RampUsers(3, 0).Hold(10*time.Second).To(1, 0).Hold(30 * time.Second).GracefulRampDown(5 * time.Second)
		p := planOf(s, st.around(takes(time.Hour)))
		p.GracefulStop = time.Second
		r := start(t, p)
		time.Sleep(14 * time.Second)
		require.Equal(t, 3, st.now(), "they may finish")
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, st.now(), "the time to finish was over at 15 s")
		res := wait(t, r)
		require.Equal(t, harness.Iterations{Started: 3, Interrupted: 3}, res.Scenarios[0].Iterations)
		require.Zero(t, res.Scenarios[0].Actions["work"].Errors, "nor is what it was doing an error")
		require.InDelta(t, 41, res.Scenarios[0].LoadSeconds, 1e-6, "the last one has the plan's graceful-stop time")
	})
}

func TestRampingUserWhoIgnoresEverythingIsStuckAndTheOthersGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		s := harness.RampUsers(2, 0).Hold(10*time.Second).To(1, 0).Hold(30*time.Second).To(2, 0).Hold(10 * time.Second).GracefulRampDown(time.Second)
		p := planOf(s, nil)
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			if user == 1 {
				return fake{run: stubborn(release)}, nil
			}
			return takes(time.Second), nil
		}
		require.Equal(t, harness.Iterations{Started: 51, Succeeded: 50, Failed: 1, Stuck: 1}, run(t, p).Scenarios[0].Iterations, "nor does it come back")
	})
}

func TestRampingUserComesBackWhenTheNumberRisesAgain(t *testing.T) {
	for name, runner := range map[string]harness.Runner{"that left": stays(), "that was interrupted": takes(time.Hour)} {
		bubble(t, func(t *testing.T) {
			st := newStarts()
			var iterations []int
			s := harness.RampUsers(1, 0).Hold(10*time.Second).To(0, 0).Hold(20*time.Second).To(1, 0).Hold(10 * time.Second).GracefulRampDown(5 * time.Second)
			p := planOf(s, st.around(harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				iterations = append(iterations, rec.Iteration())
				return runner.Run(ctx, rec)
			})))
			require.EqualValues(t, 2, run(t, p).Scenarios[0].Iterations.Started, name)
			require.Equal(t, []time.Duration{0, 30 * time.Second}, st.at(), name)
			require.Equal(t, []int{0, 1}, iterations, "a user %s goes on counting", name)
		})
	}
}

func TestRampingUserWhoIsStillBusyWhenItComesBackGoesOnAfterwards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		s := harness.RampUsers(1, 0).Hold(time.Second).To(0, 0).Hold(time.Second).To(1, 0).Hold(10 * time.Second)
		res := run(t, planOf(s, st.around(takes(4*time.Second))))
		require.Equal(t, []time.Duration{0, 4 * time.Second, 8 * time.Second}, st.at())
		require.InDelta(t, 4, res.Scenarios[0].Actions["work"].Response.Max, 1e-6, "it did not wait for itself")
	})
}

func TestRampingUsersAreStoppedWhereverTheyAre(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, 3 * time.Second, 15 * time.Second, 25 * time.Second} {
		bubble(t, func(t *testing.T) {
			r := start(t, planOf(harness.RampUsers(20, 10*time.Second).Hold(10*time.Second).To(0, 10*time.Second), stays()))
			time.Sleep(after)
			before := time.Now()
			r.Stop()
			it := wait(t, r).Scenarios[0].Iterations
			require.Zero(t, time.Since(before), "those who are to leave later are told now")
			require.Equal(t, it.Started, it.Succeeded)
		})
	}
}

func TestRampingUserWhoFailsAtOnceDoesNotBurnACore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := harness.RampUsers(1, 0).Hold(5*time.Second).To(0, 0).Hold(5 * time.Second)
		res := run(t, planOf(s, fake{run: func(context.Context, *harness.Recorder) error { return errBroken }}))
		require.EqualValues(t, 50, res.Scenarios[0].Iterations.Failed)
		require.Zero(t, res.Scenarios[0].Lag.Max)
	})
}

func TestRampingUsersWhoDidNotGetReadyAreMissing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.RampUsers(4, 4*time.Second).Hold(10*time.Second), nil)
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			if user == 0 {
				return fake{setup: func(context.Context, *harness.Recorder) error { return errBroken }}, nil
			}
			return stays(), nil
		}
		require.Equal(t, harness.Iterations{Started: 3, Succeeded: 3, SetupFailed: 1}, run(t, p).Scenarios[0].Iterations)
	})
}

func TestRampingUsersShuffledComeInAnOrderThatTheirSeedDecides(t *testing.T) {
	order := func(s harness.RampingUsers) (users []int) {
		bubble(t, func(t *testing.T) {
			st := newStarts()
			run(t, planOf(s, st.around(stays())))
			users = st.users()
		})
		return users
	}
	s := harness.RampUsers(20, 20*time.Second)
	first := order(s.Shuffled(7))
	require.Equal(t, first, order(s.Shuffled(7)), "the same seed")
	require.NotEqual(t, first, order(s.Shuffled(8)), "another seed")
	require.ElementsMatch(t, first, order(s), "everybody comes")
}

func TestRampingUsersWithTheSameBeginningDoNotShareAnEnd(t *testing.T) {
	begin := harness.RampUsers(10, time.Second).Hold(time.Second).Hold(time.Second)
	long, short := begin.Hold(time.Hour), begin.To(0, time.Second)
	require.Equal(t, time.Hour+3*time.Second, long.Length())
	require.Equal(t, 4*time.Second, short.Length())
}

func TestRampingUsersDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.RampUsers(200, 10*time.Second).Hold(time.Minute).To(0, 10*time.Second)
	require.NoError(t, s.Validate())
	require.Equal(t, "users: 0 to 200 over 10s, then 200 for 1m0s, then 200 to 0 over 10s", s.String())
	require.Equal(t, "users: 0 to 3 over 1s, with 5s to finish, shuffled with seed 9", harness.RampUsers(3, time.Second).GracefulRampDown(5*time.Second).Shuffled(9).String())
	require.Equal(t, 200, s.Users())
	require.Equal(t, 80*time.Second, s.Length())

	err := harness.RampUsers(0, -1).Hold(0).To(-5, 0).GracefulRampDown(-1).Validate()
	for _, want := range []string{"stage 1 lasts -1ns", "hold in stage 2 is 0s", "stage 3 ends with -5", "never a user", "together last -1ns", "time to finish is -1ns"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, harness.RampingUsers{}.Validate(), "begin with RampUsers")
}
