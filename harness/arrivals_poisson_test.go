package harness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestPoissonArrivalsLoseNoneAtAnyRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 1))
	for range 20 {
		requireNothingLost(t, rng, harness.PoissonArrivals(anyRate(rng), rng.Uint64(), 2*anySpan(rng), anyUsers(rng)))
	}
}

func TestPoissonArrivalsAreTheirSeeds(t *testing.T) {
	starts := func(seed uint64) (at []time.Duration) {
		bubble(t, func(t *testing.T) {
			st := newStarts()
			run(t, planOf(harness.PoissonArrivals(20, seed, 50*time.Second, 100), st.around(takes(time.Millisecond))))
			at = st.at()
		})
		return at
	}
	first := starts(1)
	require.Equal(t, first, starts(1), "the same seed")
	require.NotEqual(t, first, starts(2), "another seed")
	require.InDelta(t, 1000, len(first), 4*32, "within four deviations, √1000 each")
	require.EqualValues(t, traffic.Count(traffic.Poisson{PerSecond: 20, Seed: 1}, 50*time.Second), len(first))
}

func TestPoissonArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	require.Equal(t, "arrivals at 3/s at random (Poisson) for 1m0s on 20 users", harness.PoissonArrivals(3, 1, time.Minute, 20).String())
	err := harness.PoissonArrivals(-3, 1, 0, 0).Validate()
	for _, want := range []string{"Poisson rate is -3", "the duration is 0s", "0 users"} {
		require.ErrorContains(t, err, want)
	}
}
