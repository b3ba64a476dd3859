package coderdmetrics

import (
	"math"
	"slices"
	"time"
)

// replica is a process of coderd. One that was restarted is another.
type replica struct {
	name       string
	last, prev *scrape
}

// take keeps what was read. A replica that had begun before is told by what it
// counts, which never falls.
func (r *replica) take(s *scrape) {
	if r.last != nil && (r.last.start != s.start || fallen(r.last, s)) {
		r.last = nil
	}
	r.prev, r.last = r.last, s
}

// cpuSource is the first row's.
var cpuSource = thePlan.sourceOf[slices.IndexFunc(table, func(r row) bool { return r.series == "cpu" })]

// fallen reports whether the process has used less than before, so that it is not
// the same.
func fallen(before, now *scrape) bool {
	a, b := before.sources[cpuSource][""], now.sources[cpuSource][""]
	return a != nil && b != nil && b.value < a.value
}

// over is the time between the two scrapes that rates are of.
func (r *replica) over() float64 {
	if r.prev == nil || r.last == nil {
		return 0
	}
	return r.last.at.Sub(r.prev.at).Seconds()
}

// measure is a row's number in a replica, or what makes it.
type measure struct {
	value   float64
	weight  float64 // that decides which are the top ones
	buckets []bucket
}

// measure is of one group of a row; false if there is nothing to say.
func (r *replica) measure(row *row, src int, group string) (m measure, ok bool) {
	now := r.last.sources[src][group]
	scale := row.scale
	if scale == 0 {
		scale = 1
	}
	switch row.how {
	case gauge:
		m.value = now.value * scale
	case mean:
		m.value = now.value * scale / float64(now.sets)
	case highest:
		m.value = now.high * scale
	default:
		return r.increase(row, src, group, scale)
	}
	m.weight = m.value
	return m, row.unlimited == 0 || m.value < row.unlimited
}

// increase is what came since the scrape before. A group that was not there had
// nothing; one that has fallen says nothing.
func (r *replica) increase(row *row, src int, group string, scale float64) (m measure, ok bool) {
	over := r.over()
	if over <= 0 {
		return m, false
	}
	now, before := r.last.sources[src][group], r.prev.sources[src][group]
	if before == nil {
		if r.prev.dropped[row.metric] {
			return m, false // it may have had a lot
		}
		before = &tally{}
	}
	m.value = (now.value - before.value) * scale / over
	m.weight = m.value
	if m.value < 0 {
		return m, false
	}
	if row.how == rate {
		return m, true
	}
	old := before.buckets
	for _, b := range now.buckets {
		for len(old) > 0 && old[0].limit < b.limit {
			old = old[1:]
		}
		if len(old) > 0 && old[0].limit == b.limit {
			b.count -= old[0].count
		}
		m.buckets = append(m.buckets, b)
	}
	return m, true
}

// percentile finds a quantile in cumulative buckets, linear inside of one. It is
// false when nothing was counted.
func percentile(buckets []bucket, q float64) (float64, bool) {
	if len(buckets) == 0 {
		return 0, false
	}
	all := 0.0
	for _, b := range buckets {
		all = max(all, b.count)
	}
	if all <= 0 {
		return 0, false
	}
	rank, limit, below := q*all, 0.0, 0.0
	for _, b := range buckets {
		count := max(b.count, below)
		switch {
		case math.IsInf(b.limit, 1):
			return limit, true
		case count >= rank && count > below:
			if b.limit <= 0 {
				return b.limit, true
			}
			return limit + (b.limit-limit)*(rank-below)/(count-below), true
		}
		limit, below = b.limit, count
	}
	return limit, true
}

// alive reports whether the replica was seen not long ago.
func (r *replica) alive(now time.Time, stale time.Duration) bool {
	return r.last != nil && now.Sub(r.last.at) <= stale
}
