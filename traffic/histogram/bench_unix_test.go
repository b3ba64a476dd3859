//go:build unix

package histogram_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic/histogram"
)

func samples() []time.Duration {
	rng := rand.New(rand.NewPCG(1, 1))
	s := make([]time.Duration, 1024)
	for i := range s {
		s[i] = time.Duration(rng.ExpFloat64() * float64(5*time.Millisecond))
	}
	return s
}

// BenchmarkRecord compares one sample recorded by the owner of a histogram, as
// the pump's workers do, and one recorded by any goroutine, with HdrHistogram
// and with Prometheus' client. Run it with -cpu 1,2: cpu-ns/op is CPU time, of
// all cores together, where ns/op is wall time.
func BenchmarkRecord(b *testing.B) {
	s := samples()
	for _, impl := range []struct {
		name   string
		record func() func(time.Duration)
	}{
		{"owner", func() func(time.Duration) { return new(histogram.Histogram).Record }},
		{"sharded", func() func(time.Duration) { return new(histogram.Sharded).Record }},
		{"hdrhistogram-go", func() func(time.Duration) {
			h := hdr.New(8, int64(histogram.Highest), 2)
			return func(d time.Duration) { _ = h.RecordValue(int64(d)) }
		}},
		{"prometheus", func() func(time.Duration) {
			h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x_seconds", Buckets: prometheus.DefBuckets})
			return func(d time.Duration) { h.Observe(d.Seconds()) }
		}},
	} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			shared := impl.record()
			begin := cpuTime(b)
			b.RunParallel(func(pb *testing.PB) {
				record := shared
				if impl.name == "owner" || impl.name == "hdrhistogram-go" {
					record = impl.record() // these have no lock
				}
				for i := 0; pb.Next(); i++ {
					record(s[i&1023])
				}
			})
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

func cpuTime(tb testing.TB) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	s := samples()
	var h histogram.Histogram
	var sh histogram.Sharded
	for range 64 { // every shard has its rows
		for _, d := range s {
			h.Record(d)
			sh.Record(d)
		}
	}
	i := 0
	require.Zero(t, testing.AllocsPerRun(1000, func() { h.Record(s[i&1023]); i++ }))
	require.Zero(t, testing.AllocsPerRun(1000, func() { sh.Record(s[i&1023]); i++ }))
}
