package harness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestSteppedArrivalsLoseNoneAtAnySteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	for range 20 {
		var steps []traffic.Step
		for range 1 + rng.IntN(4) {
			steps = append(steps, traffic.Step{PerSecond: anyRate(rng) * float64(rng.IntN(3)), For: anySpan(rng)})
		}
		requireNothingLost(t, rng, harness.SteppedArrivals(anyUsers(rng), steps...))
		requireStarts(t, harness.SteppedArrivals(1000, steps...))
	}
}

func TestSteppedArrivalsHoldEachRate(t *testing.T) {
	at := requireStarts(t, harness.SteppedArrivals(100,
		traffic.Step{PerSecond: 10, For: 5 * time.Second},
		traffic.Step{PerSecond: 0, For: 5 * time.Second},
		traffic.Step{PerSecond: 40, For: 5 * time.Second}))
	require.Equal(t, 50, between(at, 0, 5*time.Second))
	require.Zero(t, between(at, 5*time.Second, 10*time.Second))
	require.Equal(t, 200, between(at, 10*time.Second, 15*time.Second))
}

func TestSteppedArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.SteppedArrivals(50, traffic.Step{PerSecond: 10, For: time.Minute}, traffic.Step{PerSecond: 20, For: time.Minute})
	require.Equal(t, "arrivals at 10/s for 1m0s, then 20/s for 1m0s on 50 users", s.String())
	require.Equal(t, 2*time.Minute, s.Length())
	err := harness.SteppedArrivals(-1, traffic.Step{PerSecond: -1}).Validate()
	for _, want := range []string{"step 1 is -1", "duration of step 1 is 0s", "-1 users"} {
		require.ErrorContains(t, err, want)
	}
}
