package histogram

import "time"

// Narrow sets Min and Max of a histogram that was decoded, and so knows them only
// to the precision of their buckets, to what they are known to be from elsewhere.
// What is not within these buckets is ignored, so that a histogram that has
// recorded its samples itself does not change.
func (h *Histogram) Narrow(shortest, longest time.Duration) {
	if h.count == 0 {
		return
	}
	if index(int64(shortest)) == index(h.min) {
		h.min = int64(shortest)
	}
	if index(int64(longest)) == index(h.max) {
		h.max = int64(longest)
	}
}
