package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestTotalsOfSnapshotsGrowIntoThoseOfTheResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dial := harness.NewAction("dial")
		p := planOf(harness.ConstantArrivals(10, 3500*time.Millisecond, 100), fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, dial, func(ctx context.Context) error { return sleep(ctx, time.Second) })
			},
			run: func(ctx context.Context, rec *harness.Recorder) error {
				rec.Add(testBytes, 7)
				return rec.Do(ctx, work, func(ctx context.Context) error {
					if rec.User() == 3 {
						return errBroken
					}
					return sleep(ctx, 200*time.Millisecond)
				})
			},
		})
		var all []harness.Totals
		p.OnSnapshot = func(s harness.Snapshot) {
			totals := s.Totals()
			require.Len(t, totals, 1)
			require.Equal(t, "s", totals[0].Scenario)
			require.EqualValues(t, 100, totals[0].Ready)
			require.EqualValues(t, 100, totals[0].Setup["dial"].Response.Count())
			all = append(all, totals[0])
		}
		end := run(t, p).Totals()[0]
		require.Len(t, all, 4)
		for i := 1; i < len(all); i++ {
			require.Greater(t, all[i].Iterations.Succeeded, all[i-1].Iterations.Succeeded, "they are sums, and old ones stay as they were")
			require.Greater(t, all[i].Actions["work"].Response.Count(), all[i-1].Actions["work"].Response.Count())
			require.Greater(t, all[i].Counters["test_bytes"], all[i-1].Counters["test_bytes"])
		}
		last := all[len(all)-1]
		require.Zero(t, last.Users)
		require.Equal(t, end.Iterations, last.Iterations)
		require.Equal(t, end.Counters, last.Counters)
		require.Equal(t, end.Actions["work"].Errors, last.Actions["work"].Errors)
		require.Equal(t, end.Actions["work"].Service.Count(), last.Actions["work"].Service.Count())
		require.Equal(t, end.Iteration.Response.Count(), last.Iteration.Response.Count())
		require.Equal(t, end.Lag.Count(), last.Lag.Count())
	})
}

func TestTotalsOfWhatNeverHappenedAreEmpty(t *testing.T) {
	require.Empty(t, harness.Snapshot{}.Totals())
	require.Empty(t, (&harness.Result{}).Totals())
	t1 := (&harness.Result{Scenarios: []harness.ScenarioResult{{Name: "s", Actions: map[string]harness.ActionResult{"work": {Errors: 2}}}}}).Totals()
	require.Zero(t, t1[0].Actions["work"].Response.Count(), "a histogram that is not kept is an empty one")
	require.Zero(t, t1[0].Lag.Count())
}

func TestTotalsSayWhatBecomesOfConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(20), losing(5, 2*time.Second))
		p.Scenarios[0].WarmUp = 6 * time.Second // the losses are before its end
		all := map[int]harness.ConnectionTotals{}
		p.OnSnapshot = func(s harness.Snapshot) { all[int(s.Elapsed.Seconds()+0.5)] = *s.Totals()[0].Connections }
		end := run(t, p).Totals()[0].Connections
		require.Equal(t, harness.ConnectionTotals{Open: 20}, all[5])
		require.Equal(t, harness.ConnectionTotals{Open: 15, Lost: 5}, all[7])
		require.Equal(t, harness.ConnectionTotals{Open: 20, Lost: 5, Restored: 5}, all[9])
		require.Equal(t, &harness.ConnectionTotals{Lost: 5, Restored: 5}, end, "sums of all parts")
	})
}

func TestTotalsOfAScenarioWithoutConnectionsSayNothingOfThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), takes(2*time.Second))
		p.OnSnapshot = func(s harness.Snapshot) { require.Nil(t, s.Totals()[0].Connections) }
		require.Nil(t, run(t, p).Totals()[0].Connections)
	})
}
