package page

import (
	"math"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// Percentiles are the points of a [Curve], even on a scale of nines, as far as
// there are samples to tell.
func Percentiles(h *histogram.Histogram) (points [][2]float64) {
	last := -1.0
	for i := 0; ; i++ {
		p := 100 * (1 - math.Pow(10, -float64(i)/16))
		rest := float64(h.Count()) * (1 - p/100)
		v := h.Percentile(p).Seconds()
		if rest < 1 || i > 16*6 {
			break
		}
		if v != last || i%16 == 0 {
			points = append(points, [2]float64{round(p, 8), round(v, 4)})
		}
		last = v
	}
	return points
}

// round keeps significant digits.
func round(v float64, digits int) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, float64(digits-1)-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*unit) / unit
}
