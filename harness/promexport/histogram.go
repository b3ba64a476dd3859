package promexport

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// schema is the resolution of native histograms: 2^3 buckets for each doubling,
// so a bucket is 9 % wide.
const schema = 3

// zero is the width of the bucket of what is no time at all: the first of ours.
const zero = 8e-9

// durations is a metric with native and classic buckets.
type durations struct {
	prometheus.Metric // native
	classic           []*dto.Bucket
	exemplars         []*dto.Exemplar
}

// Write adds the classic buckets and the exemplars to the native ones.
func (d durations) Write(out *dto.Metric) error {
	if err := d.Metric.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket, out.Histogram.Exemplars = d.classic, d.exemplars
	return nil
}

// newDurations puts a histogram's buckets, which are less than 1 % wide, into
// wider ones by their lower end, so that what took exactly as long as a bound is
// within it.
func newDurations(desc *prometheus.Desc, h *histogram.Histogram, exemplars []timed, bounds []float64, since time.Time, labels ...string) (prometheus.Metric, error) {
	native := map[int]int64{}
	counts := make([]uint64, len(bounds))
	var count, zeros uint64
	var sum float64
	examples := placed{waiting: exemplars}
	next, index, end := 0, 0, 0.0 // the classic bucket, the native one, and where that ends
	for b := range h.Buckets() {  // shortest first
		count += b.Count
		low := b.Low.Seconds()
		if b.Low == 0 {
			zeros += b.Count
		} else {
			sum += (b.Low + b.High).Seconds() / 2 * float64(b.Count)
			if low > end { // seldom: they are wider than ours
				index = nativeIndex(low)
				end = math.Exp2(float64(index) / (1 << schema))
			}
			native[index] += int64(b.Count)
		}
		for next < len(bounds) && low > bounds[next] {
			next++
		}
		if next < len(bounds) {
			counts[next] += b.Count
		}
		examples.place(b, next)
	}
	metric, err := prometheus.NewConstNativeHistogram(desc, count, sum, native, nil, zeros, schema, zero, since, labels...)
	if err != nil {
		return nil, err
	}
	var below uint64
	classic := make([]*dto.Bucket, len(bounds))
	for i, bound := range bounds {
		below += counts[i]
		n := below
		classic[i] = &dto.Bucket{UpperBound: &bound, CumulativeCount: &n}
	}
	return durations{metric, examples.give(classic, count), examples.all}, nil
}

// nativeIndex is the bucket of a value: bucket i ends at 2^(i/2^schema), which
// belongs to it.
func nativeIndex(v float64) int { return int(math.Ceil(math.Log2(v) * (1 << schema))) }
