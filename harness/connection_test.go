package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// losing is a runner that holds a connection for ten seconds, and loses it after
// five and a half, for a while, if it is one of the first users.
func losing(users int, back time.Duration) harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		conn := rec.Connected()
		defer conn.Close()
		_ = sleep(ctx, 5500*time.Millisecond)
		if rec.User() < users {
			conn.Lost()
			conn.Lost() // one loss
		}
		_ = sleep(ctx, back)
		if rec.User() < users && back > 0 {
			conn.Restored()
			conn.Restored()
		}
		return sleep(ctx, 4500*time.Millisecond-back)
	})
}

func TestLostConnectionsAreCountedAndTimed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(20), losing(5, 2*time.Second),
			harness.Rate("disconnects").AtMost(0.25), harness.Count("disconnects").Below(5)))
		s := res.Scenarios[0]
		require.EqualValues(t, 20, s.Connections.Count)
		require.EqualValues(t, 5, s.Connections.Lost)
		require.EqualValues(t, 5, s.Connections.Restored)
		require.Equal(t, 0.25, s.Connections.LostShare)
		within(t, 2, s.Connections.Reconnect.Max, 0.01, "time to reconnect")
		require.True(t, s.Thresholds[0].Passed, s.Thresholds[0].Message)
		require.False(t, s.Thresholds[1].Passed, s.Thresholds[1].Message)

		open, lost := map[int]int64{}, int64(0)
		for _, sec := range s.Timeline {
			open[int(sec.At+0.5)] = sec.Connections
			lost += sec.Disconnects
		}
		require.EqualValues(t, 20, open[4])
		require.EqualValues(t, 15, open[7], "the timeline shows the gap")
		require.EqualValues(t, 20, open[8])
		require.EqualValues(t, 5, lost)
	})
}

func TestConnectionsThatAreGivenUpStayLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(4), losing(1, 0))).Scenarios[0]
		require.EqualValues(t, 1, s.Connections.Lost)
		require.Zero(t, s.Connections.Restored)
		require.Zero(t, s.Connections.Reconnect.Count)
	})
}

func TestNoConnectionsIsNotNoneLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(1), fake{}, harness.Rate("disconnects").Below(1))).Scenarios[0]
		require.Nil(t, s.Connections)
		require.False(t, s.Thresholds[0].Passed)
		require.Contains(t, s.Thresholds[0].Message, "no samples")
	})
}

func TestConnectionsOfTheWarmUpCountWhileTheyAreThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(4).Hold(20*time.Second), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			early, conn := rec.Connected(), rec.Connected()
			early.Lost()
			_ = sleep(ctx, time.Second)
			early.Close()
			_ = sleep(ctx, 9*time.Second)
			if rec.User() == 0 {
				conn.Lost()
			}
			<-rec.Done()
			conn.Close()
			return nil
		}))
		p.Scenarios[0].WarmUp = 5 * time.Second
		s := run(t, p).Scenarios[0]
		require.EqualValues(t, 8, s.WarmUp.Connections.Count)
		require.EqualValues(t, 4, s.WarmUp.Connections.Lost)
		require.EqualValues(t, 4, s.Connections.Count, "those that are still there")
		require.EqualValues(t, 1, s.Connections.Lost)
	})
}
