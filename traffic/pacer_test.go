package traffic_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/traffic"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestMain(m *testing.M) {
	runChild()
	goleak.VerifyTestMain(m)
}

// follower counts the events of a shape that it was fired for.
type follower struct {
	shape traffic.Shape
	next  traffic.Cursor
	live  bool
	late  time.Duration
	count int64
}

func follow(s traffic.Shape) *follower {
	f := &follower{shape: s}
	f.next, f.live = s.Next(traffic.Before)
	return f
}

func (f *follower) Fire(now time.Duration, lag *histogram.Histogram) time.Duration {
	for f.live && f.next.At <= now {
		lag.Record(now - f.next.At)
		f.late = max(f.late, now-f.next.At)
		f.count++
		f.next, f.live = f.shape.Next(f.next)
	}
	if !f.live {
		return traffic.Never
	}
	return f.next.At
}

func newPacer(t testing.TB, cfg traffic.PacerConfig) *traffic.Pacer {
	t.Helper()
	p, err := traffic.NewPacer(cfg)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func TestPacerFiresEveryEventWithinItsResolution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, traffic.PacerConfig{Workers: 3})
		rng := rand.New(rand.NewPCG(1, 1))
		var all []*follower
		for range 50 {
			for _, s := range deterministic(rng) {
				f := follow(s)
				all = append(all, f)
				p.Add(f, 0)
			}
		}
		const run = 12*time.Second + 300*time.Microsecond
		time.Sleep(run)
		p.Close()
		var total int64
		for _, f := range all {
			want := traffic.Count(f.shape, run)
			require.InDelta(t, want, f.count, float64(max(1, want-traffic.Count(f.shape, run-time.Millisecond))), "%v", f.shape)
			require.Less(t, f.late, 2*time.Millisecond, "%v", f.shape)
			total += f.count
		}
		require.EqualValues(t, total, p.Lag().Count(), "each event's lateness is recorded once")
	})
}

func TestPacerCatchesUpAfterItWasHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, traffic.PacerConfig{Workers: 1})
		f := follow(traffic.Every(10 * time.Millisecond))
		p.Add(f, 0)
		p.Add(blocker{at: time.Second, hold: 3 * time.Second}, time.Second)
		time.Sleep(10*time.Second + time.Microsecond)
		p.Close()
		require.EqualValues(t, 1001, f.count)
		require.InDelta(t, 3*time.Second, f.late, float64(20*time.Millisecond))
	})
}

// blocker does what Fire must not do.
type blocker struct{ at, hold time.Duration }

func (b blocker) Fire(time.Duration, *histogram.Histogram) time.Duration {
	time.Sleep(b.hold)
	return traffic.Never
}

func TestPacerFarApartEventsKeepTheirInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, traffic.PacerConfig{})
		f := follow(traffic.Every(7*time.Second + 13*time.Microsecond))
		p.Add(f, 0)
		time.Sleep(time.Hour)
		p.Close()
		require.EqualValues(t, traffic.Count(f.shape, time.Hour), f.count)
		require.LessOrEqual(t, f.late, time.Millisecond)
	})
}

func TestPacerEntryIsSilentAfterRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, traffic.PacerConfig{})
		f := follow(traffic.Every(time.Millisecond))
		e := p.Add(f, 0)
		time.Sleep(100 * time.Millisecond)
		e.Remove()
		n := f.count
		require.NotZero(t, n)
		e.Wake()
		e.FireNow()
		time.Sleep(time.Second)
		require.Equal(t, n, f.count)
		p.Close()
		e.Remove() // after the end it returns at once
	})
}

type sleeper struct{ fired atomic.Int64 }

func (s *sleeper) Fire(time.Duration, *histogram.Histogram) time.Duration {
	s.fired.Add(1)
	return traffic.Never
}

func TestPacerWakesWhatSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, traffic.PacerConfig{})
		s := &sleeper{}
		e := p.Add(s, 5*time.Millisecond)
		time.Sleep(time.Second)
		require.EqualValues(t, 1, s.fired.Load())
		e.Wake()
		synctest.Wait()
		require.EqualValues(t, 2, s.fired.Load())
		e.FireNow()
		synctest.Wait()
		require.EqualValues(t, 3, s.fired.Load())
		p.Close()
	})
}

func TestPacerTakesOrdersFromManyGoroutines(t *testing.T) {
	for _, precise := range []bool{false, true} {
		p := newPacer(t, traffic.PacerConfig{Workers: 2, Precise: precise})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					f := follow(traffic.Every(100 * time.Microsecond))
					e := p.Add(f, p.Now())
					e.Wake()
					e.FireNow()
					e.Remove()
				}
			})
		}
		wg.Wait()
		p.Close()
	}
}

func TestPacerRefusesNonsense(t *testing.T) {
	_, err := traffic.NewPacer(traffic.PacerConfig{Workers: -1, Resolution: time.Hour})
	require.ErrorContains(t, err, "pacer workers is -1")
	require.ErrorContains(t, err, "pacer resolution is 1h")
}
