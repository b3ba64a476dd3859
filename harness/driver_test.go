package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// slow is a shape that holds up the generator: it stands for a machine that is
// too busy to wake a user who is free.
type slow struct {
	traffic.Shape
	event int64
	by    time.Duration
}

func (s slow) Next(c traffic.Cursor) (traffic.Cursor, bool) {
	if c.K+1 == s.event {
		time.Sleep(s.by)
	}
	return s.Shape.Next(c)
}

func TestLagIsTheGeneratorsLatenessAndNotTheWaitForAFreeUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shape := slow{traffic.Flat{PerSecond: 1}, 3, 3500 * time.Millisecond}
		s := run(t, planOf(harness.Arrivals{Shape: shape, Duration: 10 * time.Second, VirtualUsers: 1}, fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			if rec.Iteration() == 7 {
				return sleep(ctx, 2500*time.Millisecond) // the server is slow, once
			}
			return sleep(ctx, 100*time.Millisecond)
		}})).Scenarios[0]
		require.EqualValues(t, 10, s.Lag.Count)
		// The generator woke at 5.6 s: event 3, due at 3 s, started 2.6 s late.
		// Events 4 and 5 were due while the user served those before them.
		within(t, 2.6, s.Lag.Max, 1e-6, "lag")
		require.Less(t, s.Lag.P90, 1e-8, "the others were not late")
		// Event 7 ended at 9.5 s; 8 waited for a free user from 8 s.
		within(t, 2.7, s.Iteration.Response.Max, 1e-6, "what event 3 took, its lag included")
	})
}

func TestLagCountsAlsoForIterationsThatFailOrAreCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AtATime(4, 2), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			if rec.User() < 2 {
				return errBroken
			}
			return sleep(ctx, time.Hour)
		}})
		r := start(t, p)
		time.Sleep(time.Second)
		r.Abort()
		s := wait(t, r).Scenarios[0]
		require.Equal(t, harness.Iterations{Started: 4, Failed: 2, Interrupted: 2}, s.Iterations)
		require.EqualValues(t, 4, s.Lag.Count)
	})
}
