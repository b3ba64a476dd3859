package harness_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

var (
	first  = harness.NewAction("test_first")
	second = harness.NewAction("test_second")
)

func TestFirstActionCountsFromTheIntendedStartAndLaterOnesFromTheEndBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.ConstantArrivals(1, 2*time.Second, 1), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			_ = rec.Do(ctx, first, func(ctx context.Context) error { return sleep(ctx, 2*time.Second) })
			time.Sleep(time.Second) // without Pause, a person waits
			return rec.Do(ctx, second, func(ctx context.Context) error { return sleep(ctx, time.Second) })
		}))).Scenarios[0]
		// Iterations are meant to start at 0 and 1 s, and do so at 0 and 4 s.
		within(t, 5, s.Actions["test_first"].Response.Max, 1e-6, "from 1 s to 6 s")
		within(t, 2, s.Actions["test_first"].Service.Max, 1e-6, "service")
		within(t, 2, s.Actions["test_second"].Response.Max, 1e-6, "from the end of the first one")
		within(t, 1, s.Actions["test_second"].Service.Max, 1e-6, "service")
		within(t, 7, s.Iteration.Response.Max, 1e-6, "from 1 s to 8 s")
		within(t, 4, s.Iteration.Service.Max, 1e-6, "from 4 s to 8 s")
	})
}

func TestPauseIsNobodysWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(1), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			time.Sleep(time.Hour)
			rec.Pause()
			return takes(time.Second).Run(ctx, rec)
		}))).Scenarios[0]
		within(t, 1, s.Actions["work"].Response.Max, 1e-6, "from the pause's end")
	})
}

func TestActionAfterAFailedOneCountsFromItsEndAndSoDoesOneOfAnotherIteration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(1).Hold(5500*time.Millisecond), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if err := rec.Do(ctx, first, func(ctx context.Context) error {
				time.Sleep(time.Second)
				return errBroken
			}); rec.Iteration()%2 == 0 {
				return err
			}
			return rec.Do(ctx, second, func(ctx context.Context) error { return sleep(ctx, time.Second) })
		})))
		s := res.Scenarios[0]
		require.Equal(t, harness.Iterations{Started: 4, Succeeded: 2, Failed: 2}, s.Iterations)
		require.EqualValues(t, 4, s.Actions["test_first"].Errors)
		require.Zero(t, s.Actions["test_first"].Count, "a failure's time is not mixed with those of successes")
		within(t, 1, s.Actions["test_second"].Response.Max, 1e-6, "not since the failed iteration")
		within(t, 2, s.Iteration.Response.Max, 1e-6, "an iteration counts from its own intended start")
	})
}

func TestDoReturnsTheErrorOfItsFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(1), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, work, func(context.Context) error { return errBroken })
		}))).Scenarios[0]
		require.Equal(t, "it is broken", s.Failures[0].Error)
	})
}

func TestRecorderMayBeUsedByManyGoroutines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(4), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 100 {
						rec.Record(work, time.Second, time.Millisecond, nil)
						rec.Add(testBytes, 3)
						rec.Logf("hello")
						rec.Warn("a remark")
					}
					rec.Record(work, 0, 0, errBroken)
				})
			}
			wg.Wait()
			return nil
		}))).Scenarios[0]
		require.EqualValues(t, 3200, s.Actions["work"].Count)
		require.EqualValues(t, 32, s.Actions["work"].Errors)
		require.EqualValues(t, 9600, s.Counters["test_bytes"])
		require.Equal(t, []string{
			"a remark", // once for each text
			"32 actions failed in iterations that did not, and nothing decides about that: let Run return the error, or set a threshold on errors",
		}, s.Warnings)
		within(t, 1, s.Actions["work"].Response.P50, 0.01, "response")
		within(t, 0.001, s.Actions["work"].Service.P50, 0.01, "service")
	})
}

func TestRandomnessIsDecidedByThePlansSeedAndDiffersBetweenUsers(t *testing.T) {
	draw := func(seed uint64) map[[2]uint64]bool {
		var mu sync.Mutex
		got := map[[2]uint64]bool{}
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(100), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
				mu.Lock()
				defer mu.Unlock()
				require.Equal(t, seed, rec.RunSeed(), "the same for all users")
				got[[2]uint64{rec.Seed(), rec.Rand().Uint64()}] = true
				return nil
			}))
			p.Seed = seed
			other := p.Scenarios[0]
			other.Name = "other"
			p.Scenarios = append(p.Scenarios, other)
			run(t, p)
		})
		return got
	}
	a := draw(1)
	require.Len(t, a, 200, "every user of every scenario has randomness of its own")
	require.Equal(t, a, draw(1))
	for k := range draw(2) {
		require.False(t, a[k], "another seed, other numbers")
	}
}

func TestRecorderKnowsItsUserAndIteration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[[2]int]bool{}
		run(t, planOf(harness.AllAtOnce(2).Hold(2500*time.Millisecond), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			mu.Lock()
			seen[[2]int{rec.User(), rec.Iteration()}] = true
			mu.Unlock()
			return sleep(ctx, time.Second)
		})))
		require.Equal(t, map[[2]int]bool{{0, 0}: true, {0, 1}: true, {0, 2}: true, {1, 0}: true, {1, 1}: true, {1, 2}: true}, seen)
	})
}
