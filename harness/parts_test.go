package harness_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// partedPlan is 30 s of ten arrivals a second, of which the first 10 s and the
// last 5 s do not count.
func partedPlan(r harness.Runner, thresholds ...harness.Threshold) harness.Plan {
	p := planOf(harness.ConstantArrivals(10, 30*time.Second, 200), r, thresholds...)
	p.MaxFailures = 0
	p.Scenarios[0].WarmUp, p.Scenarios[0].CoolDown = 10*time.Second, 5*time.Second
	return p
}

// since is when an iteration was meant to start.
func since(epoch time.Time, rec *harness.Recorder) time.Duration { return rec.Intended().Sub(epoch) }

func TestWarmUpAndCoolDownAreKeptApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		epoch := time.Now()
		res := run(t, partedPlan(harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			d := 100 * time.Millisecond
			switch at := since(epoch, rec); {
			case at < 10*time.Second:
				d = 3 * time.Second // also those that end when it is over
			case at >= 25*time.Second:
				d = 2 * time.Second
			}
			rec.Add(testBytes, 1)
			return takes(d).Run(ctx, rec)
		}), harness.P99("work").Below(200*time.Millisecond), harness.Rate("test_bytes").AtLeast(10), harness.Rate("test_bytes").AtMost(10)))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		s := res.Scenarios[0]
		require.Equal(t, 15.0, s.LoadSeconds)
		require.Equal(t, harness.Iterations{Started: 150, Succeeded: 150}, s.Iterations)
		require.EqualValues(t, 150, s.Actions["work"].Count)
		require.InDelta(t, 0.1, s.Actions["work"].Response.Max, 1e-3)
		require.EqualValues(t, 150, s.Counters["test_bytes"])
		require.EqualValues(t, 150, s.Lag.Count)

		require.Equal(t, 10.0, s.WarmUp.Seconds)
		require.Equal(t, harness.Iterations{Started: 100, Succeeded: 100}, s.WarmUp.Iterations)
		require.InDelta(t, 3, s.WarmUp.Actions["work"].Response.Min, 1e-2)
		require.EqualValues(t, 100, s.WarmUp.Counters["test_bytes"])
		require.InDelta(t, 6.9, s.CoolDown.Seconds, 1e-6, "5 s, and what the last ones took")
		require.Equal(t, harness.Iterations{Started: 50, Succeeded: 50}, s.CoolDown.Iterations)
		require.InDelta(t, 2, s.CoolDown.Iteration.Response.Min, 1e-2)
	})
}

func TestFailuresInTheWarmUpAndTheCoolDownDoNotCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		epoch := time.Now()
		res := run(t, partedPlan(harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if at := since(epoch, rec); at < 10*time.Second || at >= 25*time.Second {
				return errBroken
			}
			return takes(time.Millisecond).Run(ctx, rec)
		}), harness.Rate("errors").Below(0.001)))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		s := res.Scenarios[0]
		require.EqualValues(t, 100, s.WarmUp.Iterations.Failed)
		require.EqualValues(t, 50, s.CoolDown.Iterations.Failed)
		require.Len(t, s.Failures, 100, "they are shown all the same")
		require.Equal(t, "warm-up", s.Failures[0].Phase)
		require.Equal(t, 50, s.MoreFailures)
	})
}

func TestFailuresThatCountAreShownBeforeThoseOfTheWarmUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, partedPlan(fake{run: func(context.Context, *harness.Recorder) error { return errBroken }}))
		require.Equal(t, harness.Fail, res.Verdict)
		require.Contains(t, res.Reasons[0], "150 failed runs, 0 allowed; the first: it is broken")
		require.Equal(t, "load", res.Scenarios[0].Failures[0].Phase, "the warm-up has not used up their place")
		require.Equal(t, "load", res.Scenarios[0].Failures[99].Phase)
	})
}

func TestUserWhoFailsAfterTheWarmUpCountsWheneverItBegan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(3).Hold(time.Minute), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, work, func(ctx context.Context) error {
				if rec.Iteration() > 0 {
					<-rec.Done()
					return nil
				}
				_ = sleep(ctx, time.Duration(5+5*rec.User())*time.Second)
				return errBroken
			})
		}})
		p.Scenarios[0].WarmUp = 10 * time.Second
		res := run(t, p)
		s := res.Scenarios[0]
		require.EqualValues(t, 1, s.WarmUp.Iterations.Failed, "at 5 s")
		require.EqualValues(t, 1, s.WarmUp.Actions["work"].Errors)
		require.EqualValues(t, 2, s.Iterations.Failed, "at 10 and at 15 s")
		require.EqualValues(t, 2, s.Actions["work"].Errors)
	})
}

func TestUserWhoIsThereAllTheTimeCounts(t *testing.T) {
	for name, r := range map[string]harness.Runner{"succeeds": stays(), "is interrupted": takes(time.Hour)} {
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(3).Hold(time.Minute), r)
			p.GracefulStop, p.Scenarios[0].WarmUp = time.Second, 10*time.Second
			s := run(t, p).Scenarios[0]
			require.EqualValues(t, 3, s.Iterations.Succeeded+s.Iterations.Interrupted, name)
			require.Zero(t, s.WarmUp.Iterations, name)
		})
	}
}

func TestDroppedAndLateStartsInTheWarmUpAreNotInvalid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := harness.ConstantArrivals(10, 30*time.Second, 1)
		s.MaxWait = 50 * time.Millisecond
		epoch := time.Now()
		p := planOf(s, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if since(epoch, rec) < 9*time.Second {
				return sleep(ctx, time.Second)
			}
			return nil
		}))
		p.Scenarios[0].WarmUp = 10 * time.Second
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.EqualValues(t, 100, res.Scenarios[0].WarmUp.Iterations.Started+res.Scenarios[0].WarmUp.Iterations.Dropped)
		require.Positive(t, res.Scenarios[0].WarmUp.Iterations.Dropped)
		require.Equal(t, harness.Iterations{Started: 200, Succeeded: 200}, res.Scenarios[0].Iterations)
	})
}

func TestUserWhoIsStuckInTheWarmUpFailsTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.AllAtOnce(2).Hold(time.Minute), nil)
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			if user == 0 {
				return fake{run: stubborn(release)}, nil
			}
			return takes(time.Second), nil
		}
		p.JobTimeout, p.Scenarios[0].WarmUp = 2*time.Second, 30*time.Second
		res := run(t, p)
		require.Equal(t, harness.Fail, res.Verdict)
		require.Contains(t, res.Reasons[0], "stuck after their time was over: 1 user")
	})
}

// ticking is a source with one success for each second.
type ticking struct{ n atomic.Int64 }

func (s *ticking) Collect(into *harness.Collection) {
	var h histogram.Histogram
	h.RecordN(time.Millisecond, uint64(s.n.Load()))
	into.Action(work, &h, &h, s.n.Load())
	into.Counter(testBytes, s.n.Load())
	into.Throughput(s.n.Load(), s.n.Load())
}

func TestSourcesAreCutByTheClock(t *testing.T) {
	for name, stop := range map[string]time.Duration{"at its end": 0, "in the warm-up": 5500 * time.Millisecond, "in the middle": 20500 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(1).Hold(30*time.Second), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
				src := &ticking{}
				rec.Observe(src)
				_ = sleep(ctx, time.Second/2) // not when a part ends
				for {
					select {
					case <-rec.Done():
						return nil
					default:
						src.n.Add(1)
						_ = sleep(ctx, time.Second)
					}
				}
			}})
			p.Scenarios[0].WarmUp, p.Scenarios[0].CoolDown = 10*time.Second, 5*time.Second
			r := start(t, p)
			if stop > 0 {
				time.Sleep(stop + time.Second/4)
				r.Stop()
			}
			s := wait(t, r).Scenarios[0]
			want := map[string][3]int64{"at its end": {10, 15, 5}, "in the warm-up": {6, 0, 0}, "in the middle": {10, 11, 0}}[name]
			require.Equal(t, want, [3]int64{s.WarmUp.Counters["test_bytes"], s.Counters["test_bytes"], s.CoolDown.Counters["test_bytes"]}, name)
			require.Equal(t, want, [3]int64{int64(s.WarmUp.Actions["work"].Count), int64(s.Actions["work"].Count), int64(s.CoolDown.Actions["work"].Count)}, name)
			require.Equal(t, want[1], s.Actions["work"].Errors, name)
			require.Equal(t, want[0], s.WarmUp.Throughput.BytesAchieved, name)
		})
	}
}

func TestRunThatIsStoppedInTheWarmUpShowsNothingThatCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, partedPlan(takes(time.Millisecond), harness.P99("work").Below(time.Second)))
		time.Sleep(5*time.Second + time.Millisecond)
		r.Stop()
		res := wait(t, r)
		s := res.Scenarios[0]
		require.Zero(t, s.LoadSeconds)
		require.False(t, s.Thresholds[0].Passed, "what was not measured does not hold")
		require.InDelta(t, 5, s.WarmUp.Seconds, 0.01)
		require.Zero(t, s.CoolDown.Seconds)
		require.EqualValues(t, 51, s.WarmUp.Iterations.Succeeded)
	})
}

func TestTotalsDoNotGoBackAtTheEndOfALoadWithAWarmUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var last harness.Totals
		p := partedPlan(takes(time.Millisecond))
		p.OnSnapshot = func(s harness.Snapshot) { last = s.Totals()[0] }
		end := run(t, p).Totals()[0]
		require.Equal(t, last.Iterations, end.Iterations)
		require.EqualValues(t, 300, end.Actions["work"].Response.Count())
		require.EqualValues(t, 300, last.Actions["work"].Response.Count())
		require.EqualValues(t, 300, end.Lag.Count())
		require.EqualValues(t, 300, end.Iteration.Service.Count())
	})
}

func TestWarmUpAndCoolDownMustLeaveSomethingThatCounts(t *testing.T) {
	for want, s := range map[string]harness.Scenario{
		"WarmUp is -1ns":                    {Schedule: harness.AllAtOnce(1), WarmUp: -1},
		"CoolDown is -2ns":                  {Schedule: harness.AllAtOnce(1), CoolDown: -2},
		"nothing would count":               {Schedule: harness.AllAtOnce(1).Hold(time.Minute), WarmUp: 40 * time.Second, CoolDown: 20 * time.Second},
		"a schedule whose length is known":  {Schedule: harness.AllAtOnce(1), CoolDown: time.Second},
		"a CoolDown needs a schedule whose": {Schedule: harness.SharedIterations(9, 1).Lasting(time.Minute), CoolDown: time.Second},
	} {
		require.ErrorContains(t, s.Validate(), want)
	}
	s := planOf(harness.SharedIterations(9, 1).Lasting(time.Second), takes(1)).Scenarios[0]
	s.WarmUp = time.Minute
	require.NoError(t, s.Validate(), "how long iterations take is only a guess")
}
