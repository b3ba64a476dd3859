package harness_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// requireNothingLost runs arrivals whose users are at times too few and holds
// them to what must be true of any: each start is the one that the shape says,
// is recorded with its wait or dropped and counted, and there are no others.
func requireNothingLost(t *testing.T, rng *rand.Rand, s harness.Arrivals) {
	t.Helper()
	require.NoError(t, s.Validate(), "%v", s)
	s.MaxWait = time.Duration(rng.IntN(2)*rng.IntN(500)) * time.Millisecond
	bubble(t, func(t *testing.T) {
		intended := map[time.Duration]int{}
		for c, ok := s.Shape.Next(traffic.Before); ok && (s.Duration == 0 || c.At < s.Duration); c, ok = s.Shape.Next(c) {
			intended[c.At]++
		}
		total := 0
		for _, n := range intended {
			total += n
		}
		epoch := time.Now()
		var mu sync.Mutex
		var waited time.Duration
		res := run(t, planOf(s, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			mu.Lock()
			intended[rec.Intended().Sub(epoch)]--
			waited = max(waited, time.Since(rec.Intended()))
			mu.Unlock()
			return rec.Do(ctx, work, func(ctx context.Context) error {
				return sleep(ctx, time.Duration(rec.Rand().IntN(100))*time.Millisecond)
			})
		})))
		it := res.Scenarios[0].Iterations
		require.EqualValues(t, total, it.Started+it.Dropped, "%v", s)
		var left int64
		for at, n := range intended {
			require.GreaterOrEqual(t, n, 0, "%v: one start too many at %v", s, at)
			left += int64(n)
		}
		require.Equal(t, it.Dropped, left, "%v: what did not start was dropped", s)
		require.EqualValues(t, it.Succeeded, res.Scenarios[0].Actions["work"].Response.Count, "%v", s)
		require.GreaterOrEqual(t, res.Scenarios[0].Actions["work"].Response.Max, waited.Seconds()*0.999, "%v: the longest wait is in the response times", s)
		if s.MaxWait > 0 {
			require.LessOrEqual(t, waited, s.MaxWait, "%v", s)
		}
	})
}

// requireStarts runs arrivals with users enough and returns when they started.
// There are as many as the integral of the rate, give or take one.
func requireStarts(t *testing.T, s harness.Arrivals) (at []time.Duration) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		st := newStarts()
		it := run(t, planOf(s, st.around(takes(time.Millisecond)))).Scenarios[0].Iterations
		require.Zero(t, it.Dropped, "%v", s)
		// An event that is due at the very end of a shape that ends by itself is one.
		require.InDelta(t, s.Shape.Integral(s.Length()+1), float64(it.Started), 1.001, "%v", s)
		at = st.at()
	})
	return at
}

// between counts the starts in [from, to).
func between(at []time.Duration, from, to time.Duration) (n int) {
	for _, a := range at {
		if a >= from && a < to {
			n++
		}
	}
	return n
}

// anyRate, anySpan and anyUsers are random parameters of a schedule.
func anyRate(rng *rand.Rand) float64 { return 1 + 100*rng.Float64() }
func anySpan(rng *rand.Rand) time.Duration {
	return time.Duration(1+rng.IntN(4_000)) * time.Millisecond
}
func anyUsers(rng *rand.Rand) int { return 1 + rng.IntN(8) }

func TestFiniteArrivalsEndWithTheirShapeAndOthersNeedADuration(t *testing.T) {
	s := harness.SteppedArrivals(5, traffic.Step{PerSecond: 2, For: 3 * time.Second})
	require.NoError(t, s.Validate())
	require.Equal(t, 3*time.Second, s.Length())
	s.Duration = time.Second
	require.Equal(t, time.Second, s.Length(), "a duration cuts the shape")
	require.Equal(t, "arrivals at 2/s for 3s for 1s on 5 users", s.String())
	require.ErrorContains(t, harness.Arrivals{Shape: traffic.Flat{PerSecond: 1}, VirtualUsers: 1}.Validate(), "duration is 0s")
	s.Duration = -1
	require.ErrorContains(t, s.Validate(), "duration is -1ns")
}
