package harness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestRampingArrivalsLoseNoneAtAnyStages(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	for range 20 {
		stages := []traffic.Stage{{To: anyRate(rng), Over: time.Duration(rng.IntN(2)) * time.Second}}
		for range 1 + rng.IntN(4) {
			stages = append(stages, traffic.Stage{To: anyRate(rng) * float64(rng.IntN(2)), Over: anySpan(rng)})
		}
		requireNothingLost(t, rng, harness.RampingArrivals(anyUsers(rng), stages...))
		requireStarts(t, harness.RampingArrivals(1000, stages...))
	}
}

func TestRampingArrivalsRiseHoldAndFall(t *testing.T) {
	at := requireStarts(t, harness.RampingArrivals(100,
		traffic.Stage{To: 100, Over: 10 * time.Second},
		traffic.Stage{To: 100, Over: 5 * time.Second},
		traffic.Stage{To: 0, Over: 10 * time.Second}))
	require.InDelta(t, 125, between(at, 0, 5*time.Second), 1, "a quarter of the rise in half of its time")
	require.InDelta(t, 500, between(at, 10*time.Second, 15*time.Second), 1)
	require.InDelta(t, 125, between(at, 20*time.Second, 25*time.Second), 1)
}

func TestRampingArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.RampingArrivals(50, traffic.Stage{To: 100, Over: time.Minute}, traffic.Stage{To: 100, Over: time.Hour})
	require.Equal(t, "arrivals at 0/s to 100/s over 1m0s, then 100/s for 1h0m0s on 50 users", s.String())
	require.Equal(t, 61*time.Minute, s.Length())
	err := harness.RampingArrivals(0, traffic.Stage{To: -1, Over: -1}, traffic.Stage{To: -2}).Validate()
	for _, want := range []string{"stage 1 is -1", "duration of stage 1 is -1ns", "stage 2 is -2", "0 users"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, harness.RampingArrivals(1).Validate(), "there are none")
}
