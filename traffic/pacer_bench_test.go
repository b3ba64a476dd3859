package traffic_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/traffic"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// BenchmarkPacedEvent compares one paced event, its lateness recorded, with
// what others do: a ticker for each goroutine (Coder's own utility), a
// golang.org/x/time/rate bucket for each goroutine, and a sleep on an absolute
// schedule. 10,000 connections, 25 events a second each.
//
//	cpu-ns/event  CPU time of this process
//	error-%       mean rate against the intended one
//	late-p99-ns   how late the event came
func BenchmarkPacedEvent(b *testing.B) {
	const conns, perSecond = 10_000, 25
	b.Run("impl=pacer", func(b *testing.B) { benchPacer(b, conns, perSecond, traffic.PacerConfig{}, 10*time.Second) })
	b.Run("impl=pacer-5ms", func(b *testing.B) {
		benchPacer(b, conns, perSecond, traffic.PacerConfig{Resolution: 5 * time.Millisecond}, 3*time.Second)
	})
	b.Run("impl=sleep", func(b *testing.B) {
		benchGoroutines(b, conns, perSecond, func(ctx context.Context, start time.Time, event func(late time.Duration)) {
			for k := 0; ; k++ {
				due := start.Add(time.Duration(k) * time.Second / perSecond)
				time.Sleep(time.Until(due))
				if ctx.Err() != nil {
					return
				}
				event(time.Since(due))
			}
		})
	})
	b.Run("impl=ticker", func(b *testing.B) {
		benchGoroutines(b, conns, perSecond, func(ctx context.Context, start time.Time, event func(late time.Duration)) {
			t := time.NewTicker(time.Second / perSecond)
			defer t.Stop()
			for {
				select {
				case due := <-t.C:
					event(time.Since(due))
				case <-ctx.Done():
					return
				}
			}
		})
	})
	b.Run("impl=x-time-rate", func(b *testing.B) {
		benchGoroutines(b, conns, perSecond, func(ctx context.Context, start time.Time, event func(late time.Duration)) {
			l := rate.NewLimiter(perSecond, 1)
			for k := 0; l.Wait(ctx) == nil; k++ {
				event(time.Since(start.Add(time.Duration(k) * time.Second / perSecond)))
			}
		})
	})
}

// BenchmarkPacedEventUnderLoad is the same with five busy loops for each core
// in other processes: the rate must not suffer.
func BenchmarkPacedEventUnderLoad(b *testing.B) {
	for range 5 * runtime.NumCPU() {
		startChild(b, "hog")
	}
	b.Run("impl=pacer", func(b *testing.B) { benchPacer(b, 10_000, 25, traffic.PacerConfig{}, 10*time.Second) })
	b.Run("impl=x-time-rate", func(b *testing.B) {
		benchGoroutines(b, 10_000, 25, func(ctx context.Context, start time.Time, event func(late time.Duration)) {
			l := rate.NewLimiter(25, 1)
			for k := 0; l.Wait(ctx) == nil; k++ {
				event(time.Since(start.Add(time.Duration(k) * time.Second / 25)))
			}
		})
	})
}

// BenchmarkPrecisePacer shows what a locked thread buys and costs.
func BenchmarkPrecisePacer(b *testing.B) {
	for _, precise := range []bool{false, true} {
		b.Run(fmt.Sprintf("precise=%v", precise), func(b *testing.B) {
			benchPacer(b, 100, 25, traffic.PacerConfig{Workers: 1, Precise: precise}, 3*time.Second)
		})
	}
}

func benchPacer(b *testing.B, conns int, perSecond float64, cfg traffic.PacerConfig, run time.Duration) {
	var before, after runtime.MemStats
	for b.Loop() {
		p := newPacer(b, cfg)
		followers := make([]*follower, conns)
		start := p.Now() + 50*time.Millisecond
		for i := range followers {
			phase := time.Duration(float64(i) / float64(conns) / perSecond * 1e9)
			followers[i] = follow(offset{traffic.Flat{PerSecond: perSecond}, start + phase})
			p.Add(followers[i], start+phase)
		}
		time.Sleep(start - p.Now() + time.Second) // rows of the histogram exist
		runtime.ReadMemStats(&before)
		lag, from, cpu := p.Lag(), p.Now(), cpuTime(b)
		time.Sleep(run)
		cpu = cpuTime(b) - cpu
		now := p.Now()
		recorded := p.Lag().Since(lag)
		runtime.ReadMemStats(&after)
		p.Close()
		events := float64(recorded.Count())
		intended := float64(conns) * perSecond * (now - from).Seconds()
		report(b, events, intended, cpu, recorded)
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/events, "allocs/event")
	}
}

// offset starts a shape later.
type offset struct {
	traffic.Shape
	by time.Duration
}

func (o offset) Next(c traffic.Cursor) (traffic.Cursor, bool) {
	if c.K >= 0 {
		c.At -= o.by
	}
	c, ok := o.Shape.Next(c)
	c.At += o.by
	return c, ok
}

func benchGoroutines(b *testing.B, conns int, perSecond float64, loop func(context.Context, time.Time, func(time.Duration))) {
	const run = 3 * time.Second
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		var hist histogram.Sharded
		start := time.Now().Add(100 * time.Millisecond)
		for i := range conns {
			phase := time.Duration(float64(i) / float64(conns) / perSecond * 1e9)
			wg.Go(func() {
				time.Sleep(time.Until(start.Add(phase)))
				loop(ctx, start.Add(phase), hist.Record)
			})
		}
		time.Sleep(time.Until(start) + time.Second)
		before, from, cpu := hist.Snapshot(), time.Now(), cpuTime(b)
		time.Sleep(run)
		cpu = cpuTime(b) - cpu
		elapsed := time.Since(from)
		recorded := hist.Snapshot().Since(before)
		cancel()
		wg.Wait()
		report(b, float64(recorded.Count()), float64(conns)*perSecond*elapsed.Seconds(), cpu, recorded)
	}
}

func report(b *testing.B, events, intended float64, cpu time.Duration, late *histogram.Histogram) {
	b.ReportMetric(float64(cpu)/events, "cpu-ns/event")
	b.ReportMetric(math.Abs(events/intended-1)*100, "error-%")
	b.ReportMetric(float64(late.Percentile(99)), "late-p99-ns")
	b.ReportMetric(0, "ns/op")
}
