package histogram_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPercentileIsWithinOnePercentFromOneMicrosecondToOneHour(t *testing.T) {
	for d := time.Microsecond; d <= time.Hour; d += d/7 + 1 {
		var h histogram.Histogram
		h.Record(d - 1) // so that neither the minimum nor the maximum gives d away
		h.Record(d)
		h.Record(d)
		h.Record(2 * d)
		got := h.Percentile(50)
		require.InEpsilon(t, float64(d), float64(got), 0.01, "%v", d)
	}
}

func TestPercentilesAgreeWithTheSortedSamples(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h histogram.Histogram
	samples := make([]time.Duration, 10_000)
	for i := range samples {
		samples[i] = time.Duration(math.Exp(rng.Float64()*20) * 1000)
		h.Record(samples[i])
	}
	slices.Sort(samples)
	for _, p := range []float64{0, 1, 25, 50, 75, 90, 99, 99.9, 100} {
		rank := max(int(math.Ceil(p/100*float64(len(samples)))), 1)
		require.InEpsilon(t, float64(samples[rank-1]), float64(h.Percentile(p)), 0.01, "p%v", p)
	}
	require.Equal(t, samples[0], h.Min())
	require.Equal(t, samples[len(samples)-1], h.Max())
	require.EqualValues(t, len(samples), h.Count())
}

func TestValuesOutsideTheRangeAreCountedNotLost(t *testing.T) {
	var h histogram.Histogram
	h.Record(-time.Second)
	h.Record(30 * 24 * time.Hour)
	require.EqualValues(t, 2, h.Count())
	require.Zero(t, h.Min())
	require.Equal(t, 30*24*time.Hour, h.Max())
	require.Less(t, h.Percentile(50), 8*time.Nanosecond)
}

func TestEmptyHistogramGivesZeros(t *testing.T) {
	var h histogram.Histogram
	require.Zero(t, h.Percentile(99))
	require.Zero(t, h.Mean())
	require.Zero(t, h.Max())
	require.Zero(t, h.Since(nil).Count())
}

func TestMergeOrderDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var parts [4]histogram.Histogram
	var whole histogram.Histogram
	for range 5_000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		parts[rng.IntN(len(parts))].Record(d)
		whole.Record(d)
	}
	var forward, backward, pairs, right histogram.Histogram
	for i := range parts {
		forward.Merge(&parts[i])
		backward.Merge(&parts[len(parts)-1-i])
	}
	pairs.Merge(&parts[0])
	pairs.Merge(&parts[1])
	right.Merge(&parts[2])
	right.Merge(&parts[3])
	pairs.Merge(&right)
	for _, h := range []*histogram.Histogram{&forward, &backward, &pairs} {
		requireSame(t, &whole, h)
	}
	forward.Merge(nil)
	requireSame(t, &whole, &forward)
}

func TestSinceGivesWhatWasRecordedInBetween(t *testing.T) {
	var h, want histogram.Histogram
	h.Record(time.Millisecond)
	before := h.Clone()
	for i := range 100 {
		d := time.Duration(i) * time.Millisecond
		h.Record(d)
		want.Record(d)
	}
	got := h.Since(before)
	require.Equal(t, want.Count(), got.Count())
	require.Equal(t, want.Percentile(50), got.Percentile(50))
	require.Equal(t, slices.Collect(want.Buckets()), slices.Collect(got.Buckets()))
}

func TestEncodingSurvivesTheRoundTripAndIsTheStandardOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var h histogram.Histogram
	for range 10_000 {
		h.Record(time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond)))
	}
	h.Record(time.Hour)
	text, err := h.MarshalText()
	require.NoError(t, err)
	require.Contains(t, string(text), "HISTFAAAA", "the compressed V2 cookie")

	var back histogram.Histogram
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, slices.Collect(h.Buckets()), slices.Collect(back.Buckets()))
	require.Equal(t, h.Count(), back.Count())
}

func TestDamagedTextIsAnErrorAndChangesNothing(t *testing.T) {
	for _, text := range []string{"", "x", "HISTFAAAAA==", "HISTFAAAAB94nJNpmSzMwMDABMSM"} {
		var h histogram.Histogram
		h.Record(time.Second)
		require.Error(t, h.UnmarshalText([]byte(text)), "%q", text)
		require.EqualValues(t, 1, h.Count())
	}
}

func FuzzUnmarshalText(f *testing.F) {
	var h histogram.Histogram
	h.Record(time.Millisecond)
	text, err := h.MarshalText()
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte("HISTFAAAAB94nJNpmSzMwMDABMSM"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h histogram.Histogram
		if h.UnmarshalText(text) != nil {
			return
		}
		again, err := h.MarshalText()
		require.NoError(t, err)
		var back histogram.Histogram
		require.NoError(t, back.UnmarshalText(again))
		require.Equal(t, h.Count(), back.Count())
	})
}

func TestShardedLosesNothingWhileSnapshotsAreTaken(t *testing.T) {
	var s histogram.Sharded
	const goroutines, each = 8, 2_000
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				s.Record(time.Duration(g*each+i) * time.Microsecond)
			}
		})
	}
	last := uint64(0)
	for last < goroutines*each {
		n := s.Snapshot().Count()
		require.GreaterOrEqual(t, n, last)
		last = n
	}
	wg.Wait()
	require.EqualValues(t, goroutines*each, s.Snapshot().Count())
}

func TestMemoryDoesNotGrowWithSamples(t *testing.T) {
	var h histogram.Histogram
	fill := func(n int) {
		rng := rand.New(rand.NewPCG(7, 8))
		for range n {
			h.Record(time.Duration(rng.Int64N(int64(time.Hour))))
		}
	}
	for d := time.Duration(1); d < histogram.Highest; d *= 2 {
		h.Record(d)
	}
	fill(1000)
	require.Zero(t, testing.AllocsPerRun(10, func() { fill(10_000) })-testing.AllocsPerRun(10, func() { fill(0) }))
}

func requireSame(t *testing.T, want, got *histogram.Histogram) {
	t.Helper()
	require.Equal(t, slices.Collect(want.Buckets()), slices.Collect(got.Buckets()))
	require.Equal(t, want.Count(), got.Count())
	require.Equal(t, want.Min(), got.Min())
	require.Equal(t, want.Max(), got.Max())
}

func ExampleHistogram() {
	var h histogram.Histogram
	for i := range 100 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	fmt.Println(h.Count(), h.Percentile(50).Round(time.Millisecond), h.Max())
	// Output: 100 50ms 100ms
}
