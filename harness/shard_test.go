package harness_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestShardsReadWhatTheyWriteAndRefuseTheRest(t *testing.T) {
	for of := 2; of < 8; of++ {
		for i := range of {
			want := harness.Shard{Index: i, Of: of}
			require.NoError(t, want.Validate())
			got, err := harness.ParseShard(want.String())
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	require.Equal(t, "2/5", harness.Shard{Index: 1, Of: 5}.String())
	require.Empty(t, harness.Shard{}.String())
	whole, err := harness.ParseShard("")
	require.NoError(t, err)
	require.NoError(t, whole.Validate())
	for _, text := range []string{"0/5", "6/5", "1/0", "2", "/", "a/b", "1/2/3", "-1/5", "1/-5"} {
		_, err := harness.ParseShard(text)
		require.ErrorContains(t, err, "such as 2/5", "%q", text)
	}
	require.ErrorContains(t, harness.Shard{Index: 5, Of: 5}.Validate(), "want 0 to 4")
	require.ErrorContains(t, harness.Shard{Index: 1}.Validate(), "want 0 to 0")
	require.ErrorContains(t, harness.Shard{Of: -1}.Validate(), "there are -1")
}

func TestSharesOfAllShardsAddUp(t *testing.T) {
	for of := range 8 {
		for n := range 30 {
			sum, had := 0, 0
			for i := range max(of, 1) {
				s := harness.Shard{Index: i, Of: of}
				sum += s.Share(n)
				for k := range n {
					if s.Has(k) {
						had++
					}
				}
			}
			require.Equal(t, n, sum, "%d of %d", n, of)
			require.Equal(t, n, had, "%d of %d", n, of)
		}
	}
}

func TestPlansThatShardsCantFollowAreRefused(t *testing.T) {
	plan := planOf(harness.AtATime(10, 2), takes(0), harness.Threshold{Metric: "work", Aggregate: "count", Op: ">", Value: 3, Abort: true})
	plan.Scenarios = append(plan.Scenarios,
		harness.Scenario{Name: "a", Schedule: harness.ConstantArrivals(1, time.Second, 2), Runner: all(takes(0))},
		harness.Scenario{Name: "b", Schedule: harness.SharedIterations(10, 2), Runner: all(takes(0))},
		harness.Scenario{Name: "c", Schedule: harness.AllAtOnce(1), Runner: all(takes(0))})
	require.NoError(t, plan.Validate())
	plan.Shard, plan.RunID = harness.Shard{Index: 2, Of: 3}, ""
	err := plan.Validate()
	for _, want := range []string{
		"no RunID", `"s" has 2 users at a time, too few for 3 shards`, `"a" has 2 users, too few`, `"b" has 2 users, too few`, "only its part",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), `"c"`, "a shard may have none of a scenario's users")
	plan.Shard = harness.Shard{Index: 3, Of: 3}
	require.ErrorContains(t, plan.Validate(), "the index is 3")
}

// issued is what a run starts, sorted: who, and when it was meant to.
func issued(t *testing.T, s harness.Schedule, shard harness.Shard, users bool) (list []string) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		epoch := time.Now()
		var mu sync.Mutex
		plan := planOf(s, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			mu.Lock()
			line := fmt.Sprint(rec.Intended().Sub(epoch))
			if users {
				line += fmt.Sprintf(" user %d seed %d", rec.User(), rec.Seed())
			}
			list = append(list, line)
			ok := shard.Has(rec.User())
			mu.Unlock()
			if !ok {
				return fmt.Errorf("user %d is not of shard %s", rec.User(), shard)
			}
			return sleep(ctx, 30*time.Millisecond)
		}))
		plan.Shard = shard
		it := run(t, plan).Scenarios[0].Iterations
		require.Zero(t, it.Failed, "%v: a user of another shard ran in %s", s, shard)
		for range it.Dropped {
			list = append(list, "dropped")
		}
	})
	slices.Sort(list)
	return list
}

// schedules are one of each kind with random parameters for n shards, by whether
// the same users have the same starts.
func schedules(rng *rand.Rand, n int) (sameUsers, sameStarts []harness.Schedule) {
	users := 1 + rng.IntN(20)
	places := n * (1 + rng.IntN(3))
	gap := time.Duration(rng.IntN(40)) * time.Millisecond
	const long = 2 * time.Second
	sameUsers = []harness.Schedule{
		harness.AllAtOnce(users),
		harness.AllAtOnce(users).Staggered(gap).Shuffled(rng.Uint64()),
		harness.AllAtOnce(users).Staggered(gap).Hold(long),
		harness.AllAtOnce(users).Hold(long / 4).Shuffled(rng.Uint64()),
		harness.PerUserIterations(1+rng.IntN(4), users),
		harness.AtATime(places+rng.IntN(20), places),
		harness.RampUsers(users, long/2).Hold(long/4).To(rng.IntN(users+1), long/4),
		harness.RampUsers(users, long).Shuffled(rng.Uint64()),
	}
	enough := n * (1 + rng.IntN(5))
	sameStarts = []harness.Schedule{
		harness.ConstantArrivals(anyRate(rng), long, enough),
		harness.PoissonArrivals(anyRate(rng), rng.Uint64(), long, enough),
		harness.RampingArrivals(enough, traffic.Stage{To: anyRate(rng), Over: long}, traffic.Stage{To: 0, Over: anySpan(rng)}),
		harness.SteppedArrivals(enough, traffic.Step{PerSecond: anyRate(rng), For: long}),
		harness.SineArrivals(traffic.Sine{Mean: 60, Amplitude: 60 * rng.Float64(), Period: anySpan(rng)}, long, enough),
		harness.SpikeArrivals(traffic.Spikes{Base: 10 * rng.Float64(), Peak: anyRate(rng), Length: 100 * time.Millisecond, Every: 100*time.Millisecond + anySpan(rng)}, long, enough),
		harness.SharedIterations(enough*(1+rng.IntN(4)), enough),
		harness.ReplayArrivals(traffic.Replay{0, time.Millisecond, time.Millisecond, time.Second}, enough),
	}
	return sameUsers, sameStarts
}

func TestShardsTogetherIssueExactlyWhatOneProcessWould(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for _, n := range []int{1, 2, 3, 4, 5, 7, 12, 31} {
		sameUsers, sameStarts := schedules(rng, n)
		for i, s := range slices.Concat(sameUsers, sameStarts) {
			require.NoError(t, s.Validate(), "%v", s)
			users := i < len(sameUsers)
			var parts []string
			for k := range n {
				parts = append(parts, issued(t, s, harness.Shard{Index: k, Of: n}, users)...)
			}
			slices.Sort(parts)
			require.Equal(t, issued(t, s, harness.Shard{}, users), parts, "%v in %d shards", s, n)
		}
	}
}

func TestArrivalsAreDealtOutByTheirNumber(t *testing.T) {
	for k := range 3 {
		got := issued(t, harness.ConstantArrivals(1, 6*time.Second, 3), harness.Shard{Index: k, Of: 3}, false)
		require.Equal(t, []string{fmt.Sprint(time.Duration(k) * time.Second), fmt.Sprint(time.Duration(k+3) * time.Second)}, got)
	}
}

func TestUnevenPlacesAndSharedIterationsLoseNobody(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	for n := 1; n <= 7; n++ {
		users := 2*n + rng.IntN(20)
		for _, s := range []harness.Schedule{
			harness.AtATime(users, n+rng.IntN(n)).Shuffled(rng.Uint64()).Staggered(time.Millisecond),
			harness.SharedIterations(users+rng.IntN(20), n+rng.IntN(n)),
		} {
			var parts []string
			for k := range n {
				parts = append(parts, issued(t, s, harness.Shard{Index: k, Of: n}, false)...)
			}
			require.Len(t, parts, len(issued(t, s, harness.Shard{}, false)), "%v in %d shards", s, n)
			require.NotContains(t, parts, "dropped")
		}
	}
}

func TestShardSaysWhichItIsAndLeavesThresholdsToTheWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var stream strings.Builder
		plan := planOf(harness.AllAtOnce(4), takes(time.Second), harness.P99("work").Below(time.Millisecond))
		plan.Shard, plan.Stream = harness.Shard{Index: 1, Of: 2}, &stream
		res := run(t, plan)
		require.Equal(t, "2/2", res.Shard)
		require.Equal(t, 2, res.Scenarios[0].Users)
		decided := res.Scenarios[0].Thresholds[0]
		require.True(t, decided.Undecided)
		require.False(t, decided.Passed)
		require.Equal(t, "work: p(99)<1ms is decided over all shards: here it is 1s", decided.Message)
		require.Equal(t, harness.Pass, res.Verdict, "%v", res.Reasons)
		require.Contains(t, stream.String(), `"shard":"2/2"`)
		first, _, _ := strings.Cut(stream.String(), "\n")
		partial, err := harness.ReadStream(strings.NewReader(first + "\n"))
		require.NoError(t, err)
		require.Equal(t, "2/2", partial.Shard)
		require.True(t, partial.Partial)
		require.True(t, partial.Scenarios[0].Thresholds[0].Undecided)
		require.NotContains(t, partial.Reasons, "threshold")
	})
}

func TestShardWithoutUsersOfAScenarioIsAPass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		plan := planOf(harness.RampUsers(1, time.Second), takes(time.Second))
		plan.Shard = harness.Shard{Index: 1, Of: 2}
		res := run(t, plan)
		require.Equal(t, harness.Pass, res.Verdict, "%v", res.Reasons)
		require.Zero(t, res.Scenarios[0].Iterations.Started)
	})
}
