package harness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestSpikeArrivalsLoseNoneAtAnySpikes(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	for range 20 {
		spikes := traffic.Spikes{Base: anyRate(rng) * float64(rng.IntN(2)), Peak: 3 * anyRate(rng), Length: anySpan(rng)}
		spikes.Every = spikes.Length + anySpan(rng)
		requireNothingLost(t, rng, harness.SpikeArrivals(spikes, 2*anySpan(rng), anyUsers(rng)))
		requireStarts(t, harness.SpikeArrivals(spikes, 2*anySpan(rng), 1000))
	}
}

func TestSpikeArrivalsAreQuietBeforeAndAfterEachSpike(t *testing.T) {
	at := requireStarts(t, harness.SpikeArrivals(
		traffic.Spikes{Base: 5, Peak: 100, Length: 2 * time.Second, Every: 10 * time.Second}, 20*time.Second, 100))
	for begin := time.Duration(0); begin < 20*time.Second; begin += 10 * time.Second {
		require.InDelta(t, 20, between(at, begin, begin+4*time.Second), 1)
		require.InDelta(t, 200, between(at, begin+4*time.Second, begin+6*time.Second), 1)
		require.InDelta(t, 20, between(at, begin+6*time.Second, begin+10*time.Second), 1)
	}
}

func TestSpikeArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.SpikeArrivals(traffic.Spikes{Base: 5, Peak: 50, Length: time.Second, Every: time.Minute}, time.Hour, 20)
	require.Equal(t, "arrivals at 5/s with spikes of 50/s for 1s every 1m0s for 1h0m0s on 20 users", s.String())
	err := harness.SpikeArrivals(traffic.Spikes{Base: -1, Length: time.Second}, 0, 0).Validate()
	for _, want := range []string{"rate between spikes is -1", "at most the interval", "interval between spikes is 0s", "the duration is 0s", "0 users"} {
		require.ErrorContains(t, err, want)
	}
}
