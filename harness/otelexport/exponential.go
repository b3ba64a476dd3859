package otelexport

import (
	"encoding/hex"
	"math"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
	"github.com/coderscale/scaletest/traffic/histogram"
)

const (
	// maxScale has buckets that are 1.1 % wide, as ours are 0.8 %.
	maxScale = 6

	// maxBuckets is how many collectors take without merging them.
	maxBuckets = 160

	// zero is the width of the bucket of what is no time at all: the first of ours.
	zero = 8e-9
)

// exponential puts a histogram's buckets into those of powers of 2^(2^-scale), by
// their lower end, at the highest scale at which there are few. All that was
// counted is, and a value is at most 0.8 % beyond its bucket.
func exponential(h *histogram.Histogram) (p metricdata.ExponentialHistogramDataPoint[float64]) {
	p.Count, p.ZeroThreshold, p.Scale = h.Count(), zero, maxScale
	if p.Count == 0 {
		return p
	}
	p.Min, p.Max = metricdata.NewExtrema(h.Min().Seconds()), metricdata.NewExtrema(h.Max().Seconds())
	var shortest, longest float64
	for b := range h.Buckets() {
		p.Sum += middle(b) * float64(b.Count)
		switch {
		case b.Low == 0:
			p.ZeroCount = b.Count
			continue
		case shortest == 0:
			shortest = b.Low.Seconds()
		}
		longest = b.Low.Seconds()
	}
	if shortest == 0 {
		return p
	}
	for bucketOf(longest, p.Scale)-bucketOf(shortest, p.Scale) >= maxBuckets {
		p.Scale--
	}
	p.PositiveBucket.Offset = bucketOf(shortest, p.Scale)
	p.PositiveBucket.Counts = make([]uint64, bucketOf(longest, p.Scale)-p.PositiveBucket.Offset+1)
	for b := range h.Buckets() {
		if b.Low > 0 {
			p.PositiveBucket.Counts[bucketOf(b.Low.Seconds(), p.Scale)-p.PositiveBucket.Offset] += b.Count
		}
	}
	return p
}

// bucketOf is the bucket of a value: bucket i begins behind 2^(i*2^-scale).
func bucketOf(v float64, scale int32) int32 {
	return int32(math.Ceil(math.Ldexp(math.Log2(v), int(scale)))) - 1
}

// explicit puts a histogram's buckets into those of fixed bounds, for collectors
// that take no others.
func explicit(h *histogram.Histogram) (p metricdata.HistogramDataPoint[float64]) {
	p.Count, p.Bounds, p.BucketCounts = h.Count(), progress.Buckets, make([]uint64, len(progress.Buckets)+1)
	if p.Count > 0 {
		p.Min, p.Max = metricdata.NewExtrema(h.Min().Seconds()), metricdata.NewExtrema(h.Max().Seconds())
	}
	next := 0
	for b := range h.Buckets() {
		p.Sum += middle(b) * float64(b.Count)
		for next < len(p.Bounds) && b.Low.Seconds() > p.Bounds[next] {
			next++
		}
		p.BucketCounts[next] += b.Count
	}
	return p
}

func middle(b histogram.Bucket) float64 {
	if b.Low == 0 {
		return 0
	}
	return (b.Low + b.High).Seconds() / 2
}

// exemplarsOf are those that ended after an instant, by one of their times.
func exemplarsOf(list []harness.Exemplar, after time.Time, of func(harness.Exemplar) time.Duration) (out []metricdata.Exemplar[float64]) {
	for _, e := range list {
		trace, err1 := hex.DecodeString(e.Trace)
		span, err2 := hex.DecodeString(e.Span)
		if err1 == nil && err2 == nil && e.At.After(after) {
			out = append(out, metricdata.Exemplar[float64]{Time: e.At, Value: of(e).Seconds(), TraceID: trace, SpanID: span})
		}
	}
	return out
}
