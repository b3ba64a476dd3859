package histogram_test

import (
	"math/rand/v2"
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
// the pump's workers do, with HdrHistogram and with Prometheus' client.
func BenchmarkRecord(b *testing.B) {
	s := samples()
	b.Run("impl=owner", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var h histogram.Histogram
			for i := 0; pb.Next(); i++ {
				h.Record(s[i&1023])
			}
		})
	})
	b.Run("impl=sharded", func(b *testing.B) {
		b.ReportAllocs()
		var h histogram.Sharded
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				h.Record(s[i&1023])
			}
		})
	})
	b.Run("impl=hdrhistogram-go", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			h := hdr.New(8, int64(histogram.Highest), 2)
			for i := 0; pb.Next(); i++ {
				_ = h.RecordValue(int64(s[i&1023]))
			}
		})
	})
	b.Run("impl=prometheus", func(b *testing.B) {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x_seconds", Buckets: prometheus.DefBuckets})
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				h.Observe(s[i&1023].Seconds())
			}
		})
	})
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
