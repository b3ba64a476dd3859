package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestInstantsOfAShardThatBeganLaterAreMoved(t *testing.T) {
	plan := planOf(harness.AllAtOnce(2), harness.RunnerFunc(func(ctx context.Context, _ *harness.Recorder) error {
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		return errBroken
	}))
	plan.Observer = seesOne{}
	results := sharded(t, plan, 2)
	late := results[1]
	late.StartedAt, late.EndedAt = late.StartedAt.Add(5*time.Second), late.EndedAt.Add(5*time.Second)
	whole := merged(t, results...)
	require.Equal(t, 6.0, whole.Seconds)
	var failed []float64
	for _, f := range whole.Scenarios[0].Failures {
		failed = append(failed, f.Seconds)
	}
	require.Equal(t, []float64{1, 6}, failed)
	at := map[string]float64{}
	for _, p := range whole.Phases {
		at[p.Name] = p.At
	}
	require.Equal(t, map[string]float64{"setup": 0, "load": 0, "cleanup": 6, "done": 6}, at, "the load is over when the last one is")
	last := whole.Scenarios[0].Timeline[len(whole.Scenarios[0].Timeline)-1]
	require.GreaterOrEqual(t, last.At, 5.0)

	alone, err := harness.Merge(harness.MergeOptions{AllowMissing: true}, late)
	require.NoError(t, err)
	require.Equal(t, 0.0, alone.Server.Series[0].Points[0][0])
	results[0].Server = nil
	require.Equal(t, 5.0, merged(t, results...).Server.Series[0].Points[0][0], "the first that looked, on the clock of the whole")
}

func TestErrorsWithoutAnActionCountInTheWhole(t *testing.T) {
	plan := planOf(harness.AllAtOnce(10), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		if rec.User() < 4 {
			return errBroken // no action of its own
		}
		return rec.Do(ctx, work, func(context.Context) error { return nil })
	}), harness.Rate("errors").Below(0.41))
	whole := merged(t, sharded(t, plan, 3)...)
	require.Equal(t, harness.Pass, whole.Verdict, "%v", whole.Reasons)
	require.InDelta(t, 0.4, *whole.Scenarios[0].Thresholds[0].Value, 1e-9)
}

func TestAThresholdThatABusyShardMayHaveBrokenIsDoubted(t *testing.T) {
	results := sharded(t, planOf(harness.AllAtOnce(4), takes(time.Second), harness.P99("work").Below(900*time.Millisecond)), 2)
	require.Equal(t, harness.Fail, merged(t, results...).Verdict)
	slow := filed(t, results[1]) // a fake clock's process is never to blame
	slow.Generator.Watch = &harness.SelfWatch{Seconds: 10, CPU: 3.9}
	slow.Generator.GOMAXPROCS = 4
	whole := merged(t, results[0], slow)
	require.Equal(t, harness.Invalid, whole.Verdict)
	require.Contains(t, whole.Reasons[0], "by the process of shard 2/2 itself (it used 3.9 of its 4 cores)")
}

func TestADisruptionIsRecoveredFromWhenAllShardsAre(t *testing.T) {
	plan := planOf(harness.AllAtOnce(4).Hold(15*time.Second), takes(100*time.Millisecond))
	plan.Disruptions = []harness.Disruption{{Name: "restart", At: 5 * time.Second, Do: func(context.Context) error { return nil }}}
	results := sharded(t, plan, 2)
	whole := merged(t, results...)
	require.True(t, whole.Disruptions[0].Recovered)
	require.Positive(t, whole.Disruptions[0].RecoverySeconds)
	results[0].Disruptions[0].Recovered, results[0].Disruptions[0].RecoverySeconds = false, 0
	results[0].Disruptions[0].Error = "it did not come back"
	whole = merged(t, results...)
	require.False(t, whole.Disruptions[0].Recovered)
	require.Zero(t, whole.Disruptions[0].RecoverySeconds)
	require.Equal(t, "shard 1/2: it did not come back", whole.Disruptions[0].Error)
}

func TestThresholdsOfSetupAndWarmUpAreThoseOfAllShards(t *testing.T) {
	p := mergePlan(harness.ConstantArrivals(50.3, 2*time.Second, 60),
		harness.Threshold{Metric: "work", Aggregate: "count", Op: "==", Value: 60, Phase: harness.Setup},
		harness.Threshold{Metric: "iterations", Aggregate: "count", Op: ">", Value: 20, Phase: harness.WarmUp},
		harness.Threshold{Metric: "merge_read", Aggregate: "count", Op: ">", Value: 1, Tags: "kind=write"})
	whole := merged(t, sharded(t, p, 3)...)
	for _, r := range whole.Scenarios[0].Thresholds {
		require.True(t, r.Passed, r.Message)
	}
}
