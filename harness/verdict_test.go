package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestFailedRunsAreCountedAgainstMaxFailures(t *testing.T) {
	fails := fake{run: func(_ context.Context, rec *harness.Recorder) error {
		if rec.User() < 3 {
			return errBroken
		}
		return nil
	}}
	for most, want := range map[int]harness.Verdict{0: harness.Fail, 2: harness.Fail, 3: harness.Pass} {
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(10), fails)
			p.MaxFailures = most
			res := run(t, p)
			require.Equal(t, want, res.Verdict)
			if want == harness.Fail {
				require.Equal(t, "3 failed runs, "+map[int]string{0: "0", 2: "2"}[most]+" allowed; the first: it is broken", res.Reasons[0])
			} else {
				require.Empty(t, res.Reasons)
				require.NotNil(t, res.Reasons)
			}
		})
	}
}

func TestAThresholdOnErrorsDecidesInsteadOfMaxFailures(t *testing.T) {
	fails := fake{run: func(_ context.Context, rec *harness.Recorder) error {
		if rec.User() < 3 {
			return errBroken
		}
		return nil
	}}
	for text, want := range map[string]harness.Verdict{
		"errors: rate<0.5":            harness.Pass,
		"errors: rate<0.3":            harness.Fail,
		"iteration_errors: count<=3":  harness.Pass,
		"iteration_errors: count<3":   harness.Fail,
		"iteration: p(99)<1h":         harness.Fail, // says nothing about errors
		"dropped_iterations: count<1": harness.Fail,
	} {
		bubble(t, func(t *testing.T) {
			th, err := harness.ParseThreshold(text)
			require.NoError(t, err)
			p := planOf(harness.AllAtOnce(10), fails, th)
			p.MaxFailures = 0
			require.Equal(t, want, run(t, p).Verdict, text)
		})
	}
}

func TestUsersWhoDidNotGetReadyCountAlsoWithAThresholdOnErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(10), fake{setup: func(_ context.Context, rec *harness.Recorder) error {
			if rec.User() == 4 {
				return errBroken
			}
			return nil
		}}, harness.Rate("errors").Below(0.5))
		p.MaxFailures = 0
		res := run(t, p)
		require.Equal(t, harness.Fail, res.Verdict, "the load was smaller than planned")
		require.Equal(t, "1 failed run, 0 allowed; the first: it is broken", res.Reasons[0])
		require.Zero(t, *res.Scenarios[0].Thresholds[0].Value, "the setup is not part of the load")
		p.MaxFailures = 1
		require.Equal(t, harness.Pass, run(t, p).Verdict)
	})
}

func TestTheGravestVerdictWinsAndItsReasonComesFirst(t *testing.T) {
	// From pass, each step adds something graver.
	for n, want := range []struct {
		verdict harness.Verdict
		reason  string
	}{
		{harness.Pass, ""},
		{harness.Fail, "s: work: p(99)<1ns is broken: 1s"},
		{harness.Invalid, "s: 98 of 100 iterations were dropped because all users were busy with what they had asked for: the deployment is too slow for so many users, or the schedule needs more of them"},
		{harness.Interrupted, "the run was stopped before its end"},
		{harness.Error, "the cleanup failed for 1 user: it is broken"},
	} {
		t.Run(string(want.verdict), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := fake{run: takes(time.Second).Run}
				p := planOf(harness.AllAtOnce(1), nil)
				if n >= 1 {
					p.Scenarios[0].Thresholds = append(p.Scenarios[0].Thresholds, harness.P99("work").Below(1))
				}
				if n >= 2 {
					s := harness.ConstantArrivals(100, time.Second, 1)
					s.MaxWait = 10 * time.Millisecond
					p.Scenarios[0].Schedule = s
				}
				if n >= 3 {
					long := harness.Scenario{Name: "long", Schedule: harness.AllAtOnce(1).Hold(time.Hour), Runner: all(takes(time.Second))}
					p.Scenarios = append(p.Scenarios, long)
				}
				if n >= 4 {
					f.cleanup = func(context.Context) error { return errBroken }
				}
				p.Scenarios[0].Runner = all(f)
				r := start(t, p)
				if n >= 3 {
					time.Sleep(10 * time.Second)
					r.Stop()
				}
				res := wait(t, r)
				require.Equal(t, want.verdict, res.Verdict, res.Reasons)
				require.Len(t, res.Reasons, n, "the others are given, too")
				if n > 0 {
					require.Equal(t, want.reason, res.Reasons[0])
				}
			})
		})
	}
}

func TestMaxLagIsThePlansAndOnlyTheGeneratorsOwnLatenessCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.ConstantArrivals(1, 100*time.Second, 1), takes(10*time.Second))
		p.GracefulStop = time.Hour
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, "a slow server is no lag: %v", res.Reasons)
		within(t, 910, res.Scenarios[0].Actions["work"].Response.Max, 0.01, "it is a wait")

		late := &pump{lag: 150 * time.Millisecond}
		p = planOf(harness.AllAtOnce(1), fake{run: func(_ context.Context, rec *harness.Recorder) error { rec.Observe(late); return nil }})
		require.Equal(t, harness.Invalid, run(t, p).Verdict)
		p.MaxLag = 200 * time.Millisecond
		require.Equal(t, harness.Pass, run(t, p).Verdict)
	})
}
