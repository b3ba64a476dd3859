package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestAnEstimateIsWhatAnEvenSearchTakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := harness.Search{Of: "users", From: 10, To: 1000, Rest: 10 * time.Second, Plan: func(load float64) (harness.Plan, error) {
			broken := error(nil)
			if load > 100 { // the middle, by ratio
				broken = errBroken
			}
			return one(harness.PerUserIterations(1, 1), doing(func(ctx context.Context) error {
				_ = sleep(ctx, 5*time.Second)
				return broken
			}), harness.Rate("errors").Below(0.01)), nil
		}}
		probes, takes := s.Estimate(5 * time.Second)
		began := time.Now()
		l := find(t, s)
		require.Equal(t, harness.StopFound, l.Stopped, l.Text())
		require.Len(t, l.Probes, probes)
		require.InDelta(t, time.Since(began).Seconds(), takes.Seconds(), 15)
	})
	probes, takes := harness.Search{From: 5, To: 5}.Estimate(time.Second)
	require.Equal(t, 5, probes, "one load is probed until it is certain")
	require.Equal(t, 45*time.Second, takes)
}
