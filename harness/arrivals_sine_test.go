package harness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestSineArrivalsLoseNoneAtAnySine(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 1))
	for range 20 {
		sine := traffic.Sine{Mean: anyRate(rng), Period: anySpan(rng)}
		sine.Amplitude = sine.Mean * rng.Float64()
		requireNothingLost(t, rng, harness.SineArrivals(sine, 2*anySpan(rng), anyUsers(rng)))
		requireStarts(t, harness.SineArrivals(sine, 2*anySpan(rng), 1000))
	}
}

func TestSineArrivalsSwingAroundTheirMean(t *testing.T) {
	at := requireStarts(t, harness.SineArrivals(traffic.Sine{Mean: 50, Amplitude: 50, Period: 10 * time.Second}, 20*time.Second, 100))
	require.InDelta(t, 500, between(at, 0, 10*time.Second), 1)
	// Half a period has Mean·T/2 ± Amplitude·T/π.
	require.InDelta(t, 250+159, between(at, 10*time.Second, 15*time.Second), 1.5)
	require.InDelta(t, 250-159, between(at, 15*time.Second, 20*time.Second), 1.5)
}

func TestSineArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.SineArrivals(traffic.Sine{Mean: 10, Amplitude: 5, Period: time.Minute}, time.Hour, 20)
	require.Equal(t, "arrivals at 10/s ± 5/s with a period of 1m0s for 1h0m0s on 20 users", s.String())
	err := harness.SineArrivals(traffic.Sine{Mean: 1, Amplitude: 2}, 0, 0).Validate()
	for _, want := range []string{"at most its mean", "period of the sine is 0s", "the duration is 0s", "0 users"} {
		require.ErrorContains(t, err, want)
	}
}
