package otelexport

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestExponentialBucketsHoldAllThatWasCounted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h histogram.Histogram
		spread := rng.Float64() * 30
		for range 1 + rng.IntN(500) {
			h.RecordN(time.Duration(math.Exp2(8+spread*rng.Float64())), 1+rng.Uint64N(3))
		}
		p := exponential(&h)
		require.Equal(t, h.Count(), p.Count)
		require.LessOrEqual(t, len(p.PositiveBucket.Counts), maxBuckets)
		require.InEpsilon(t, h.Mean().Seconds()*float64(h.Count()), p.Sum, 0.008)
		base := math.Exp2(math.Exp2(-float64(p.Scale)))
		left := p.PositiveBucket.Counts
		sum := p.ZeroCount
		for _, n := range left {
			sum += n
		}
		require.Equal(t, p.Count, sum)
		for b := range h.Buckets() {
			found := false
			for i := range left {
				begin := math.Pow(base, float64(int(p.PositiveBucket.Offset)+i))
				if v := b.Low.Seconds(); v > begin*(1-1e-9) && v <= begin*base*(1+1e-9) && left[i] >= b.Count {
					left[i] -= b.Count
					found = true
					break
				}
			}
			require.True(t, found, "%v is in no bucket of scale %d", b.Low, p.Scale)
		}
		lowest, _ := p.Min.Value()
		require.Equal(t, h.Min().Seconds(), lowest)
	}
}

func TestScaleIsAsFineAsOursWhereDurationsAreAlike(t *testing.T) {
	for _, c := range []struct {
		durations []time.Duration
		scale     int32
		buckets   int
	}{
		{nil, maxScale, 0},
		{[]time.Duration{0}, maxScale, 0},
		{[]time.Duration{time.Second}, maxScale, 1},
		{[]time.Duration{time.Second, 2 * time.Second}, maxScale, 65},
		{[]time.Duration{time.Microsecond, 10 * time.Minute}, 2, 117},
		{[]time.Duration{8, histogram.Highest}, 1, 87},
	} {
		var h histogram.Histogram
		for _, d := range c.durations {
			h.Record(d)
		}
		p := exponential(&h)
		require.Equal(t, c.scale, p.Scale, "%v", c.durations)
		require.Len(t, p.PositiveBucket.Counts, c.buckets, "%v", c.durations)
	}
	var h histogram.Histogram
	h.RecordN(3, 5)
	require.EqualValues(t, 5, exponential(&h).ZeroCount)
}

func TestABoundBelongsToItsBucket(t *testing.T) {
	require.EqualValues(t, -1, bucketOf(1, 6))
	require.EqualValues(t, 0, bucketOf(math.Nextafter(1, 2)*1.001, 6))
	require.EqualValues(t, 63, bucketOf(2, 6))
	require.EqualValues(t, 0, bucketOf(2, 0))
	var h histogram.Histogram
	for _, d := range []time.Duration{time.Millisecond / 10, time.Second, time.Hour} {
		h.Record(d)
	}
	p := explicit(&h)
	require.Len(t, p.BucketCounts, len(progress.Buckets)+1)
	require.EqualValues(t, 1, p.BucketCounts[0])
	require.EqualValues(t, 1, p.BucketCounts[12], "up to 1 s")
	require.EqualValues(t, 1, p.BucketCounts[len(progress.Buckets)], "beyond all")
	require.EqualValues(t, 3, p.Count)
	require.InEpsilon(t, 3601.0001, p.Sum, 0.01)
}

func TestExemplarsOfABrokenTracerAreLeftOut(t *testing.T) {
	at := time.Unix(100, 0)
	list := []harness.Exemplar{
		{Trace: "xyz", Span: "00", Response: 1, At: at}, {Trace: "0a", Span: "0b", Response: time.Second, At: at},
	}
	got := exemplarsOf(list, at.Add(-1), response)
	require.Len(t, got, 1)
	require.Equal(t, []byte{10}, got[0].TraceID)
	require.Equal(t, 1.0, got[0].Value)
	require.Empty(t, exemplarsOf(list, at, response), "it was sent with the last deltas")
}
