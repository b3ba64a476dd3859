// Package histogram holds durations in log-linear buckets that cost the same
// for ten samples and for ten billion.
//
// The layout is that of HdrHistogram with two significant digits, a unit of
// 8 ns and a range of 24 h: a value is known to within 0.8 % from 1 µs
// upwards, and to 8 ns below. Buckets of equal layout add up without loss, so
// histograms of workers, processes and machines merge into what one histogram
// would have held. [Histogram.MarshalText] writes the standard compressed V2
// encoding, which HdrHistogram's implementations in other languages read.
//
// A [Histogram] has one owner at a time and no lock; recording is a few
// nanoseconds. [Sharded] is for many goroutines.
package histogram

import (
	"iter"
	"math"
	"math/bits"
	"time"
)

const (
	unitBits = 3               // values are kept in units of 8 ns
	subBits  = 8               // 256 sub-buckets: two significant digits
	rowBits  = subBits - 1     // a row holds one octave
	rowLen   = 1 << rowBits    // 128
	rows     = 38              // up to Highest
	sigFigs  = 2               // what the layout is called in HdrHistogram
	lowest   = 1 << unitBits   // lowest discernible value, ns
	subCount = 1 << subBits    //
	topIndex = rows*rowLen - 1 //
	highest  = 24 * time.Hour  //
	maxUnits = uint64(highest) >> unitBits
)

// Highest is the largest duration that a histogram tells apart. Longer ones
// count as this long; [Histogram.Max] still gives them exactly.
const Highest = highest

// Histogram counts durations. The zero value is empty and ready to use. It is
// not safe for concurrent use: it belongs to whoever records.
type Histogram struct {
	rows     [rows]*[rowLen]uint64 // made when first used
	count    uint64
	min, max int64 // exact, ns; valid when count > 0
}

// Record adds one duration. A negative one counts as zero.
func (h *Histogram) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN adds the same duration n times.
func (h *Histogram) RecordN(d time.Duration, n uint64) {
	if n == 0 {
		return
	}
	v := max(int64(d), 0)
	if h.count == 0 {
		h.min, h.max = v, v
	} else if v > h.max {
		h.max = v
	} else if v < h.min {
		h.min = v
	}
	h.count += n
	i := index(v)
	row := h.rows[i>>rowBits]
	if row == nil {
		row = new([rowLen]uint64)
		h.rows[i>>rowBits] = row
	}
	row[i&(rowLen-1)] += n
}

// index maps nanoseconds to a bucket: linear below 256 units, then 128 buckets
// for each doubling.
func index(ns int64) int {
	u := uint64(ns) >> unitBits
	if u < subCount {
		return int(u)
	}
	u = min(u, maxUnits)
	shift := bits.Len64(u) - subBits
	return shift<<rowBits + int(u>>shift)
}

// bounds gives the lowest and the highest value, in ns, that share bucket i.
func bounds(i int) (low, high int64) {
	if i < subCount {
		return int64(i) << unitBits, int64(i+1)<<unitBits - 1
	}
	shift := i>>rowBits - 1
	sub := int64(i&(rowLen-1) + rowLen)
	return sub << (shift + unitBits), (sub+1)<<(shift+unitBits) - 1
}

// Count is the number of durations recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Min is the shortest duration, exactly; 0 when empty.
func (h *Histogram) Min() time.Duration { return time.Duration(h.min) }

// Max is the longest duration, exactly; 0 when empty.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean is the average, from the middle of each bucket; 0 when empty.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	var sum float64
	for b := range h.Buckets() {
		sum += float64(b.Count) * (float64(b.Low) + float64(b.High)) / 2
	}
	return min(max(time.Duration(sum/float64(h.count)), h.Min()), h.Max())
}

// Percentile is the duration that p percent of the samples do not exceed, for
// p from 0 to 100: the upper end of the bucket that holds the sample of that
// rank, as HdrHistogram has it, and never more than [Histogram.Max]. It is 0
// when empty.
func (h *Histogram) Percentile(p float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(min(max(p, 0), 100) / 100 * float64(h.count)))
	rank = min(max(rank, 1), h.count)
	var seen uint64
	for b := range h.Buckets() {
		if seen += b.Count; seen >= rank {
			return max(min(b.High, h.Max()), h.Min())
		}
	}
	return h.Max()
}

// Bucket is a range of durations that are counted together.
type Bucket struct {
	Low, High time.Duration // both inclusive
	Count     uint64
}

// Buckets yields the buckets that hold something, shortest first.
func (h *Histogram) Buckets() iter.Seq[Bucket] {
	return func(yield func(Bucket) bool) {
		for r, row := range h.rows {
			if row == nil {
				continue
			}
			for j, n := range row {
				if n == 0 {
					continue
				}
				low, high := bounds(r<<rowBits + j)
				if !yield(Bucket{time.Duration(low), time.Duration(high), n}) {
					return
				}
			}
		}
	}
}

// Merge adds all of o's samples. It is associative and commutative. A nil o
// adds nothing.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil || o.count == 0 {
		return
	}
	if h.count == 0 {
		h.min, h.max = o.min, o.max
	} else {
		h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	}
	h.count += o.count
	for r, from := range o.rows {
		if from == nil {
			continue
		}
		to := h.rows[r]
		if to == nil {
			to = new([rowLen]uint64)
			h.rows[r] = to
		}
		for j, n := range from {
			to[j] += n
		}
	}
}

// Since returns the samples that h holds beyond those of earlier, which must
// be an older copy of h (nil is an empty one): what was recorded in between.
// Its Min and Max are known to the precision of a bucket.
func (h *Histogram) Since(earlier *Histogram) *Histogram {
	d := &Histogram{}
	for r, row := range h.rows {
		if row == nil {
			continue
		}
		for j, n := range row {
			if earlier != nil && earlier.rows[r] != nil {
				n -= earlier.rows[r][j]
			}
			if n == 0 {
				continue
			}
			low, high := bounds(r<<rowBits + j)
			if d.rows[r] == nil {
				d.rows[r] = new([rowLen]uint64)
			}
			d.rows[r][j] = n
			if d.count == 0 {
				d.min = max(low, h.min)
			}
			d.max = min(high, h.max)
			d.count += n
		}
	}
	return d
}

// Clone returns a copy that shares nothing with h.
func (h *Histogram) Clone() *Histogram {
	c := &Histogram{}
	c.Merge(h)
	return c
}
