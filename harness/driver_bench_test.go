package harness_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// BenchmarkIteration is what the harness adds to an iteration that does nothing
// (its goroutine, its guard and its records) beside a goroutine that does the
// same in a bare loop.
func BenchmarkIteration(b *testing.B) {
	count := func(left *atomic.Int64) harness.Runner {
		return harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			if left.Add(-1) == 0 && rec != nil {
				<-rec.Done()
			}
			return nil
		})
	}
	b.Run("of=bare", func(b *testing.B) {
		var left atomic.Int64
		left.Store(int64(b.N))
		runner, done := count(&left), make(chan struct{})
		b.ReportAllocs()
		before := harness.ProcessCPU()
		go func() {
			defer close(done)
			for left.Load() > 0 {
				_ = runner.Run(context.Background(), nil)
			}
		}()
		<-done
		b.ReportMetric(float64(harness.ProcessCPU()-before)/float64(b.N), "cpu-ns/op")
	})
	b.Run("of=harness", func(b *testing.B) {
		var left atomic.Int64
		left.Store(int64(b.N))
		runner, done := count(&left), make(chan struct{})
		p := planOf(harness.AllAtOnce(1).Hold(24*time.Hour), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if left.Load() == 1 {
				close(done)
			}
			return runner.Run(ctx, rec)
		}))
		b.ReportAllocs()
		before := harness.ProcessCPU()
		r, err := harness.Start(context.Background(), p)
		require.NoError(b, err)
		<-done
		b.ReportMetric(float64(harness.ProcessCPU()-before)/float64(b.N), "cpu-ns/op")
		r.Stop()
		r.Wait()
	})
}

// BenchmarkStarts asks one core for ever more scheduled starts a second, and
// reports how many came about, how late they were, and what they took of the core.
func BenchmarkStarts(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, rate := range []float64{10_000, 100_000, 200_000} {
		b.Run(fmt.Sprintf("rate=%.0f", rate), func(b *testing.B) {
			const length = 2 * time.Second
			for b.Loop() {
				p := planOf(harness.ConstantArrivals(rate, length, 200), harness.RunnerFunc(func(context.Context, *harness.Recorder) error { return nil }))
				before := harness.ProcessCPU()
				r, err := harness.Start(context.Background(), p)
				require.NoError(b, err)
				s := r.Wait().Scenarios[0]
				require.EqualValues(b, rate*length.Seconds(), s.Iterations.Started+s.Iterations.Dropped)
				b.ReportMetric(float64(s.Iterations.Succeeded)/s.LoadSeconds, "starts/s")
				b.ReportMetric(float64(s.Iterations.Dropped), "dropped")
				b.ReportMetric(s.Lag.P99*1e9, "lag-p99-ns")
				b.ReportMetric(s.Iteration.Response.P99*1e9, "p99-ns")
				b.ReportMetric((harness.ProcessCPU()-before).Seconds()/length.Seconds(), "cores")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
