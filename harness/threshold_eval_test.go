package harness_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// evaluated runs ten users, of whom four fail: two with a failed action, two
// without. Each takes a second; the load lasts two seconds.
func evaluated(t *testing.T, thresholds string) []harness.ThresholdResult {
	t.Helper()
	parsed, err := harness.ParseThresholds(thresholds)
	require.NoError(t, err)
	var out []harness.ThresholdResult
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AtATime(10, 5), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			rec.Add(testBytes, 100)
			if rec.User() < 2 {
				time.Sleep(time.Second)
				return errBroken
			}
			return rec.Do(ctx, work, func(ctx context.Context) error {
				if rec.User() < 4 {
					time.Sleep(time.Second)
					return errBroken
				}
				return sleep(ctx, time.Second)
			})
		}), parsed[""]...)
		out = run(t, p).Scenarios[0].Thresholds
	})
	return out
}

func TestEveryKindOfMetricIsEvaluated(t *testing.T) {
	want := map[string]float64{
		"work: p(99)<1h": 1, "work: avg<1h": 1, "work: min<1h": 1, "work: med<1h": 1, "work: max<1h": 1,
		"work: count>0": 6, "work: rate>0": 3,
		"work_service: p(50)<1h":   1,
		"work_errors: count<10":    2,
		"work_errors: rate<1":      0.25,
		"errors: count<10":         4,
		"errors: rate<1":           0.4,
		"iteration: p(90)<1h":      1,
		"iteration: count>0":       6,
		"iteration_errors: rate<1": 0.4, "iteration_errors: count<10": 4,
		"iterations: count>0": 10, "iterations: rate>0": 5,
		"dropped_iterations: rate<1": 0, "dropped_iterations: count<1": 0,
		"lag: max<1s": 0, "lag: count>0": 10,
		"test_bytes: count>0": 1000, "test_bytes: rate>0": 500,
	}
	var texts []string
	for text := range want {
		texts = append(texts, text)
	}
	for _, r := range evaluated(t, strings.Join(texts, ";")) {
		key := strings.ReplaceAll(r.Threshold, "1h0m0s", "1h")
		require.Contains(t, want, key)
		require.NotNil(t, r.Value, r.Message)
		require.InDelta(t, want[key], *r.Value, 0.01*want[key], r.Message)
		require.True(t, r.Passed, r.Message)
		require.Contains(t, r.Message, " holds: ")
	}
}

func TestThresholdWithoutSamplesFails(t *testing.T) {
	for _, r := range evaluated(t, "never: p(99)<1h; never: count<1; never_errors: rate<1; throughput: rate>=0; never_service: max<1h") {
		require.False(t, r.Passed)
		require.Nil(t, r.Value)
		require.Contains(t, r.Message, r.Threshold+": no samples")
	}
}

func TestThresholdOfTheWrongKindSaysSo(t *testing.T) {
	got := evaluated(t, "test_bytes: p(99)<1h; work_errors: max<1h")
	require.Equal(t, "test_bytes: p(99)<1h0m0s: test_bytes is a counter, which has count and rate but no p(99)", got[0].Message)
	require.Equal(t, "work_errors: max<1h0m0s: work_errors is a number of errors, which has count and rate but no max", got[1].Message)
	require.False(t, got[0].Passed || got[1].Passed)
}

func TestComparisonsAreWhatTheySay(t *testing.T) {
	want := map[string]bool{
		"errors: count<4": false, "errors: count<=4": true, "errors: count>4": false,
		"errors: count>=4": true, "errors: count==4": true, "errors: count!=4": false,
		"work: p(99)<10ms": false, "work: p(99)>10ms": true,
	}
	for text, passed := range want {
		r := evaluated(t, text)[0]
		require.Equal(t, passed, r.Passed, text)
	}
	require.Equal(t, "work: p(99)<10ms is broken: 1s", evaluated(t, "work: p(99)<10ms")[0].Message)
	require.Equal(t, "errors: rate<0.01 is broken: 0.4", evaluated(t, "errors: rate<1%")[0].Message)
}

func TestErrorsOfAScenarioWithoutActionsAreThoseOfItsIterations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(4), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			if rec.User() == 0 {
				return errBroken
			}
			return nil
		}}, harness.Rate("errors").Below(0.3))).Scenarios[0]
		require.InDelta(t, 0.25, *s.Thresholds[0].Value, 1e-9)
	})
}

func TestActionThatFailedAndWasRepeatedIsAnErrorOfAnIterationThatSucceeded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(1).Hold(2500*time.Millisecond), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			_ = rec.Do(ctx, work, func(context.Context) error { return errBroken })
			return rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, time.Second) })
		}), harness.Rate("errors").Below(1), harness.Rate("iteration_errors").Below(1))).Scenarios[0]
		require.InDelta(t, 0.5, *s.Thresholds[0].Value, 1e-9)
		require.Zero(t, *s.Thresholds[1].Value)
	})
}

func TestFailedIterationWithoutAFailedActionCountsAlsoAfterOneThatHadThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(1).Hold(1500*time.Millisecond), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			time.Sleep(time.Second)
			if rec.Iteration() == 0 {
				_ = rec.Do(ctx, work, func(context.Context) error { return errBroken })
				return nil
			}
			return errBroken
		}), harness.Count("errors").Below(1))).Scenarios[0]
		require.EqualValues(t, 2, s.Iterations.Started)
		require.EqualValues(t, 2, *s.Thresholds[0].Value)
	})
}
