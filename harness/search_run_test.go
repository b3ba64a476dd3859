package harness_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestBudgetOfProbesEndsTheSearch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		whole := find(t, upTo(300).search(10, 5000))
		certain := 0.0
		for n := 1; n <= len(whole.Probes)+1; n++ {
			s := upTo(300).search(10, 5000)
			s.Budget.Probes = n
			l := find(t, s)
			if n >= len(whole.Probes) {
				require.Equal(t, harness.StopFound, l.Stopped)
				continue
			}
			require.Equal(t, harness.StopBudget, l.Stopped)
			require.Len(t, l.Probes, n)
			require.Less(t, l.Confidence, 0.9)
			require.True(t, l.Holds <= 300 && (l.Breaks == 0 || l.Breaks > 300), "%v", l)
			certain = l.Confidence
		}
		require.Greater(t, certain, 0.8, "the last probe of all adds little")
	})
}

func TestRunThatCannotEndWithinTheBudgetOfTimeIsNotBegun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for budget := 30 * time.Second; budget < 30*time.Minute; budget += 97 * time.Second {
			s := fragile(300, time.Minute).search(10, 5000)
			s.Budget.Time = budget
			l := find(t, s)
			require.LessOrEqual(t, l.EndedAt.Sub(l.StartedAt), budget)
			if l.Stopped != harness.StopFound {
				require.Equal(t, harness.StopBudget, l.Stopped)
				require.Contains(t, l.Reason, "has no room for another run of")
				require.Less(t, budget-l.EndedAt.Sub(l.StartedAt), 4*time.Minute, "there was room")
			}
		}
	})
}

func TestTimeOfSetupAndCleanupIsLeftInTheBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := upTo(1e9).search(10, 5000)
		plan := s.Plan
		s.Plan = func(load float64) (harness.Plan, error) {
			p, err := plan(load)
			p.Scenarios[0].Runner = all(fake{
				run:     func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Minute) },
				cleanup: func(ctx context.Context) error { return sleep(ctx, 50*time.Second) },
			})
			p.Scenarios[0].Thresholds = nil
			return p, err
		}
		s.Budget.Time = 4*time.Minute + 30*time.Second // 110 s, 10 s, 110 s, and 40 s are left
		l := find(t, s)
		require.Equal(t, harness.StopBudget, l.Stopped)
		require.Len(t, l.Probes, 2)
		require.Contains(t, l.Reason, "which takes 2m0s: 3m50s are spent")
	})
}

func TestInterruptEndsTheSearchAndStopsItsRun(t *testing.T) {
	for _, after := range []time.Duration{0, 30 * time.Second, 65 * time.Second, 500 * time.Second, 501 * time.Second} {
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(after, func() { cancel(errors.New("it is late")) })
			defer timer.Stop()
			if after == 0 {
				cancel(errors.New("it is late"))
			}
			s := upTo(300).search(10, 5000)
			plan := s.Plan
			s.Plan = func(load float64) (harness.Plan, error) {
				p, err := plan(load)
				p.GracefulStop = time.Second
				return p, err
			}
			l, err := harness.FindLimit(ctx, s)
			require.NoError(t, err)
			requireLimit(t, l)
			require.Equal(t, harness.StopInterrupted, l.Stopped)
			require.LessOrEqual(t, l.EndedAt.Sub(l.StartedAt), after+2*time.Second)
			if after == 0 {
				require.Empty(t, l.Probes)
				require.Equal(t, "the search was interrupted: it is late", l.Reason)
				require.Equal(t, "not known: no load of 10 to 5000 users was seen to hold or to break", l.String())
			}
			if after == 500*time.Second {
				require.Positive(t, l.Holds, "what was known is lost")
			}
		})
	}
}

func TestInterruptWhileTheCallerIsAskedEndsTheSearch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := upTo(300).search(10, 5000)
		s.Recovered = func(ctx context.Context) error {
			cancel()
			return ctx.Err()
		}
		l, err := harness.FindLimit(ctx, s)
		require.NoError(t, err)
		require.Equal(t, harness.StopInterrupted, l.Stopped)
		require.Equal(t, []float64{160, 320}, []float64{l.Holds, l.Breaks})
	})
}

// lateAbove makes a generator that is late above a load, so often.
func lateAbove(s *harness.Search, above float64, times int) {
	s.Run = func(ctx context.Context, plan harness.Plan) (*harness.Result, error) {
		run, err := harness.Start(ctx, plan)
		if err != nil {
			return nil, err
		}
		res := run.Wait()
		if float64(res.Scenarios[0].Users) > above && times != 0 {
			times--
			res.Verdict, res.Reasons = harness.Invalid, []string{"s: this process was late by 300ms"}
		}
		return res, nil
	}
}

// crowds is an oracle whose load is its number of users.
func crowds(limit float64) harness.Search {
	o := upTo(limit)
	o.plan = func(load float64, p *harness.Plan) {
		p.Scenarios[0].Schedule = harness.AllAtOnce(int(load)).Lasting(time.Minute)
		p.Scenarios[0].Runner = all(fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, work, func(ctx context.Context) error {
				if load > limit {
					return errBroken
				}
				return sleep(ctx, time.Minute)
			})
		}})
	}
	return o.search(10, 1000)
}

func TestGeneratorThatIsTooSlowEndsTheSearchAndBreaksNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := crowds(1000)
		lateAbove(&s, 100, -1)
		l := find(t, s)
		require.Equal(t, harness.StopGenerator, l.Stopped)
		require.Equal(t, []float64{80, 0}, []float64{l.Holds, l.Breaks})
		require.Equal(t, "at 160 users the generator was the limit, twice: s: this process was late by 300ms", l.Reason)
		require.Empty(t, l.At(160))
		require.Contains(t, l.String(), "at least 80 users")
		last := l.Probes[len(l.Probes)-1]
		require.Equal(t, harness.Uncounted, last.Outcome)
		require.Equal(t, harness.Invalid, last.Verdict)
	})
}

func TestHiccupOfTheGeneratorHasASecondChance(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := crowds(200)
		lateAbove(&s, 100, 1)
		l := find(t, s)
		require.Equal(t, harness.StopFound, l.Stopped)
		require.LessOrEqual(t, l.Holds, 200.0)
		require.Greater(t, l.Breaks, 200.0)
	})
}

func TestHiccupsThatDoNotFollowEachOtherEndNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := crowds(200)
		n := 0
		run := s
		lateAbove(&run, 100, -1)
		s.Run = func(ctx context.Context, plan harness.Plan) (*harness.Result, error) {
			if n++; n%2 == 0 {
				return run.Run(ctx, plan)
			}
			r, err := harness.Start(ctx, plan)
			if err != nil {
				return nil, err
			}
			return r.Wait(), nil
		}
		l := find(t, s)
		require.Equal(t, harness.StopFound, l.Stopped)
		hiccups := map[float64]int{}
		for _, p := range l.Probes {
			if p.Verdict == harness.Invalid {
				hiccups[p.Load]++
			}
		}
		require.Greater(t, hiccups[l.Holds]+hiccups[l.Breaks], 2, "this shows nothing")
	})
}

// At twice the load that a deployment serves, all users are busy at the end, and
// arrivals are dropped. That is not the generator's fault.
func TestArrivalsDroppedBecauseTheDeploymentIsSlowBreakTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		search := func(users int, must harness.Threshold) *harness.Limit {
			return find(t, harness.Search{Of: "arrivals/s", From: 10, To: 400, Plan: func(load float64) (harness.Plan, error) {
				s := harness.ConstantArrivals(load, 20*time.Second, users)
				s.MaxWait = time.Second
				return one(s, doing(newDesk(10, 100*time.Millisecond).serve), must), nil
			}})
		}
		l := search(200, harness.P99("work").Below(300*time.Millisecond))
		require.Equal(t, harness.StopFound, l.Stopped, l.Text())
		require.True(t, l.Holds <= 100 && l.Breaks > 100, "%v", l)
		invalid := 0
		for _, p := range l.Probes {
			if p.Verdict == harness.Invalid {
				invalid++
				require.Equal(t, harness.Broke, p.Outcome)
			}
		}
		require.Positive(t, invalid, "nothing was dropped, so this shows nothing")

		// Too few users, and nothing that they ask for is slow.
		l = search(5, harness.P99("work_service").Below(300*time.Millisecond))
		require.Equal(t, harness.StopGenerator, l.Stopped, l.Text())
		require.Contains(t, l.Reason, "all users were busy")
	})
}

// What a search tells by its words must be what real runs say.
func TestGeneratorsOwnFaultIsNeverTheDeployments(t *testing.T) {
	for _, own := range []*pump{{lag: 2 * time.Second}, {intended: 100, sent: 90}} {
		bubble(t, func(t *testing.T) {
			l := find(t, harness.Search{To: 8, Plan: func(float64) (harness.Plan, error) {
				p := planOf(harness.AllAtOnce(1), fake{run: func(_ context.Context, rec *harness.Recorder) error {
					rec.Observe(own)
					return errBroken
				}}, harness.Rate("errors").Below(0.5))
				p.RunID = ""
				return p, nil
			}})
			require.Equal(t, harness.StopGenerator, l.Stopped, l.Text())
			require.Len(t, l.Probes, 2)
			require.Zero(t, l.Breaks, "a threshold broke, but who knows why")
		})
	}
}

func TestNobodyGettingReadyBreaksOnlyAboveALoadThatHeld(t *testing.T) {
	for _, limit := range []float64{5, 100} {
		bubble(t, func(t *testing.T) {
			o := upTo(1e9)
			o.plan = func(load float64, p *harness.Plan) {
				p.Scenarios[0].Runner = all(fake{setup: func(context.Context, *harness.Recorder) error {
					if load > limit {
						return errBroken
					}
					return nil
				}})
				p.Scenarios[0].Thresholds = nil
			}
			l, err := harness.FindLimit(t.Context(), o.search(10, 1000))
			if limit == 100 {
				require.NoError(t, err)
				require.Equal(t, harness.StopFound, l.Stopped)
				require.True(t, l.Holds <= 100 && l.Breaks > 100, "%v", l)
				require.Contains(t, l.Text(), "s: no user got ready: it is broken", "a side without evidence")
				return
			}
			require.ErrorContains(t, err, "of 10 users ended in an error: s: no user got ready: it is broken")
			require.Equal(t, harness.StopError, l.Stopped)
		})
	}
}

func TestCleanupThatFailsEndsTheSearchWithAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := upTo(1e9)
		o.plan = func(load float64, p *harness.Plan) {
			p.Scenarios[0].Runner = all(fake{cleanup: func(context.Context) error {
				if load > 100 {
					return errBroken
				}
				return nil
			}})
			p.Scenarios[0].Thresholds = nil
		}
		l, err := harness.FindLimit(t.Context(), o.search(10, 1000))
		require.ErrorContains(t, err, "of 160 users ended in an error: the cleanup failed for 1 user: it is broken")
		require.Equal(t, harness.StopError, l.Stopped)
		require.Equal(t, 80.0, l.Holds)
		require.Zero(t, l.Breaks)
	})
	bubble(t, func(t *testing.T) { // nobody got ready, and one could not be cleaned up in time
		o := upTo(1e9)
		o.plan = func(load float64, p *harness.Plan) {
			p.CleanupTimeout, p.Grace = time.Second, time.Second
			p.Scenarios[0].CleanupAtATime = 1
			p.Scenarios[0].Schedule = harness.AllAtOnce(2)
			p.Scenarios[0].Runner = all(fake{
				setup: func(context.Context, *harness.Recorder) error {
					if load > 100 {
						return errBroken
					}
					return nil
				},
				cleanup: func(ctx context.Context) error {
					if load > 100 {
						_ = sleep(ctx, time.Hour)
					}
					return nil
				},
			})
			p.Scenarios[0].Thresholds = nil
		}
		l, err := harness.FindLimit(t.Context(), o.search(10, 1000))
		require.ErrorContains(t, err, "of 160 users ended in an error: s: no user got ready")
		require.Equal(t, harness.StopError, l.Stopped)
		require.Zero(t, l.Breaks, "something is left there, so nothing after it would be sound")
	})
}
