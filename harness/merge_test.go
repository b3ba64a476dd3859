package harness_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

var (
	mergeRead    = harness.NewAction("merge_read")
	mergeWrite   = mergeRead.Tag("kind", "write")
	mergeCounter = harness.NewCounter("merge_bytes")
)

// mergePlan does something of everything that results have, the same for the same
// intended instant, whoever does it.
func mergePlan(s harness.Schedule, thresholds ...harness.Threshold) harness.Plan {
	plan := planOf(s, nil, thresholds...)
	plan.Scenarios[0].Runner = all(fake{
		setup: func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, work, func(ctx context.Context) error { return nil })
		},
		run: func(ctx context.Context, rec *harness.Recorder) error {
			n := int(rec.Intended().UnixNano() % 97)
			conn := rec.Connected()
			defer conn.Close()
			rec.Add(mergeCounter, int64(n))
			if n%5 == 0 {
				conn.Lost()
				if err := sleep(ctx, time.Duration(n)*time.Millisecond); err != nil {
					return err
				}
				conn.Restored()
			}
			a := mergeRead
			if n%3 == 0 {
				a = mergeWrite
			}
			return rec.Do(ctx, a, func(ctx context.Context) error {
				if err := sleep(ctx, time.Duration(1+n*n)*12345); err != nil || n%7 != 0 {
					return err
				}
				return errBroken
			})
		},
	})
	plan.Scenarios[0].WarmUp = 500 * time.Millisecond
	return plan
}

// sharded runs each of n shards, at one instant of fake time each.
func sharded(t *testing.T, plan harness.Plan, n int) (results []*harness.Result) {
	t.Helper()
	for i := range n {
		bubble(t, func(t *testing.T) {
			plan.Shard = harness.Shard{Index: i, Of: n}
			results = append(results, run(t, plan))
		})
	}
	return results
}

func merged(t *testing.T, results ...*harness.Result) *harness.Result {
	t.Helper()
	res, err := harness.Merge(harness.MergeOptions{}, results...)
	require.NoError(t, err)
	return res
}

func jsonOf(t *testing.T, res *harness.Result) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, res.Write(&b))
	return b.String()
}

// filed is what a file keeps of a result.
func filed(t *testing.T, res *harness.Result) *harness.Result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, res.WriteFile(path))
	back, err := harness.ReadResult(path)
	require.NoError(t, err)
	return back
}

func TestMergedShardsHaveTheNumbersOfTheWhole(t *testing.T) {
	for _, s := range []harness.Schedule{
		harness.ConstantArrivals(60.7, 2700*time.Millisecond, 400), // none at a whole second, where a snapshot may or may not see it
		harness.PoissonArrivals(80, 3, 1700*time.Millisecond, 400),
		harness.AllAtOnce(100).Staggered(17 * time.Millisecond),
	} {
		for _, n := range []int{1, 2, 5} {
			var whole *harness.Result
			bubble(t, func(t *testing.T) { whole = run(t, mergePlan(s)) })
			if n == 1 {
				n = 3
			}
			results := sharded(t, mergePlan(s), n)
			var fromFiles []*harness.Result
			for _, r := range results {
				fromFiles = append(fromFiles, filed(t, r))
			}
			for _, got := range []*harness.Result{merged(t, results...), merged(t, fromFiles...)} {
				want := filed(t, whole).Scenarios[0]
				sum := filed(t, got).Scenarios[0]
				require.Positive(t, want.Connections.Reconnect.Count)
				require.Positive(t, want.Actions["merge_read"].Tags["kind=write"].Count)
				require.Positive(t, want.WarmUp.Iterations.Started)
				seconds, wantSeconds := sum.Timeline, want.Timeline
				for i := range wantSeconds {
					require.Equal(t, wantSeconds[i].Started, seconds[i].Started, "second %d of %v", i, s)
					require.Equal(t, wantSeconds[i].Users, seconds[i].Users)
					require.Equal(t, wantSeconds[i].Counters, seconds[i].Counters)
					for name, a := range wantSeconds[i].Actions {
						b := seconds[i].Actions[name]
						require.Equal(t, a.Spread, b.Spread)
						require.InDelta(t, a.Max, b.Max, 0.01*a.Max, "seconds know it to 1 %")
						require.Equal(t, a.Errors, b.Errors)
						require.InDelta(t, a.P50, b.P50, 0.2*a.P50)
						require.InDelta(t, a.P99, b.P99, 0.2*a.P99)
					}
				}
				require.Len(t, seconds, len(wantSeconds))
				require.Equal(t, whole.MaxFailures, got.MaxFailures)
				sum.Timeline, want.Timeline = nil, nil
				slices.SortFunc(want.Failures, func(a, b harness.Failure) int { // those of one instant come in any order
					return int(1e9*a.Seconds) - int(1e9*b.Seconds)
				})
				require.Len(t, sum.Failures, len(want.Failures))
				sum.Failures, want.Failures = nil, nil
				for _, c := range []*harness.Connections{sum.Connections, want.Connections, sum.WarmUp.Connections, want.WarmUp.Connections} {
					// Cut off by the clock, its extremes are known to 1 % in either.
					c.Reconnect = harness.Distribution{Count: c.Reconnect.Count, Histogram: c.Reconnect.Histogram}
				}
				require.Equal(t, jsonOf(t, &harness.Result{Scenarios: []harness.ScenarioResult{want}}),
					jsonOf(t, &harness.Result{Scenarios: []harness.ScenarioResult{sum}}), "%v in %d shards", s, n)
			}
		}
	}
}

func TestMergingIsAssociativeAndCommutative(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 3))
	threshold := harness.P99("merge_read").Below(time.Nanosecond)
	for n := 2; n <= 6; n++ {
		plan := mergePlan(harness.ConstantArrivals(50, 2*time.Second, 200), threshold)
		plan.MaxFailures = 3
		plan.Target = map[string]string{"url": "a"}
		plan.Observer = seesOne{}
		results := sharded(t, plan, n)
		for i, r := range results { // as on machines whose clocks and speeds differ
			r.StartedAt = r.StartedAt.Add(time.Duration(rng.IntN(3_000_000_000)))
			r.EndedAt = r.StartedAt.Add(time.Duration(r.Seconds * 1e9))
			r.Target = map[string]string{"url": "a", "host": fmt.Sprint(rng.IntN(2))}
			for k := range r.Scenarios[0].Timeline {
				r.Scenarios[0].Timeline[k].CPU = rng.Float64()
			}
			r.Generator.CPUSeconds = rng.Float64()
			if rng.IntN(2) == 0 {
				results[i] = filed(t, r)
			}
		}
		want := jsonOf(t, merged(t, results...))
		for range 4 {
			parts := slices.Clone(results)
			for len(parts) > 1 {
				rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
				k := 2 + rng.IntN(len(parts)-1)
				one := merged(t, parts[:k]...)
				parts = append(parts[k:], one)
			}
			require.Equal(t, want, jsonOf(t, parts[0]))
		}
		require.Equal(t, want, jsonOf(t, merged(t, merged(t, results...))), "of one result it is that result")
	}
}

// seesOne is an observer with a number.
type seesOne struct{}

func (seesOne) Observe(context.Context) (harness.Observation, error) {
	return harness.Observation{Values: []harness.Value{{Series: "one", Value: 1}}}, nil
}

func TestMergeChangesNoneOfTheResults(t *testing.T) {
	results := sharded(t, mergePlan(harness.ConstantArrivals(50, 2*time.Second, 100)), 3)
	var before []string
	for _, r := range results {
		before = append(before, jsonOf(t, r))
	}
	merged(t, merged(t, results[:2]...), results[2])
	for i, r := range results {
		require.Equal(t, before[i], jsonOf(t, r))
	}
}

func TestThresholdsAreDecidedOnOnceOverTheWhole(t *testing.T) {
	count := func(op string, n float64) harness.Threshold {
		return harness.Threshold{Metric: "iterations", Aggregate: "count", Op: op, Value: n}
	}
	holds := planOf(harness.AllAtOnce(10), takes(time.Second), count("==", 10), harness.P99("work").Below(2*time.Second))
	results := sharded(t, holds, 3)
	for _, r := range results {
		require.False(t, r.Scenarios[0].Thresholds[0].Passed, "a shard has only its part")
	}
	whole := merged(t, results...)
	require.Equal(t, harness.Pass, whole.Verdict, "%v", whole.Reasons)
	require.True(t, whole.Scenarios[0].Thresholds[0].Passed)

	broken := merged(t, sharded(t, planOf(harness.AllAtOnce(10), takes(time.Second), count("<", 10)), 3)...)
	require.Equal(t, harness.Fail, broken.Verdict)
	require.Equal(t, []string{"s: iterations: count<10 is broken: 10"}, broken.Reasons)
}

func TestFailuresOfAllShardsTogetherAreHeldAgainstMaxFailures(t *testing.T) {
	plan := planOf(harness.AllAtOnce(6), harness.RunnerFunc(func(context.Context, *harness.Recorder) error { return errBroken }))
	plan.MaxFailures = 1
	results := sharded(t, plan, 3)
	require.Equal(t, harness.Pass, results[0].Verdict, "two failed in this one, but it is not for a shard to say")
	whole := merged(t, results...)
	require.Equal(t, harness.Fail, whole.Verdict)
	require.Contains(t, whole.Reasons[0], "6 failed runs, 1 allowed")
	require.Len(t, whole.Scenarios[0].Failures, 6)
}

func TestFailuresAreBoundedAsInARun(t *testing.T) {
	plan := planOf(harness.AllAtOnce(250), harness.RunnerFunc(func(context.Context, *harness.Recorder) error { return errBroken }))
	s := merged(t, sharded(t, plan, 3)...).Scenarios[0]
	require.Len(t, s.Failures, 100)
	require.Equal(t, 150, s.MoreFailures)
}

func TestMissingAndPartialShardsMakeItInvalidUnlessTheyAreAllowed(t *testing.T) {
	plan := planOf(harness.AllAtOnce(9).Hold(3*time.Second), takes(time.Second), harness.P99("work").Below(time.Minute))
	var stream strings.Builder
	results := sharded(t, plan, 3)
	plan.Stream = &stream
	sharded(t, plan, 3)
	lines := strings.SplitAfter(stream.String(), "\n")
	third := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"shard":"3/3"`) })
	killed, err := harness.ReadStream(strings.NewReader(strings.Join(lines[third:third+4], "")))
	require.NoError(t, err)

	two := merged(t, results[2], results[0])
	require.Equal(t, harness.Invalid, two.Verdict)
	require.Contains(t, two.Reasons[0], "shard 2/3 is missing")
	require.Len(t, two.Reasons, 1)
	part := merged(t, results[0], results[1], killed)
	require.Equal(t, harness.Invalid, part.Verdict)
	require.Contains(t, part.Reasons[0], "shard 3/3 is partial: the stream ends")
	all := merged(t, two, results[1])
	require.Equal(t, harness.Pass, all.Verdict, "it is complete when the missing one comes: %v", all.Reasons)

	allowed, err := harness.Merge(harness.MergeOptions{AllowMissing: true}, results[0], killed)
	require.NoError(t, err)
	require.Equal(t, harness.Pass, allowed.Verdict, "%v", allowed.Reasons)
	require.Contains(t, allowed.Warnings[0], "shard 2/3 is missing")
	require.Contains(t, allowed.Warnings[1], "shard 3/3 is partial")
}

func TestAShardsOwnVerdictIsThatOfTheWholeAndNamesIt(t *testing.T) {
	results := sharded(t, planOf(harness.AllAtOnce(4), takes(time.Second)), 2)
	results[1].Verdict, results[1].Reasons = harness.Error, []string{"the cleanup failed"}
	results[0].Verdict, results[0].Reasons = harness.Invalid, []string{"too slow"}
	whole := merged(t, results...)
	require.Equal(t, harness.Error, whole.Verdict)
	require.Equal(t, []string{"shard 2/2: the cleanup failed", "shard 1/2: too slow"}, whole.Reasons)
	require.Len(t, whole.Shards, 2)
}

func TestResultsThatAreNoShardsOfOneRunAreRefused(t *testing.T) {
	plan := planOf(harness.AllAtOnce(4), takes(time.Second), harness.P99("work").Below(time.Minute))
	results := sharded(t, plan, 2)
	var whole *harness.Result
	bubble(t, func(t *testing.T) { whole = run(t, plan) })
	other := func(change func(r *harness.Result)) *harness.Result {
		r := filed(t, results[1])
		change(r)
		return r
	}
	for _, c := range []struct {
		want string
		with []*harness.Result
	}{
		{"there are none", nil},
		{"one of them is nil", []*harness.Result{results[0], nil}},
		{"is of no shard", []*harness.Result{results[0], whole}},
		{"shard 1/2 is there twice", []*harness.Result{results[0], results[0]}},
		{"the run ID test, and shard 2/2 has other", []*harness.Result{results[0], other(func(r *harness.Result) { r.RunID = "other" })}},
		{"shards of 2", []*harness.Result{results[0], other(func(r *harness.Result) { r.Shard = "2/3" })}},
		{"the seed 1", []*harness.Result{results[0], other(func(r *harness.Result) { r.Seed = 2 })}},
		{"MaxFailures", []*harness.Result{results[0], other(func(r *harness.Result) { r.MaxFailures = 2 })}},
		{"the name", []*harness.Result{results[0], other(func(r *harness.Result) { r.Name = "n" })}},
		{"the scenarios", []*harness.Result{results[0], other(func(r *harness.Result) { r.Scenarios[0].Schedule = "5 users" })}},
		{"the scenarios", []*harness.Result{results[0], other(func(r *harness.Result) { r.Scenarios[0].Thresholds[0].Threshold = "errors: rate<1" })}},
		{"schema version 9", []*harness.Result{results[0], other(func(r *harness.Result) { r.SchemaVersion = 9 })}},
		{`shard "x"`, []*harness.Result{results[0], other(func(r *harness.Result) { r.Shard = "x" })}},
		{"want a metric", []*harness.Result{other(func(r *harness.Result) { r.Scenarios[0].Thresholds[0].Threshold = "x" })}},
	} {
		_, err := harness.Merge(harness.MergeOptions{}, c.with...)
		require.ErrorContains(t, err, "merge results: ")
		require.ErrorContains(t, err, c.want)
	}
}

func TestPhasesOfDisruptionsAreDecidedOnWhereAllShardsHadThem(t *testing.T) {
	plan := planOf(harness.AllAtOnce(6).Hold(20*time.Second), takes(100*time.Millisecond), harness.P99("work").In(harness.During).Below(time.Minute))
	plan.Disruptions = []harness.Disruption{{Name: "restart", At: 5 * time.Second, Do: func(context.Context) error { return nil }}}
	results := sharded(t, plan, 3)
	whole := merged(t, results...)
	require.Equal(t, harness.Pass, whole.Verdict, "%v", whole.Reasons)
	var during uint64
	for _, r := range results {
		during += r.Disruptions[0].Scenarios[0].During.Actions["work"].Count
	}
	require.Positive(t, during)
	require.Len(t, whole.Disruptions, 1)
	require.Equal(t, during, whole.Disruptions[0].Scenarios[0].During.Actions["work"].Count)
	require.Equal(t, jsonOf(t, whole), jsonOf(t, merged(t, results[2], merged(t, results[1], results[0]))))

	results[1].Disruptions = nil
	lacking := merged(t, results...)
	require.Equal(t, harness.Fail, lacking.Verdict)
	require.Contains(t, lacking.Reasons[0], "shard 1/3 had the disruptions [restart], and shard 2/3 []")
}
