package harness_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// recorders lends the recorders of as many users, in a run of their own.
func recorders(tb testing.TB, users int) (take func() *harness.Recorder) {
	tb.Helper()
	lent := make(chan *harness.Recorder, users)
	r, err := harness.Start(context.Background(), planOf(harness.AllAtOnce(users), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
		lent <- rec
		<-rec.Done()
		return nil
	})))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		r.Stop()
		r.Wait()
	})
	return func() *harness.Recorder { return <-lent }
}

var sink time.Duration

func BenchmarkRecorderDo(b *testing.B) {
	ctx := context.Background()
	nothing := func(context.Context) error { return nil }
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "work_seconds"})
	for _, impl := range []struct {
		name string
		loop func(*harness.Recorder, *testing.PB)
	}{
		{"scaletest", func(rec *harness.Recorder, pb *testing.PB) {
			for pb.Next() {
				_ = rec.Do(ctx, work, nothing)
			}
		}},
		{"prometheus", func(_ *harness.Recorder, pb *testing.PB) {
			for pb.Next() {
				timer := prometheus.NewTimer(histogram)
				_ = nothing(ctx)
				timer.ObserveDuration()
			}
		}},
		{"bare", func(_ *harness.Recorder, pb *testing.PB) {
			for pb.Next() {
				start := time.Now()
				_ = nothing(ctx)
				end := time.Now()
				if end.Before(start) {
					sink = end.Sub(start)
				}
			}
		}},
	} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			take := recorders(b, runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			runtime.GC()
			before := harness.ProcessCPU()
			b.RunParallel(func(pb *testing.PB) { impl.loop(take(), pb) })
			b.ReportMetric(float64(harness.ProcessCPU()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
