package harness_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestPhasesFollowEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var phases []string
		note := func(what string) { phases = append(phases, what) }
		p := planOf(harness.AllAtOnce(1), fake{
			setup:   func(context.Context, *harness.Recorder) error { note("is set up"); return nil },
			run:     func(context.Context, *harness.Recorder) error { note("runs"); return nil },
			cleanup: func(context.Context) error { note("is cleaned up"); return nil },
		})
		p.OnPhase = note
		r := start(t, p)
		<-r.Done()
		require.Equal(t, []string{"setup", "is set up", "load", "runs", "cleanup", "is cleaned up", "done"}, phases)
		require.Equal(t, harness.Pass, r.Wait().Verdict)
		require.Same(t, r.Wait(), r.Wait(), "may be asked again")
		require.Equal(t, "test", r.ID())
	})
}

func TestStopDuringSetupWaitsForNobodyAndStillCleansUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cleaned atomic.Int64
		p := planOf(harness.AllAtOnce(100), fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, time.Minute) })
			},
			cleanup: func(context.Context) error { cleaned.Add(1); return nil },
		})
		r := start(t, p)
		time.Sleep(90 * time.Second)
		r.Stop()
		before := time.Now()
		res := wait(t, r)
		require.Zero(t, time.Since(before))
		require.Equal(t, harness.Interrupted, res.Verdict)
		s := res.Scenarios[0]
		require.EqualValues(t, 50, s.Ready)
		require.Zero(t, s.Iterations, "neither failed nor started")
		require.Empty(t, s.Failures)
		require.EqualValues(t, 50, s.Setup["work"].Count)
		require.Zero(t, s.Setup["work"].Errors, "cut by the stop")
		require.EqualValues(t, 100, cleaned.Load(), "also those who never ran")
	})
}

func TestStopDuringTheLoadStartsNothingAndLetsThoseThatRunFinish(t *testing.T) {
	for name, s := range map[string]harness.Schedule{
		"one by one": harness.AtATime(20, 2),
		"held":       harness.AllAtOnce(2).Hold(time.Hour),
		"arrivals":   harness.ConstantArrivals(1, time.Hour, 2),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStarts()
				r := start(t, planOf(s, st.around(takes(4*time.Second))))
				time.Sleep(9500 * time.Millisecond)
				r.Stop()
				r.Stop()
				res := wait(t, r)
				require.Equal(t, harness.Interrupted, res.Verdict)
				require.Equal(t, "the run was stopped before its end", res.Reasons[0])
				it := res.Scenarios[0].Iterations
				require.EqualValues(t, 6, it.Succeeded)
				require.Zero(t, it.Interrupted)
				require.Zero(t, it.Failed)
				for _, at := range st.at() {
					require.Less(t, at, 9500*time.Millisecond)
				}
			})
		})
	}
}

func TestGracefulStopIsHonouredAndThenIterationsAreCutButNotFailed(t *testing.T) {
	for name, giveUp := range map[string]func(context.Context) error{
		"its cause":             context.Cause,
		"context.Canceled":      context.Context.Err,
		"what the end led to":   func(context.Context) error { return fmt.Errorf("use of closed connection") },
		"a wrapped one":         func(ctx context.Context) error { return fmt.Errorf("read: %w", ctx.Err()) },
		"an action that failed": func(ctx context.Context) error { return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := planOf(harness.AllAtOnce(3), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
					return rec.Do(ctx, work, func(ctx context.Context) error {
						<-ctx.Done()
						return giveUp(ctx)
					})
				}), harness.Rate("errors").Below(1))
				p.GracefulStop = 10 * time.Second
				r := start(t, p)
				time.Sleep(time.Minute)
				r.Stop()
				before := time.Now()
				res := wait(t, r)
				require.Equal(t, 10*time.Second, time.Since(before))
				s := res.Scenarios[0]
				require.Equal(t, harness.Iterations{Started: 3, Interrupted: 3}, s.Iterations)
				require.Empty(t, s.Failures)
				require.Zero(t, s.Actions["work"].Errors, "the end is no error of the deployment")
			})
		})
	}
}

func TestPanicOrGoexitWhileTheRunEndsIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, planOf(harness.AllAtOnce(2), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			<-ctx.Done()
			if rec.User() == 0 {
				runtime.Goexit()
			}
			panic("on the way out")
		}}))
		time.Sleep(time.Second)
		r.Stop()
		require.EqualValues(t, 2, wait(t, r).Scenarios[0].Iterations.Failed)
	})
}

func TestStopDuringCleanupChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(2), fake{cleanup: func(ctx context.Context) error { return sleep(ctx, 10*time.Second) }})
		r := start(t, p)
		time.Sleep(5 * time.Second)
		r.Stop()
		res := wait(t, r)
		require.Equal(t, harness.Pass, res.Verdict, "the load had ended, the numbers are whole: %v", res.Reasons)
		require.EqualValues(t, 2, res.Cleanup.Cleaned)
		r.Stop()
		r.Abort()
		require.Equal(t, harness.Pass, r.Wait().Verdict)
	})
}

func TestAbortGoesStraightToTheResult(t *testing.T) {
	for name, f := range map[string]fake{
		"setup":   {setup: func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Minute) }},
		"load":    {run: func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Minute) }},
		"cleanup": {cleanup: func(ctx context.Context) error { return sleep(ctx, time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := planOf(harness.AllAtOnce(10), f)
				p.Scenarios[0].CleanupAtATime = 2
				r := start(t, p)
				time.Sleep(10 * time.Second)
				r.Abort()
				before := time.Now()
				res := wait(t, r)
				require.Zero(t, time.Since(before))
				require.Equal(t, harness.Interrupted, res.Verdict, res.Reasons)
				require.Equal(t, "the run was aborted", res.Reasons[0])
				require.EqualValues(t, 10, res.Cleanup.Skipped, "%+v", res.Cleanup)
				if name == "load" {
					require.EqualValues(t, 10, res.Scenarios[0].Iterations.Interrupted)
				}
			})
		})
	}
}

func TestAbortIsNotHeldUpByRunnersThatIgnoreTheirContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		r := start(t, planOf(harness.AllAtOnce(3), fake{run: stubborn(release)}))
		time.Sleep(time.Second)
		r.Abort()
		before := time.Now()
		require.EqualValues(t, 3, wait(t, r).Scenarios[0].Iterations.Stuck)
		require.Equal(t, 5*time.Second, time.Since(before), "the grace period")
	})
}

type key struct{}

func TestParentsEndIsAStopAndItsValuesReachRunners(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		var cleaned, seen any
		p := planOf(harness.AllAtOnce(1).Hold(time.Hour), fake{
			run: func(ctx context.Context, rec *harness.Recorder) error {
				seen = ctx.Value(key{})
				<-rec.Done()
				return ctx.Err() // is still nil: the graceful-stop time has just begun
			},
			cleanup: func(ctx context.Context) error {
				cleaned = ctx.Value(key{})
				return ctx.Err()
			},
		})
		r, err := harness.Start(ctx, p)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		cancel()
		res := wait(t, r)
		require.Equal(t, harness.Interrupted, res.Verdict)
		require.Equal(t, harness.Iterations{Started: 1, Succeeded: 1}, res.Scenarios[0].Iterations)
		require.Equal(t, "value", seen)
		require.Equal(t, "value", cleaned)

		_, err = harness.Start(ctx, p)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestJobTimeoutFailsAnIterationAndNotTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.OneByOne(3), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			return sleep(ctx, time.Duration(rec.User())*time.Minute)
		}})
		p.JobTimeout = 90 * time.Second
		res := run(t, p)
		require.Equal(t, harness.Iterations{Started: 3, Succeeded: 2, Failed: 1}, res.Scenarios[0].Iterations)
		require.Equal(t, 2, res.Scenarios[0].Failures[0].User)
		require.InDelta(t, 150, res.Scenarios[0].Failures[0].Seconds, 1e-6)
	})
}

func TestPlansTimeoutEndsTheLoadAndFailsTheRun(t *testing.T) {
	for name, tc := range map[string]struct {
		schedule    harness.Schedule
		setup       time.Duration
		interrupted int64
		dropped     int64
	}{
		"one by one": {harness.OneByOne(100), 0, 1, 0},
		"held":       {harness.AllAtOnce(2).Hold(30 * time.Second), 10 * time.Second, 2, 0},
		"arrivals":   {harness.ConstantArrivals(1, 30*time.Second, 3), 9500 * time.Millisecond, 3, 12},
		"rare ones":  {harness.ConstantArrivals(0.036, 30*time.Second, 3), 5 * time.Second, 0, 0}, // at 5 and 32.8 s
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := planOf(tc.schedule, fake{
					setup: func(context.Context, *harness.Recorder) error { time.Sleep(tc.setup); return nil },
					run:   func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, 7*time.Second) },
				})
				p.Timeout = 30 * time.Second
				p.Scenarios[0].SetupAtATime = 100
				before := time.Now()
				res := run(t, p)
				require.Equal(t, p.Timeout, time.Since(before))
				require.Contains(t, strings.Join(res.Reasons, "\n"), "s: the plan's timeout of 30s was over before the load")
				require.Contains(t, []harness.Verdict{harness.Fail, harness.Invalid}, res.Verdict)
				require.Equal(t, tc.interrupted, res.Scenarios[0].Iterations.Interrupted)
				require.Equal(t, tc.dropped, res.Scenarios[0].Iterations.Dropped)
			})
		})
	}
}

func TestTimeoutThatIsAsLongAsTheLoadIsNoFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(2).Hold(30*time.Second), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			<-rec.Done()
			return nil
		}})
		p.Timeout = 30 * time.Second
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	})
}

func TestScenariosRunSideBySideEachAfterItsDelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		p := planOf(harness.AllAtOnce(1), st.around(takes(10*time.Second)))
		second := p.Scenarios[0]
		second.Name, second.StartAfter = "later", 4*time.Second
		p.Scenarios = append(p.Scenarios, second)
		res := run(t, p)
		require.Equal(t, []time.Duration{0, 4 * time.Second}, st.at())
		require.Equal(t, 2, st.most)
		require.InDelta(t, 10, res.Scenarios[1].LoadSeconds, 1e-6, "from its own beginning")
		within(t, 10, res.Scenarios[1].Actions["work"].Response.Max, 1e-3, "its delay is nobody's wait")
		require.Len(t, res.Scenarios[0].Timeline, len(res.Scenarios[1].Timeline))
	})
}

func TestStopBeforeADelayedScenarioBeginsNeverStartsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), takes(time.Second))
		p.Scenarios[0].StartAfter = time.Hour
		r := start(t, p)
		time.Sleep(time.Second)
		r.Stop()
		s := wait(t, r).Scenarios[0]
		require.Zero(t, s.Iterations)
		require.Zero(t, s.LoadSeconds)
	})
}

func TestRunnersThatCantBeMadeRefuseThePlan(t *testing.T) {
	p := planOf(harness.AllAtOnce(3), nil)
	p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
		if user == 2 {
			return nil, errBroken
		}
		return fake{}, nil
	}
	other := p.Scenarios[0]
	other.Name, other.Runner = "other", all(nil)
	p.Scenarios = append(p.Scenarios, other)
	_, err := harness.Start(t.Context(), p)
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, `scenario "s": user 2: it is broken`)
	require.ErrorContains(t, err, `scenario "other": user 0: Runner returned nil`)
}
