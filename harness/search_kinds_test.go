package harness_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// desk serves so many at a time; the others queue.
type desk struct {
	places chan struct{}
	takes  time.Duration
}

func newDesk(places int, takes time.Duration) *desk {
	return &desk{make(chan struct{}, places), takes}
}

func (d *desk) serve(ctx context.Context) error {
	select {
	case d.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.places }()
	return sleep(ctx, d.takes)
}

// link carries so many bytes a second, one message after the other.
type link struct {
	mu        sync.Mutex
	perSecond float64
	free      time.Time
}

func (l *link) send(ctx context.Context, bytes float64) error {
	l.mu.Lock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(seconds(bytes / l.perSecond))
	wait := time.Until(l.free)
	l.mu.Unlock()
	return sleep(ctx, wait)
}

// doing is a runner of one action.
func doing(f func(context.Context) error) harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error { return rec.Do(ctx, work, f) })
}

// one is a plan of one scenario, as a user writes it.
func one(schedule harness.Schedule, r harness.Runner, must harness.Threshold) harness.Plan {
	return harness.Plan{MaxFailures: 1 << 30, Scenarios: []harness.Scenario{{
		Name: "s", Schedule: schedule, Runner: all(r), WarmUp: 3 * time.Second, Thresholds: []harness.Threshold{must},
	}}}
}

func TestLimitOfEveryKindOfLoadIsFound(t *testing.T) {
	for _, c := range []struct {
		of             string
		from, to, step float64
		truth          float64
		plan           func(load float64) harness.Plan
	}{
		// Five places, a tenth of a second each: 50 a second.
		{"arrivals/s", 1, 1000, 0.5, 50, func(load float64) harness.Plan {
			return one(harness.ConstantArrivals(load, 20*time.Second, 200), doing(newDesk(5, 100*time.Millisecond).serve), harness.P99("work").Below(time.Second/2))
		}},
		// Ten times five come back after a second each. One more has to wait for the
		// end of somebody's tenth.
		{"users", 1, 500, 1, 50, func(load float64) harness.Plan {
			d := newDesk(5, 100*time.Millisecond)
			return one(harness.AllAtOnce(int(load)).Hold(20*time.Second), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				if err := rec.Do(ctx, work, d.serve); err != nil {
					return err
				}
				return sleep(ctx, 900*time.Millisecond)
			}), harness.P99("work_service").Below(150*time.Millisecond))
		}},
		{"connections", 10, 5000, 10, 300, func(load float64) harness.Plan {
			var open atomic.Int64
			return one(harness.AllAtOnce(int(load)).Hold(10*time.Second), doing(func(ctx context.Context) error {
				defer open.Add(-1)
				if open.Add(1) > 300 {
					return errors.New("too many connections")
				}
				return sleep(ctx, 5*time.Second)
			}), harness.Rate("errors").Below(0.001))
		}},
		{"bytes/s", 64 << 10, 64 << 20, 64 << 10, 1 << 20, func(load float64) harness.Plan {
			l := &link{perSecond: 1 << 20}
			return one(harness.ConstantArrivals(100, 20*time.Second, 1000), doing(func(ctx context.Context) error {
				return l.send(ctx, load/100)
			}), harness.P99("work").Below(100*time.Millisecond))
		}},
	} {
		t.Run(c.of, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := find(t, harness.Search{Of: c.of, From: c.from, To: c.to, Step: c.step, Plan: func(load float64) (harness.Plan, error) { return c.plan(load), nil }})
				t.Log("\n" + l.Text())
				require.Equal(t, harness.StopFound, l.Stopped, l.Text())
				require.LessOrEqual(t, l.Holds, c.truth)
				require.Greater(t, l.Breaks, c.truth)
				require.GreaterOrEqual(t, l.Confidence, 0.9)
			})
		})
	}
}
