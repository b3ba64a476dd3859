package harness

import (
	"maps"
	"math"
	"slices"
	"time"
)

// wallSecond is the second of the wall clock next to an instant.
func wallSecond(t time.Time) int64 { return t.Round(time.Second).Unix() }

// byWall are a timeline's seconds by the wall clock, to which its beginning is
// moved. Those of one process that fall together follow each other; those of
// several are side by side. What is less than shortestRest too late is on time.
func byWall[S any](timeline []S, zero time.Time, at func(S) float64, follow func(a, b S) S) map[int64]S {
	out, begin := map[int64]S{}, wallSecond(zero)
	for _, sec := range timeline {
		w := begin + int64(math.Ceil(max(at(sec)-shortestRest.Seconds(), 0)))
		if before, ok := out[w]; ok {
			sec = follow(before, sec)
		}
		out[w] = sec
	}
	return out
}

// timeline sums the i-th scenario's up.
func (m *merge) timeline(i int) []Second {
	sum := map[int64]Second{}
	for _, r := range m.results {
		zero := r.StartedAt.Add(nanoseconds(r.TimelineAt))
		for w, sec := range byWall(r.Scenarios[i].Timeline, zero, func(s Second) float64 { return s.At }, Second.follow) {
			if other, ok := sum[w]; ok {
				sec = other.beside(sec)
			}
			sum[w] = sec
		}
	}
	out := []Second{}
	for _, w := range slices.Sorted(maps.Keys(sum)) {
		sec := sum[w]
		sec.Scenario, sec.At = m.results[0].Scenarios[i].Name, float64(w-m.zero)
		out = append(out, sec)
	}
	return out
}

// beside is what two processes did in the same second.
func (s Second) beside(o Second) Second {
	sum := s.plus(o)
	sum.Users, sum.Connections = s.Users+o.Users, s.Connections+o.Connections
	sum.Span = max(s.Span, o.Span)
	// In thousandths, so that the order does not matter.
	sum.CPU = (math.Round(1000*s.CPU) + math.Round(1000*o.CPU)) / 1000
	return sum
}

// follow is what a process did in a second and in the rest after it.
func (s Second) follow(o Second) Second {
	sum := s.plus(o)
	sum.Users, sum.Connections = max(s.Users, o.Users), o.Connections
	sum.Span = s.Span + o.Span
	sum.CPU = max(s.CPU, o.CPU)
	return sum
}

// plus adds what adds up in either case.
func (s Second) plus(o Second) Second {
	sum := Second{
		Phase: max(s.Phase, o.Phase), Started: s.Started + o.Started, Failed: s.Failed + o.Failed, Dropped: s.Dropped + o.Dropped,
		Actions: map[string]ActionSecond{}, Counters: map[string]int64{},
		BytesIntended: s.BytesIntended + o.BytesIntended, BytesAchieved: s.BytesAchieved + o.BytesAchieved,
		Errors: s.Errors + o.Errors, Disconnects: s.Disconnects + o.Disconnects, LagP99: max(s.LagP99, o.LagP99),
	}
	maps.Copy(sum.Actions, s.Actions)
	for name, a := range o.Actions {
		sum.Actions[name] = sum.Actions[name].plus(a)
	}
	maps.Copy(sum.Counters, s.Counters)
	for name, n := range o.Counters {
		sum.Counters[name] += n
	}
	return sum
}

// plus takes the percentiles from the spread where both have times: neither's own
// say what those of both are.
func (a ActionSecond) plus(o ActionSecond) ActionSecond {
	errors := a.Errors + o.Errors
	switch {
	case a.Count == 0:
		a = o
	case o.Count > 0:
		a = ActionSecond{Count: a.Count + o.Count, Max: max(a.Max, o.Max), Spread: mergeSpreads(a.Spread, o.Spread)}
		a.P50, a.P99 = min(spreadPercentile(a.Spread, 50), a.Max), min(spreadPercentile(a.Spread, 99), a.Max)
	}
	a.Errors = errors
	return a
}

func mergeSpreads(a, b []uint64) []uint64 {
	if len(a) < 2 || len(b) < 2 {
		if len(a) < 2 {
			a = b
		}
		return a
	}
	first := min(a[0], b[0])
	out := make([]uint64, 1+max(a[0]+uint64(len(a)), b[0]+uint64(len(b)))-first-1)
	out[0] = first
	for _, s := range [][]uint64{a, b} {
		for i, n := range s[1:] {
			out[1+s[0]-first+uint64(i)] += n
		}
	}
	return out
}

// spreadPercentile is where the sample of that rank is when those of a bucket are
// spread evenly, in seconds.
func spreadPercentile(spread []uint64, p float64) float64 {
	var all uint64
	for i, n := range spread {
		if i > 0 {
			all += n
		}
	}
	if all == 0 {
		return 0
	}
	rank := math.Ceil(p / 100 * float64(all))
	seen := 0.0
	for i, n := range spread[1:] {
		if seen += float64(n); n > 0 && seen >= rank {
			from, to := SpreadBounds(spread[0] + uint64(i))
			return to - (to-from)*(seen-rank)/float64(n)
		}
	}
	return 0
}
