package harness

import "time"

// Estimate is how many probes a search takes where none contradicts another and
// the limit is in the middle of its range, checks of the recovery included, and how
// long with its rests, when a run takes each. It is for a search that Validate finds
// nothing wrong with.
func (s Search) Estimate(each time.Duration) (probes int, takes time.Duration) {
	s = s.withDefaults()
	d := s.decider()
	limit := d.from
	if d.to-d.from > 1 {
		limit = middle(d.from, d.to)
	}
	for rung, more := d.next(); more; rung, more = d.next() {
		held := rung <= limit
		d.observe(rung, held)
		probes++
		_, goesOn := d.next()
		if goesOn {
			takes += s.Rest
		}
		if goesOn && !held && s.Recovered == nil {
			probes++ // that it has recovered
		}
	}
	return probes, takes + time.Duration(probes)*each
}
