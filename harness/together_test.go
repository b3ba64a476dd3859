package harness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// gatedPlan has users who note when they begin.
func gatedPlan(began *[]time.Time, gate harness.Gate) harness.Plan {
	return harness.Plan{
		Gate: gate,
		Scenarios: []harness.Scenario{{
			Name:     "gated",
			Schedule: harness.AllAtOnce(1).Hold(3 * time.Second),
			Runner: func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(ctx context.Context, _ *harness.Recorder) error {
					*began = append(*began, time.Now())
					return sleep(ctx, 3*time.Second)
				}), nil
			},
		}},
	}
}

func TestTheLoadBeginsAtTheInstantThatTheGateNames(t *testing.T) {
	for name, sequence := range map[string]bool{"side by side": false, "sequence": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, asked := time.Now(), []string{}
				var began []time.Time
				plan := gatedPlan(&began, func(_ context.Context, scenario string) (time.Time, error) {
					asked = append(asked, scenario)
					return begin.Add(90 * time.Second), nil
				})
				plan.Sequence = sequence
				run, err := harness.Start(t.Context(), plan)
				require.NoError(t, err)
				res := run.Wait()
				require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
				require.Equal(t, []time.Time{begin.Add(90 * time.Second)}, began)
				require.InDelta(t, 3, res.Scenarios[0].LoadSeconds, 0.01)
				want := ""
				if sequence {
					want = "gated"
				}
				require.Equal(t, []string{want}, asked)
			})
		})
	}
}

func TestAGateThatFailsLetsNobodyThroughAndIsAnError(t *testing.T) {
	for name, change := range map[string]func(*harness.Plan){
		"side by side":   func(*harness.Plan) {},
		"sequence":       func(p *harness.Plan) { p.Sequence = true },
		"after baseline": func(p *harness.Plan) { p.Baseline = 10 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var began []time.Time
				plan := gatedPlan(&began, func(context.Context, string) (time.Time, error) {
					return time.Time{}, errors.New("shard 3/5 did not come")
				})
				change(&plan)
				run, err := harness.Start(t.Context(), plan)
				require.NoError(t, err)
				res := run.Wait()
				require.Equal(t, harness.Error, res.Verdict)
				require.Equal(t, "the load did not begin: shard 3/5 did not come", res.Reasons[0])
				require.Empty(t, began)
				for _, p := range res.Phases {
					require.NotEqual(t, "load", p.Name, "a load that did not begin is none")
				}
			})
		})
	}
}

func TestAStopAtTheGateEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Time
		run, err := harness.Start(t.Context(), gatedPlan(&began, func(ctx context.Context, _ string) (time.Time, error) {
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		}))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		run.Stop()
		res := run.Wait()
		require.Equal(t, harness.Interrupted, res.Verdict)
		require.Empty(t, began)
	})
}

func TestTimesOfDayAreByTheClockThatShardsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Time
		var stream bytes.Buffer
		begin := time.Now()
		plan := gatedPlan(&began, nil)
		plan.Clock = &harness.Clock{Offset: -2.5, Uncertainty: 0.01, Reference: "the Date of https://coder.example.com"}
		plan.Stream, plan.Fingerprint = &stream, "3 targets"
		run, err := harness.Start(t.Context(), plan)
		require.NoError(t, err)
		res := run.Wait()
		want := begin.Add(-2500 * time.Millisecond)
		require.WithinDuration(t, want, res.StartedAt, 0)
		require.WithinDuration(t, want.Add(3*time.Second), res.EndedAt, 10*time.Millisecond)
		require.Equal(t, plan.Clock, res.Clock)

		var first harness.StreamRecord
		require.NoError(t, json.NewDecoder(&stream).Decode(&first))
		require.WithinDuration(t, want, first.Start.StartedAt, 0)
		require.Equal(t, plan.Clock, first.Start.Clock)
		require.Equal(t, "3 targets", first.Start.Fingerprint)
	})
}

func TestShardsThatWereDealtDifferentTargetsAreInvalid(t *testing.T) {
	for name, other := range map[string]string{"same": "100 targets, 3f", "different": "99 targets, a0"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shards []*harness.Result
				for i, fingerprint := range []string{"100 targets, 3f", other} {
					plan := gatedPlan(new([]time.Time), nil)
					plan.Scenarios[0].Schedule = harness.AllAtOnce(2).Hold(3 * time.Second)
					plan.RunID, plan.Fingerprint = "together", fingerprint
					plan.Shard = harness.Shard{Index: i, Of: 2}
					run, err := harness.Start(t.Context(), plan)
					require.NoError(t, err)
					shards = append(shards, run.Wait())
				}
				res, err := harness.Merge(harness.MergeOptions{}, shards...)
				require.NoError(t, err)
				if other == "100 targets, 3f" {
					require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
					return
				}
				require.Equal(t, harness.Invalid, res.Verdict)
				require.Contains(t, res.Reasons[0], "shards 1/2 and 2/2 were dealt different targets (100 targets, 3f and 99 targets, a0)")
			})
		})
	}
}

func TestOnlyTheFirstShardDisturbsWhatIsTested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		did, undid := 0, 0
		for i := range 3 {
			plan := gatedPlan(new([]time.Time), nil)
			plan.Scenarios[0].Schedule = harness.AllAtOnce(3).Hold(20 * time.Second)
			plan.RunID, plan.Shard = "together", harness.Shard{Index: i, Of: 3}
			plan.Disruptions = []harness.Disruption{{
				Name: "lose", At: 5 * time.Second, For: time.Second,
				Do:   func(context.Context) error { did++; return nil },
				Undo: func(context.Context) error { undid++; return nil },
			}}
			run, err := harness.Start(t.Context(), plan)
			require.NoError(t, err)
			res := run.Wait()
			require.Len(t, res.Disruptions, 1, "each tells its users' story")
			require.Equal(t, 5.0, res.Disruptions[0].At)
		}
		require.Equal(t, []int{1, 1}, []int{did, undid})
	})
}
