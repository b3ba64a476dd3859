package harness

import (
	"math"
	runtimemetrics "runtime/metrics"
	"slices"
	"time"
)

// vitals are how the process is at some instant. Sums are since its beginning.
type vitals struct {
	at           time.Time
	wall         time.Duration // as at, if time is not faked
	cpu          time.Duration
	gc           float64 // CPU seconds
	pauses       float64 // seconds
	heap, memory uint64
	goroutines   int
	descriptors  int // 0 when not counted
}

// monitor asks the runtime and the system. It keeps what it asks with, so that a
// look each second leaves no garbage.
type monitor struct{ samples []runtimemetrics.Sample }

func newMonitor() *monitor {
	m := &monitor{}
	for _, name := range []string{
		"/cpu/classes/gc/total:cpu-seconds",
		"/memory/classes/heap/objects:bytes",
		"/memory/classes/total:bytes",
		"/sched/goroutines:goroutines",
		"/sched/pauses/total/gc:seconds",
	} {
		m.samples = append(m.samples, runtimemetrics.Sample{Name: name})
	}
	return m
}

func (m *monitor) vitals(descriptors bool) vitals {
	runtimemetrics.Read(m.samples)
	v := vitals{at: time.Now(), wall: wallClock(), cpu: processCPU()}
	// A runtime that does not have one of them leaves it 0.
	number := func(s runtimemetrics.Sample) uint64 {
		if s.Value.Kind() != runtimemetrics.KindUint64 {
			return 0
		}
		return s.Value.Uint64()
	}
	if m.samples[0].Value.Kind() == runtimemetrics.KindFloat64 {
		v.gc = m.samples[0].Value.Float64()
	}
	v.heap, v.memory, v.goroutines = number(m.samples[1]), number(m.samples[2]), int(number(m.samples[3]))
	if m.samples[4].Value.Kind() == runtimemetrics.KindFloat64Histogram {
		h := m.samples[4].Value.Float64Histogram()
		v.pauses = runtimeCounts{h.Counts, h.Buckets}.sum()
	}
	if descriptors {
		v.descriptors = openDescriptors()
	}
	return v
}

// runtimeTimes are the waits of goroutines that could run, and the pauses for the
// collector.
type runtimeTimes struct{ scheduling, pauses runtimeCounts }

func readRuntimeTimes() runtimeTimes {
	samples := []runtimemetrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/pauses/total/gc:seconds"}}
	runtimemetrics.Read(samples)
	return runtimeTimes{countsOf(samples[0]), countsOf(samples[1])}
}

// runtimeCounts is a histogram of the Go runtime.
type runtimeCounts struct {
	counts []uint64
	bounds []float64 // of the buckets: one more than counts
}

func countsOf(s runtimemetrics.Sample) runtimeCounts {
	if s.Value.Kind() != runtimemetrics.KindFloat64Histogram {
		return runtimeCounts{}
	}
	h := s.Value.Float64Histogram()
	return runtimeCounts{h.Counts, h.Buckets}
}

func (c runtimeCounts) since(o runtimeCounts) runtimeCounts {
	d := runtimeCounts{slices.Clone(c.counts), c.bounds}
	for i := range min(len(d.counts), len(o.counts)) {
		d.counts[i] -= o.counts[i]
	}
	return d
}

// upper is the end of a bucket, or the beginning of the last, which has none.
func (c runtimeCounts) upper(i int) float64 {
	if end := c.bounds[i+1]; !math.IsInf(end, 0) {
		return end
	}
	return max(c.bounds[i], 0)
}

func (c runtimeCounts) sum() (s float64) {
	for i, n := range c.counts {
		if n > 0 {
			s += float64(n) * c.upper(i)
		}
	}
	return s
}

func (c runtimeCounts) times() RuntimeTimes {
	t := RuntimeTimes{Sum: c.sum()}
	for i, n := range c.counts {
		if t.Count += n; n > 0 {
			t.Max = c.upper(i)
		}
	}
	t.P50, t.P99 = c.percentile(50, t.Count), c.percentile(99, t.Count)
	return t
}

// above is how many are longer than a limit for sure.
func (c runtimeCounts) above(limit float64) (n uint64) {
	for i, count := range c.counts {
		if c.bounds[i] >= limit {
			n += count
		}
	}
	return n
}

func (c runtimeCounts) percentile(p float64, count uint64) float64 {
	rank := uint64(math.Ceil(p / 100 * float64(count)))
	var seen uint64
	for i, n := range c.counts {
		if seen += n; n > 0 && seen >= rank {
			return c.upper(i)
		}
	}
	return 0
}
