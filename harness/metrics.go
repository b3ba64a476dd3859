package harness

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/coderscale/scaletest/internal/percore"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// metrics are a scenario's numbers, in a shard for each core.
type metrics struct {
	pick   percore.Picker
	shards []metricShard

	mu      sync.Mutex
	sources []Source
	known   map[Source]bool

	collecting sync.Mutex // sources are asked one at a time

	exemplars exemplars
}

type metricShard struct {
	mu        sync.Mutex
	series    []*series // by action
	counters  []counter // by counter
	iteration series
	lag       histogram.Histogram
	_         [64]byte
}

// counter is a sum. One that nothing was ever added to, not even 0, is none.
type counter struct {
	n    int64
	used bool
}

// series are an action's numbers.
type series struct {
	response, service histogram.Histogram // of those that succeeded
	errors            int64
	tags              map[string]*series // by set of tags; part of the sums above
}

func (s *series) record(response, service time.Duration, failed bool) {
	if failed {
		s.errors++
		return
	}
	s.response.Record(response)
	s.service.Record(service)
}

func (s *series) merge(o *series) {
	s.response.Merge(&o.response)
	s.service.Merge(&o.service)
	s.errors += o.errors
	for tags, t := range o.tags {
		s.tagged(tags).merge(t)
	}
}

// since is what was added from o to s. o may be nil.
func (s *series) since(o *series) *series {
	if o == nil {
		o = &series{}
	}
	d := &series{errors: s.errors - o.errors}
	d.response.Merge(s.response.Since(&o.response))
	d.service.Merge(s.service.Since(&o.service))
	for tags, t := range s.tags {
		d.tagged(tags).merge(t.since(o.tags[tags]))
	}
	return d
}

func newMetrics() *metrics { return &metrics{shards: make([]metricShard, percore.Count())} }

func (m *metrics) lock() *metricShard {
	sh := &m.shards[m.pick.Pick(len(m.shards))]
	sh.mu.Lock()
	return sh
}

func (m *metrics) record(a Action, response, service time.Duration, failed bool) {
	sh := m.lock()
	if a.id >= len(sh.series) {
		sh.series = append(sh.series, make([]*series, a.id+1-len(sh.series))...)
	}
	s := sh.series[a.id]
	if s == nil {
		s = &series{}
		sh.series[a.id] = s
	}
	s.record(response, service, failed)
	sh.mu.Unlock()
}

func (m *metrics) count(c Counter, n int64) {
	sh := m.lock()
	if c.id >= len(sh.counters) {
		sh.counters = append(sh.counters, make([]counter, c.id+1-len(sh.counters))...)
	}
	sh.counters[c.id].n += n
	sh.counters[c.id].used = true
	sh.mu.Unlock()
}

func (m *metrics) recordIteration(response, service time.Duration, failed bool) {
	sh := m.lock()
	sh.iteration.record(response, service, failed)
	sh.mu.Unlock()
}

func (m *metrics) recordLag(lag time.Duration) {
	sh := m.lock()
	sh.lag.Record(lag)
	sh.mu.Unlock()
}

func (m *metrics) observe(s Source) {
	if !reflect.ValueOf(s).Comparable() {
		panic(fmt.Sprintf("harness: Observe(%T): want a source that can be compared, such as a pointer, so that it is added once", s))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[s] {
		return
	}
	if m.known == nil {
		m.known = map[Source]bool{}
	}
	m.known[s] = true
	m.sources = append(m.sources, s)
}

// Source is something that measures on its own, such as a traffic.Pump that
// all users of a scenario share. Collect is called once a second, and once at
// the end, and where a part of the load ends, while runners run; it should return
// soon. Never twice at the same time. Its numbers are sums since the beginning.
type Source interface {
	Collect(into *Collection)
}

// Collection takes the numbers of a [Source].
type Collection struct{ t *totals }

// Action adds an action's successes and errors. The histograms are not kept.
func (c *Collection) Action(a Action, response, service *histogram.Histogram, errors int64) {
	c.t.add(a, func(s *series) {
		s.response.Merge(response)
		s.service.Merge(service)
		s.errors += errors
	})
}

// Counter adds to a counter.
func (c *Collection) Counter(counter Counter, n int64) { c.t.counters[counter.String()] += n }

// Lag adds how late the generator itself was.
func (c *Collection) Lag(h *histogram.Histogram) { c.t.lag.Merge(h) }

// Throughput adds the bytes that were meant to be sent and those that were.
func (c *Collection) Throughput(intended, achieved int64) {
	c.t.bytesIntended += intended
	c.t.bytesAchieved += achieved
}

// Dropped adds events that were meant to happen and did not, because this
// process was too slow. They count against the validity of the run.
func (c *Collection) Dropped(intended, dropped int64) {
	c.t.sourceIntended += intended
	c.t.sourceDropped += dropped
}

// totals are a scenario's sums at some instant.
type totals struct {
	actions   map[string]*series
	counters  map[string]int64
	iteration series
	lag       histogram.Histogram

	bytesIntended, bytesAchieved  int64
	sourceIntended, sourceDropped int64
}

func (t *totals) series(name string) *series {
	s := t.actions[name]
	if s == nil {
		s = &series{}
		t.actions[name] = s
	}
	return s
}

// totals merges all shards and sources.
func (m *metrics) totals() *totals { return m.observeInto(m.recorded()) }

// recorded merges all shards.
func (m *metrics) recorded() *totals {
	t := newTotals()
	for i := range m.shards {
		sh := &m.shards[i]
		sh.mu.Lock()
		for id, s := range sh.series {
			if s != nil {
				t.add(Action{id}, func(sum *series) { sum.merge(s) })
			}
		}
		for id, c := range sh.counters {
			if c.used {
				t.counters[counters.name(id)] += c.n
			}
		}
		t.iteration.merge(&sh.iteration)
		t.lag.Merge(&sh.lag)
		sh.mu.Unlock()
	}
	return t
}

// observed merges all sources.
func (m *metrics) observed() *totals { return m.observeInto(newTotals()) }

// observeInto adds all sources.
func (m *metrics) observeInto(t *totals) *totals {
	m.mu.Lock()
	sources := append([]Source(nil), m.sources...)
	m.mu.Unlock()
	m.collecting.Lock()
	defer m.collecting.Unlock()
	for _, s := range sources {
		s.Collect(&Collection{t})
	}
	return t
}
