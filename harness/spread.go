package harness

import (
	"math"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// perOctave is how many buckets of a spread make a doubling.
const perOctave = 4

// spread is a histogram for [ActionSecond].Spread.
func spread(h *histogram.Histogram) (out []uint64) {
	first, last := 0, 0
	for b := range h.Buckets() { // shortest first
		i := spreadIndex(b.Low)
		switch {
		case out == nil:
			first, last = i, i
			out = append(make([]uint64, 0, 16), uint64(i), 0)
		default:
			for ; last < i; last++ {
				out = append(out, 0)
			}
		}
		out[1+i-first] += b.Count
	}
	return out
}

// spreadIndex takes what is faster than a nanosecond for one.
func spreadIndex(d time.Duration) int {
	return int(perOctave * math.Log2(float64(max(d, 1))))
}

// SpreadBounds are the times in seconds between which bucket i of a spread is.
func SpreadBounds(i uint64) (from, to float64) {
	return math.Exp2(float64(i)/perOctave) / 1e9, math.Exp2(float64(i+1)/perOctave) / 1e9
}
