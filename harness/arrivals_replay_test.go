package harness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestReplayArrivalsLoseNoneOfAnyRecording(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 1))
	for range 20 {
		var recorded traffic.Replay
		for n, at := rng.IntN(200), time.Duration(0); n >= 0; n-- {
			at += time.Duration(rng.IntN(3)*rng.IntN(20)) * time.Millisecond
			recorded = append(recorded, at)
		}
		requireNothingLost(t, rng, harness.ReplayArrivals(recorded, anyUsers(rng)))
		require.ElementsMatch(t, recorded, requireStarts(t, harness.ReplayArrivals(recorded, 1000)))
	}
}

func TestReplayArrivalsStartTheLastOneToo(t *testing.T) {
	for _, recorded := range []traffic.Replay{{0}, {0, 0, 0}, {time.Second}, {0, time.Second, time.Second}} {
		require.ElementsMatch(t, recorded, requireStarts(t, harness.ReplayArrivals(recorded, 5)))
	}
}

func TestReplayArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.ReplayArrivals(traffic.Replay{0, 3 * time.Second}, 5)
	require.Equal(t, "arrivals at 2 recorded events over 3s on 5 users", s.String())
	require.Equal(t, 3*time.Second, s.Length())
	err := harness.ReplayArrivals(traffic.Replay{2, 1}, 0).Validate()
	for _, want := range []string{"never go back", "0 users"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, harness.ReplayArrivals(nil, 1).Validate(), "no events")
}
