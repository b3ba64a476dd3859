package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestSnapshotsComeEachSecondAndAreTheTimeline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		epoch := time.Now()
		var at []time.Duration
		var seconds []harness.Second
		p := planOf(harness.ConstantArrivals(10, 3500*time.Millisecond, 100), takes(200*time.Millisecond))
		p.OnSnapshot = func(s harness.Snapshot) {
			require.Equal(t, "test", s.RunID)
			require.Equal(t, s.Elapsed, time.Since(epoch))
			at = append(at, s.Elapsed)
			seconds = append(seconds, s.Scenarios[0])
		}
		s := run(t, p).Scenarios[0]
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3600 * time.Millisecond}, at)
		require.Equal(t, s.Timeline, seconds)
		require.InDelta(t, 0.6, seconds[3].Span, 1e-9)
		require.InDelta(t, 3.6, seconds[3].At, 1e-9)
		require.EqualValues(t, "s", seconds[0].Scenario)
		require.InDelta(t, 2, float64(seconds[1].Users), 1)
		require.InDelta(t, 10, float64(seconds[1].Started), 1)
		within(t, 0.2, seconds[1].Actions["work"].P99, 0.01, "p99 of a second")
	})
}

func TestWhatHappensAtTheVeryEndIsNotLost(t *testing.T) {
	// The last iterations end together with the last whole second.
	for range 20 {
		bubble(t, func(t *testing.T) {
			s := run(t, planOf(harness.AllAtOnce(10), takes(2*time.Second))).Scenarios[0] // run adds it up
			require.LessOrEqual(t, len(s.Timeline), 3)
		})
	}
}

func TestALoadThatTakesNoTimeHasASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(10), fake{})).Scenarios[0]
		require.Len(t, s.Timeline, 1)
		require.EqualValues(t, 10, s.Timeline[0].Started)
	})
}

func TestSlowOnSnapshotMissesSecondsButNothingThatHappened(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.ConstantArrivals(10, 10*time.Second, 10), takes(time.Millisecond))
		p.OnSnapshot = func(harness.Snapshot) { time.Sleep(2500 * time.Millisecond) }
		s := run(t, p).Scenarios[0]
		for i, sec := range s.Timeline[:3] {
			require.InDelta(t, []float64{1, 4, 7}[i], sec.At, 1e-9, "second %d", i)
			require.InDelta(t, []float64{1, 3, 3}[i], sec.Span, 1e-9, "second %d", i)
		}
	})
}

func TestSecondsOfAScenarioThatEndedAreEmpty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(2), takes(1500*time.Millisecond))
		long := p.Scenarios[0]
		long.Name, long.Runner = "long", all(takes(5*time.Second))
		p.Scenarios = append(p.Scenarios, long)
		res := run(t, p)
		last := res.Scenarios[0].Timeline[3]
		require.Zero(t, last.Users)
		require.Zero(t, last.Started)
		require.Empty(t, last.Actions)
		require.EqualValues(t, 2, res.Scenarios[1].Timeline[3].Users)
	})
}

func TestSecondsCountAFailedActionAndItsIterationOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(4), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if rec.User() == 0 {
				return errBroken // without an action
			}
			return rec.Do(ctx, work, func(context.Context) error { return errBroken })
		}))).Scenarios[0]
		require.EqualValues(t, 4, s.Timeline[0].Errors)
		require.EqualValues(t, 4, s.Timeline[0].Failed)
	})
}

func TestHeartbeatIsOneLineForPeople(t *testing.T) {
	sec := harness.Second{At: 3, Span: 1, Users: 200, Errors: 2, Actions: map[string]harness.ActionSecond{
		"login": {Count: 20, P50: 0.0123456, P99: 0.25},
		"echo":  {Count: 10, P50: 1, P99: 2},
	}}
	require.Equal(t, "   3s   200 users     30/s  slowest: echo p99 2s  2 errors", sec.Line())
	sec.Actions, sec.Dropped = nil, 7
	sec.BytesIntended, sec.BytesAchieved, sec.Span = 8_000_000, 7_900_000, 1
	require.Equal(t, "   3s   200 users   7.90 of  8.00 MB/s  2 errors  7 dropped", sec.Line())
	require.NotPanics(t, func() { _ = harness.Second{}.Line() })
}
