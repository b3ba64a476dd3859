package histogram

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Compact is a histogram as JSON that is cheap to write and needs no library to
// read: an array of whole numbers, of which each two stand for a bucket, shortest
// first. The first of the two is how many buckets further it is than the one
// before (for the first bucket, its index), the second is its count. An empty
// histogram is [].
//
// Bucket i below 256 holds the nanoseconds from 8*i to 8*i+7. Above, with
// s = i/128 - 1 (whole), it holds the 8<<s nanoseconds that begin at
// (i%128 + 128) << (s+3).
//
// Min and Max survive to the precision of their buckets.
type Compact struct{ *Histogram }

// MarshalJSON writes the buckets.
func (c Compact) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	if c.Histogram != nil {
		before := 0
		for r, row := range c.rows {
			if row == nil {
				continue
			}
			for j, n := range row {
				if n == 0 {
					continue
				}
				i := r<<rowBits + j
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = strconv.AppendInt(out, int64(i-before), 10)
				out = append(out, ',')
				out = strconv.AppendUint(out, n, 10)
				before = i
			}
		}
	}
	return append(out, ']'), nil
}

// UnmarshalJSON replaces the histogram.
func (c *Compact) UnmarshalJSON(text []byte) error {
	var numbers []uint64
	if err := json.Unmarshal(text, &numbers); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	if len(numbers)%2 != 0 {
		return fmt.Errorf("decode histogram: %d numbers, want two for each bucket", len(numbers))
	}
	h := &Histogram{}
	i := uint64(0)
	for k := 0; k < len(numbers); k += 2 {
		gap, n := numbers[k], numbers[k+1]
		switch {
		case gap > topIndex || i+gap > topIndex:
			return fmt.Errorf("decode histogram: there is no bucket %d", i+gap)
		case k > 0 && gap == 0:
			return fmt.Errorf("decode histogram: bucket %d comes twice", i)
		case n == 0 || n > math.MaxInt64 || h.count+n > math.MaxInt64:
			return fmt.Errorf("decode histogram: bucket %d has %d samples, want at least one, and at most %d in all", i+gap, n, int64(math.MaxInt64))
		}
		i += gap
		h.addBucket(int(i), n)
	}
	c.Histogram = h
	return nil
}

// addBucket adds samples to a bucket that is longer than all others.
func (h *Histogram) addBucket(i int, n uint64) {
	low, high := bounds(i)
	if h.count == 0 {
		h.min = low
	}
	h.max = high
	h.count += n
	row := h.rows[i>>rowBits]
	if row == nil {
		row = new([rowLen]uint64)
		h.rows[i>>rowBits] = row
	}
	row[i&(rowLen-1)] += n
}
