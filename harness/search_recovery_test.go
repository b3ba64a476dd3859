package harness_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// fragile is a deployment that breaks above its limit, and then holds nothing
// for a time.
func fragile(limit float64, repair time.Duration) *oracle {
	var until time.Time
	return &oracle{holds: func(load float64) bool {
		if load > limit {
			until = time.Now().Add(time.Minute + repair) // the probe takes a minute
		}
		return !time.Now().Before(until)
	}}
}

func checks(l *harness.Limit) (checks []harness.Probe) {
	for _, p := range l.Probes {
		if p.Check {
			checks = append(checks, p)
		}
	}
	return checks
}

func TestDeploymentThatBreaksForGoodEndsTheSearch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := find(t, fragile(300, 1000*time.Hour).search(10, 5000))
		require.Equal(t, harness.StopNotRecovered, l.Stopped)
		require.Equal(t, []float64{160, 320}, []float64{l.Holds, l.Breaks}, "what was seen before is known")
		require.Equal(t, "did not recover within 9m10s from 320 users: 10 users, which held before, no longer hold: s: errors: rate<0.01 is broken: 1", l.Reason)
		require.Len(t, checks(l), 5)
		require.Len(t, l.At(10), 1, "a check counts for its load")
		broken := l.At(320)[0].Recovery
		require.False(t, broken.Recovered)
		require.Len(t, broken.Failed, 5)
		require.InDelta(t, 550, broken.Seconds, 1, "10, 20, 40, 80 and 160 seconds, and four runs of a minute between them")
	})
}

func TestDeploymentThatRecoversIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		waits := map[float64]map[time.Duration]int{}
		s := fragile(300, time.Minute).search(10, 5000)
		s.OnWait = func(d time.Duration, from float64) {
			if waits[from] == nil {
				waits[from] = map[time.Duration]int{}
			}
			waits[from][d]++
		}
		l := find(t, s)
		require.Equal(t, harness.StopFound, l.Stopped)
		require.Equal(t, map[time.Duration]int{10 * time.Second: 1, 20 * time.Second: 1}, waits[320])
		require.Len(t, waits[0], 1, "a rest is not to recover from anything")
		require.LessOrEqual(t, l.Holds, 300.0)
		require.Greater(t, l.Breaks, 300.0)
		for i, p := range l.Probes {
			switch {
			case p.Check:
				require.Equal(t, 10.0, p.Load)
				require.Equal(t, i+1 < len(l.Probes) && l.Probes[i+1].Check, p.Outcome == harness.Broke, "the last check finds it recovered")
			case p.Outcome == harness.Broke && i+1 < len(l.Probes):
				require.True(t, p.Recovery.Recovered)
				require.InDelta(t, 90, p.Recovery.Seconds, 1, "it is checked 10 s after the probe, and 20 s after that check's minute")
				require.Equal(t, []string{"s: errors: rate<0.01 is broken: 1"}, p.Recovery.Failed)
			default:
				require.Nil(t, p.Recovery)
			}
		}
		require.Contains(t, l.Text(), "recovered within 1m30s")
	})
}

func TestCallerMaySayWhetherItHasRecovered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, asked := upTo(300).search(10, 5000), 0
		s.Recovered = func(context.Context) error {
			if asked++; asked%2 == 1 {
				return errors.New("two replicas restart\nand one is gone")
			}
			return nil
		}
		l := find(t, s)
		require.Equal(t, harness.StopFound, l.Stopped)
		require.Empty(t, checks(l), "it is not run as well")
		broke := 0
		for i, p := range l.Probes {
			if p.Outcome == harness.Broke && i+1 < len(l.Probes) {
				broke++
				require.Equal(t, []string{"two replicas restart; and one is gone"}, p.Recovery.Failed)
				require.InDelta(t, 30, p.Recovery.Seconds, 1)
			}
		}
		require.Equal(t, 2*broke, asked)

		s.Recovered = func(context.Context) error { return errBroken }
		s.Patience = 2
		l = find(t, s)
		require.Equal(t, harness.StopNotRecovered, l.Stopped)
		require.Equal(t, "did not recover within 30s from 320 users: it is broken", l.Reason)
	})
}

func TestLowestLoadThatBreaksIsNotCheckedByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		o := &oracle{holds: func(load float64) bool { n++; return n > 1 && load <= 300 }}
		l := find(t, o.search(10, 5000))
		require.False(t, l.Probes[1].Check)
		require.Equal(t, harness.StopFound, l.Stopped, "the first probe met a cold deployment")
		require.LessOrEqual(t, l.Holds, 300.0)
		require.Greater(t, l.Breaks, 300.0)

		asked := 0 // for 10 users: a probe, a check, and then the probe that breaks by chance
		o = &oracle{holds: func(load float64) bool {
			if load == 10 {
				asked++
			}
			return load == 10 && asked != 3
		}}
		l = find(t, o.search(10, 11))
		require.Equal(t, []float64{10, 11}, []float64{l.Holds, l.Breaks})
		for i, p := range l.Probes {
			if p.Load == 10 && p.Outcome == harness.Broke {
				require.False(t, l.Probes[i+1].Check, "it would be checked by itself")
				require.Equal(t, 10.0, l.Probes[i+1].Load)
			}
		}
	})
}

func TestCheckThatTheGeneratorSpoiledIsNotHeldAgainstTheDeployment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, broke := crowds(300), false
		s.Run = func(ctx context.Context, plan harness.Plan) (*harness.Result, error) {
			run, err := harness.Start(ctx, plan)
			if err != nil {
				return nil, err
			}
			res := run.Wait()
			if broke {
				res.Verdict, res.Reasons = harness.Invalid, []string{"s: this process was late by 300ms"}
			}
			broke = broke || res.Verdict == harness.Fail
			return res, nil
		}
		l := find(t, s)
		require.Equal(t, harness.StopGenerator, l.Stopped)
		require.Equal(t, "whether it has recovered from 320 users can't be told, because at 10 users the generator was the limit: s: this process was late by 300ms", l.Reason)
		require.Len(t, checks(l), 5)
	})
}

func TestWithoutRestARecoveryIsStillWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := upTo(300).search(10, 5000)
		s.Rest = -1
		s.Recovered = func(context.Context) error { return errBroken }
		l := find(t, s)
		require.InDelta(t, 0+1+2+4+8, l.At(l.Breaks)[0].Recovery.Seconds, 0.1)
		require.Equal(t, l.Probes[0].StartedAt.Add(time.Minute), l.Probes[1].StartedAt)
	})
}
