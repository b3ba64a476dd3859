package otelexport

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// producer turns a run's sums into metrics. It has one user at a time. They are sums already, so that no
// instrument is needed that would sum them up a second time.
type producer struct {
	run      *progress.Run
	name     string
	deltas   bool // since the last export, instead of the beginning
	explicit bool // fixed bounds instead of powers

	started time.Time

	// These are of the last export.
	since time.Time // of deltas; started for others
	sums  map[series]int64
	times map[series]*histogram.Histogram
}

type series struct {
	name       string
	attributes attribute.Distinct
}

func newProducer(run *progress.Run, name string) *producer {
	now := time.Now()
	return &producer{run: run, name: name, started: now, since: now, sums: map[series]int64{}, times: map[series]*histogram.Histogram{}}
}

// produce are the metrics of one export.
func (p *producer) produce() []metricdata.Metrics {
	b := &batch{producer: p, now: time.Now(), at: map[string]int{}}
	state := p.run.Now()
	b.about(state)
	for _, s := range state.Scenarios {
		b.scenario(s.Totals)
	}
	out := make([]metricdata.Metrics, len(b.list))
	for i, m := range b.list {
		out[i] = m.Metrics
		out[i].Data = m.data(p)
	}
	if p.deltas {
		p.since = b.now
	}
	return out
}

// batch is one export.
type batch struct {
	*producer
	now  time.Time
	list []*metric
	at   map[string]int
}

// metric is one of a batch, with the points of one of these kinds.
type metric struct {
	metricdata.Metrics
	counts, levels []metricdata.DataPoint[int64]
	powers         []metricdata.ExponentialHistogramDataPoint[float64]
	bounds         []metricdata.HistogramDataPoint[float64]
}

func (m *metric) data(p *producer) metricdata.Aggregation {
	temporality := metricdata.CumulativeTemporality
	if p.deltas {
		temporality = metricdata.DeltaTemporality
	}
	switch {
	case m.counts != nil:
		return metricdata.Sum[int64]{DataPoints: m.counts, Temporality: temporality, IsMonotonic: true}
	case m.levels != nil: // sums that go up and down are never deltas
		return metricdata.Sum[int64]{DataPoints: m.levels, Temporality: metricdata.CumulativeTemporality}
	case m.bounds != nil:
		return metricdata.Histogram[float64]{DataPoints: m.bounds, Temporality: temporality}
	}
	return metricdata.ExponentialHistogram[float64]{DataPoints: m.powers, Temporality: temporality}
}

func (b *batch) metric(name, unit, about string) *metric {
	i, ok := b.at[name]
	if !ok {
		i = len(b.list)
		b.at[name] = i
		b.list = append(b.list, &metric{Metrics: metricdata.Metrics{Name: name, Unit: unit, Description: about}})
	}
	return b.list[i]
}

// count is a sum that only grows.
func (b *batch) count(name, unit, about string, n int64, attributes ...attribute.KeyValue) {
	set := attribute.NewSet(attributes...)
	if b.deltas {
		key := series{name, set.Equivalent()}
		n, b.sums[key] = n-b.sums[key], n
	}
	m := b.metric(name, unit, about)
	m.counts = append(m.counts, metricdata.DataPoint[int64]{Attributes: set, StartTime: b.since, Time: b.now, Value: n})
}

// level is how many there are now.
func (b *batch) level(name, unit, about string, n int64, attributes ...attribute.KeyValue) {
	m := b.metric(name, unit, about)
	m.levels = append(m.levels, metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attributes...), StartTime: b.started, Time: b.now, Value: n})
}

// took is a histogram of durations.
func (b *batch) took(name, about string, h *histogram.Histogram, exemplars []harness.Exemplar, of func(harness.Exemplar) time.Duration, attributes ...attribute.KeyValue) {
	set := attribute.NewSet(attributes...)
	if b.deltas {
		key := series{name, set.Equivalent()}
		h, b.times[key] = h.Since(b.times[key]), h
		if h.Count() == 0 {
			return
		}
	}
	examples := exemplarsOf(exemplars, b.since, of)
	m := b.metric(name, "s", about)
	if b.explicit {
		p := explicit(h)
		p.Attributes, p.StartTime, p.Time, p.Exemplars = set, b.since, b.now, examples
		m.bounds = append(m.bounds, p)
		return
	}
	p := exponential(h)
	p.Attributes, p.StartTime, p.Time, p.Exemplars = set, b.since, b.now, examples
	m.powers = append(m.powers, p)
}
