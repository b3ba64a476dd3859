package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// breaks is a runner whose iterations take just less than a second and fail once the load is
// this old.
func breaks(after time.Duration) harness.Runner {
	var epoch time.Time
	return fake{
		setup: func(context.Context, *harness.Recorder) error {
			epoch = time.Now()
			return nil
		},
		run: func(ctx context.Context, _ *harness.Recorder) error {
			if err := sleep(ctx, 950*time.Millisecond); err != nil {
				return err
			}
			if time.Since(epoch) > after {
				return errBroken
			}
			return nil
		},
	}
}

func TestABrokenThresholdEndsTheLoadIfAskedTo(t *testing.T) {
	for name, c := range map[string]struct {
		breaks, delay time.Duration
		threshold     harness.RateExpr
		want          float64 // seconds of load
		reason        string
	}{
		"as soon as it is broken":    {10 * time.Second, 0, harness.Rate("errors"), 14, "s: errors: rate<0.2 abort was broken after 13s (it was 0.230769), and ended the load"},
		"not before the delay":       {0, 20 * time.Second, harness.Rate("errors"), 21, "s: errors: rate<0.2 abort after 20s was broken after 20s (it was 1), and ended the load"},
		"never while it holds":       {time.Hour, 0, harness.Rate("errors"), 60, ""},
		"not for want of samples":    {time.Hour, 0, harness.Rate("disconnects"), 60, "s: disconnects: rate<0.2 abort: no samples"},
		"of the iterations as well":  {10 * time.Second, 0, harness.Rate("iteration_errors"), 14, "s: iteration_errors: rate<0.2 abort was broken after 13s (it was 0.230769), and ended the load"},
		"in a phase that has no end": {10 * time.Second, 0, harness.Rate("errors").In(harness.Load), 14, "s: errors: rate<0.2 abort was broken after 13s (it was 0.230769), and ended the load"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := planOf(harness.AllAtOnce(1).Hold(time.Minute), breaks(c.breaks), c.threshold.Below(0.2).AbortOnFail(c.delay))
				res := run(t, p)
				s := res.Scenarios[0]
				require.InDelta(t, c.want, s.LoadSeconds, 1.01, "%v", res.Reasons)
				if c.reason == "" {
					require.Equal(t, harness.Pass, res.Verdict)
					return
				}
				require.Equal(t, harness.Fail, res.Verdict, "a person did not stop it")
				require.Equal(t, c.reason, res.Reasons[0])
				require.Len(t, s.Thresholds, 1, "it is reported as well")
			})
		})
	}
}

func TestAWarmUpEndsTheLoadOnlyByAThresholdOfItsOwn(t *testing.T) {
	for phase, seconds := range map[harness.Phase]float64{harness.WarmUp: 3, harness.Load: 33, harness.CoolDown: 53} {
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{run: func(ctx context.Context, _ *harness.Recorder) error {
				_ = sleep(ctx, time.Second)
				return errBroken
			}}, harness.Rate("iteration_errors").In(phase).Below(0.2).AbortOnFail(2*time.Second))
			p.Scenarios[0].WarmUp, p.Scenarios[0].CoolDown = 30*time.Second, 10*time.Second
			res := run(t, p)
			require.Equal(t, harness.Fail, res.Verdict)
			require.InDelta(t, seconds, res.EndedAt.Sub(res.StartedAt).Seconds(), 2, "%v: %v", phase, res.Reasons)
		})
	}
}

func TestAnAbortEndsTheScenariosBesideIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1).Hold(time.Minute), breaks(0), harness.Rate("errors").Below(0.5).AbortOnFail(5*time.Second))
		p.Scenarios = append(p.Scenarios, harness.Scenario{Name: "other", Schedule: harness.AllAtOnce(1).Hold(time.Minute), Runner: all(takes(time.Second))})
		res := run(t, p)
		require.Equal(t, harness.Fail, res.Verdict, res.Reasons)
		require.InDelta(t, 6, res.Scenarios[1].LoadSeconds, 1.01)
	})
}

func TestPhasesAreThoseThatTheScenarioHas(t *testing.T) {
	p := planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{}, harness.P99("work").In(harness.WarmUp).Below(1), harness.P99("work").In(harness.CoolDown).Below(1))
	err := p.Validate()
	require.ErrorContains(t, err, "the scenario has no warm-up")
	require.ErrorContains(t, err, "the scenario has no cool-down")
}

func TestThresholdsOfAPhaseLookAtNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		p := planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, tagged, func(ctx context.Context) error { return sleep(ctx, 7*time.Second) })
			},
			run: func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(ctx context.Context) error {
					if time.Since(began) < 20*time.Second {
						return sleep(ctx, 2*time.Second)
					}
					return sleep(ctx, time.Second)
				})
			},
		},
			harness.Max("tagged").In(harness.Setup).Above(6*time.Second),
			harness.Max("work").In(harness.Setup).Above(0),
			harness.Max("work").In(harness.WarmUp).Above(1500*time.Millisecond),
			harness.Max("work").Below(1100*time.Millisecond),
			harness.Max("work").In(harness.CoolDown).Below(1100*time.Millisecond),
			harness.Rate("work").In(harness.WarmUp).Below(0.7),
			harness.Rate("work").In(harness.CoolDown).Above(0.9),
		)
		p.Scenarios[0].WarmUp, p.Scenarios[0].CoolDown = 20*time.Second, 10*time.Second
		passed := []bool{}
		s := run(t, p).Scenarios[0]
		for _, th := range s.Thresholds {
			passed = append(passed, th.Passed)
		}
		require.Equal(t, []bool{true, false, true, true, true, true, true}, passed, "%v", s.Thresholds)
		require.Contains(t, s.Thresholds[1].Message, "work@setup: max>0s: no samples (there are of tagged)")
	})
}
