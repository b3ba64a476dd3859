package harness_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestAllAtOnceStartsEveryUserAtTheSameInstant(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.AllAtOnce(50), st.around(takes(time.Second))))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Equal(t, 50, st.most)
		require.Equal(t, slices.Repeat([]time.Duration{0}, 50), st.at())
		require.EqualValues(t, 50, res.Scenarios[0].Iterations.Succeeded)
		require.InDelta(t, 1, res.Scenarios[0].LoadSeconds, 1e-9)
	})
}

func TestAtATimeNeverRunsMoreAndKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.AtATime(10, 3), st.around(takes(time.Second))))
		require.Equal(t, 3, st.most)
		require.EqualValues(t, 10, res.Scenarios[0].Iterations.Succeeded)
		for i, s := range st.list {
			require.Equal(t, time.Duration(i/3)*time.Second, s.at, "turn %d", i)
		}
		for i := range 4 { // those that start together may do so in any order
			group := st.users()[3*i : min(3*i+3, 10)]
			slices.Sort(group)
			require.Equal(t, 3*i, group[0])
			require.Equal(t, min(3*i+2, 9), group[len(group)-1])
		}
		// A turn is meant to start when the one before has ended: nobody waits.
		require.InDelta(t, 1, res.Scenarios[0].Actions["work"].Response.Max, 1e-6)
	})
}

func TestOneByOneKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		run(t, planOf(harness.OneByOne(5), st.around(takes(2*time.Second))))
		require.Equal(t, 1, st.most)
		require.Equal(t, []int{0, 1, 2, 3, 4}, st.users())
		require.Equal(t, 8*time.Second, st.at()[4])
	})
}

func TestOneByOneGoesOnAfterAFailedOrStuckUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.OneByOne(4), nil)
		p.JobTimeout = time.Second
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			switch user {
			case 0:
				return fake{run: func(context.Context, *harness.Recorder) error { return errBroken }}, nil
			case 1:
				return fake{run: stubborn(release)}, nil
			case 2:
				return fake{
					setup: func(context.Context, *harness.Recorder) error { return errBroken },
					run:   func(context.Context, *harness.Recorder) error { panic("it is not ready") },
				}, nil
			}
			return fake{}, nil
		}
		it := run(t, p).Scenarios[0].Iterations
		require.Equal(t, harness.Iterations{Started: 3, Succeeded: 1, Failed: 2, Stuck: 1, SetupFailed: 1}, it)
	})
}

func TestShuffledIsAPermutationThatItsSeedDecides(t *testing.T) {
	order := func(seed uint64) []int {
		var users []int
		bubble(t, func(t *testing.T) {
			st := newStarts()
			run(t, planOf(harness.OneByOne(20).Shuffled(seed), st.around(takes(time.Second))))
			users = st.users()
		})
		return users
	}
	first := order(7)
	require.Equal(t, first, order(7), "the same seed")
	require.NotEqual(t, first, order(8), "another seed")
	slices.Sort(first)
	for i, user := range first {
		require.Equal(t, i, user, "everybody has one turn")
	}
}

func TestHoldRepeatsIterationsUntilItsTimeIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.AllAtOnce(2).Hold(10*time.Second), st.around(takes(3*time.Second))))
		it := res.Scenarios[0].Iterations
		require.Equal(t, harness.Iterations{Started: 8, Succeeded: 8}, it, "0, 3, 6 and 9 s; the last ones may finish")
		require.InDelta(t, 12, res.Scenarios[0].LoadSeconds, 1e-6)
		require.Equal(t, 2, st.most)
	})
}

func TestHoldClosesDoneAndStartsNoMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(3).Hold(time.Minute), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			<-rec.Done()
			return nil
		}}))
		require.Equal(t, harness.Iterations{Started: 3, Succeeded: 3}, res.Scenarios[0].Iterations)
		require.Equal(t, 60.0, res.Scenarios[0].LoadSeconds)
	})
}

func TestHeldUserWhoFailsAtOnceDoesNotBurnACore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.AllAtOnce(1).Hold(9950*time.Millisecond), st.around(fake{run: func(ctx context.Context, _ *harness.Recorder) error {
			if err := sleep(ctx, 30*time.Millisecond); err != nil {
				return err
			}
			return errBroken
		}})))
		require.EqualValues(t, 100, res.Scenarios[0].Iterations.Failed, "one each 100 ms")
		require.Equal(t, 100*time.Millisecond, st.at()[1])
		require.Zero(t, res.Scenarios[0].Lag.Max, "the pause is nobody's lateness")
		require.InDelta(t, 9.95, res.Scenarios[0].LoadSeconds, 1e-6)
	})
}

func TestHeldUserWhoFailsSlowlyIsNotPaused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(1).Hold(10*time.Second), fake{run: func(context.Context, *harness.Recorder) error {
			time.Sleep(time.Second)
			return errBroken
		}}))
		require.EqualValues(t, 10, res.Scenarios[0].Iterations.Failed)
	})
}

func TestStaggeredUsersStartOneGapAfterTheOther(t *testing.T) {
	for name, s := range map[string]harness.Turns{
		"once":    harness.AllAtOnce(5),
		"held":    harness.AllAtOnce(5).Hold(time.Minute),
		"a few":   harness.PerUserIterations(3, 5),
		"in turn": harness.AtATime(9, 5),
	} {
		bubble(t, func(t *testing.T) {
			st := newStarts()
			res := run(t, planOf(s.Staggered(2*time.Second), st.around(takes(20*time.Second))))
			for k, at := range st.at()[:5] {
				require.Equal(t, time.Duration(k)*2*time.Second, at, name)
			}
			require.InDelta(t, 20, res.Scenarios[0].Actions["work"].Response.Max, 1e-6, "%s: nobody waits for a turn that is not meant to be yet", name)
			require.Zero(t, res.Scenarios[0].Lag.Max, name)
		})
	}
}

func TestStaggeredUsersWhoHaveNotComeYetDoNotComeAfterAStop(t *testing.T) {
	for _, s := range []harness.Turns{harness.AllAtOnce(5), harness.AllAtOnce(5).Hold(time.Minute)} {
		bubble(t, func(t *testing.T) {
			r := start(t, planOf(s.Staggered(2*time.Second), takes(time.Second)))
			time.Sleep(500 * time.Millisecond)
			before := time.Now()
			r.Stop()
			require.Equal(t, harness.Iterations{Started: 1, Succeeded: 1}, wait(t, r).Scenarios[0].Iterations)
			require.Equal(t, 500*time.Millisecond, time.Since(before), "a stop waits for the one who runs")
		})
	}
}

func TestTurnsDescribeThemselves(t *testing.T) {
	for want, s := range map[string]harness.Turns{
		"5 users at once":                               harness.AllAtOnce(5),
		"5 users, 2 at a time":                          harness.AtATime(5, 2),
		"5 users one by one":                            harness.OneByOne(5),
		"5 users at once, each 2s after the one before": harness.AllAtOnce(5).Staggered(2 * time.Second),
		"1 user":                                   harness.OneByOne(1),
		"5 users at once for 1m0s":                 harness.AllAtOnce(5).Hold(time.Minute),
		"3 users at once, shuffled with seed 9":    harness.AtATime(3, 10).Shuffled(9),
		"9 users one by one, shuffled with seed 0": harness.OneByOne(9).Shuffled(0),
	} {
		require.Equal(t, want, s.String())
		require.NoError(t, s.Validate())
	}
}

func TestTurnsRefuseWhatCantBe(t *testing.T) {
	for want, s := range map[string]harness.Turns{
		"0 users":                        harness.AllAtOnce(0),
		"-1 users":                       harness.AllAtOnce(-1),
		"users at a time is less than 1": harness.AtATime(3, 0),
		"time to hold is not more than":  harness.AllAtOnce(3).Hold(0),
		"can't be held":                  harness.AtATime(5, 2).Hold(time.Second),
	} {
		require.ErrorContains(t, s.Validate(), want)
	}
	require.ErrorContains(t, harness.AllAtOnce(3).Staggered(-1).Validate(), "gap between starts is -1ns")
	require.ErrorContains(t, harness.AllAtOnce(3).Staggered(time.Second).Hold(2*time.Second).Validate(), "the last of 3 users would start after 2s")
	require.Equal(t, 3*time.Minute+9*time.Second, harness.AtATime(25, 10).Lasting(time.Minute).Staggered(time.Second).Length())
	require.NoError(t, harness.AtATime(2, 2).Hold(time.Second).Validate(), "all of them can be held")
	require.Equal(t, time.Second, harness.AllAtOnce(1).Hold(time.Second).Length())
	require.Zero(t, harness.AllAtOnce(1).Length())
	require.Equal(t, 3*time.Minute, harness.AtATime(25, 10).Lasting(time.Minute).Length(), "three rounds")
	require.Equal(t, time.Minute, harness.AllAtOnce(25).Lasting(time.Minute).Length())
	require.Equal(t, time.Second, harness.AllAtOnce(25).Lasting(time.Minute).Hold(time.Second).Length())
	require.Zero(t, harness.AllAtOnce(25).Lasting(-time.Minute).Length())
}

func TestStaggeredUsersKeepTheirInstantsAlsoWhenTheOnesBeforeAreDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		run(t, planOf(harness.AllAtOnce(3).Staggered(time.Second), st.around(takes(time.Millisecond))))
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, st.at())
		require.Equal(t, []int{0, 1, 2}, st.users())
	})
}
