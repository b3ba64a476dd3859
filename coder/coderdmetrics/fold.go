package coderdmetrics

import (
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// source is what several rows have in common: a metric, what of it counts, and
// which of its labels are told apart.
type source struct {
	metric     string
	conditions []condition
	by         []string
	buckets    bool // somebody wants percentiles
}

// mostGroups bounds the label sets of a source that are told apart. A server has a
// few hundred endpoints and queries.
const mostGroups = 1000

// plan is the table, as it is looked up.
type plan struct {
	sources  []source
	sourceOf []int            // of each row
	families map[string][]int // sources by metric
	lines    map[string]string
}

// thePlan does not change.
var thePlan = func() plan {
	p := plan{families: map[string][]int{}, lines: map[string]string{}}
	index := map[string]int{}
	for _, r := range table {
		key := r.metric + "\n" + r.where + "\n" + strings.Join(r.by, ",")
		i, known := index[key]
		if !known {
			i = len(p.sources)
			index[key] = i
			p.sources = append(p.sources, source{metric: r.metric, conditions: conditions(r.where), by: r.by})
			p.families[r.metric] = append(p.families[r.metric], i)
		}
		p.sourceOf = append(p.sourceOf, i)
		if r.how.percentile() > 0 {
			p.sources[i].buckets = true
			p.lines[r.metric+"_bucket"] = r.metric
		}
		for _, end := range []string{"", "_sum", "_count"} {
			p.lines[r.metric+end] = r.metric
		}
	}
	for _, f := range facts {
		p.families[f.metric], p.lines[f.metric] = nil, f.metric
	}
	p.families[startTime], p.lines[startTime] = nil, startTime
	return p
}()

// tally is label sets of one scrape, added up.
type tally struct {
	value   float64 // of histograms and summaries their sum
	high    float64
	sets    int
	buckets []bucket
}

// bucket is how much a histogram has up to a limit.
type bucket struct{ limit, count float64 }

func (t *tally) add(limit, count float64) {
	i, found := slices.BinarySearchFunc(t.buckets, limit, func(b bucket, limit float64) int {
		switch {
		case b.limit < limit:
			return -1
		case b.limit > limit:
			return 1
		}
		return 0
	})
	if !found {
		t.buckets = slices.Insert(t.buckets, i, bucket{limit: limit})
	}
	t.buckets[i].count += count
}

// scrape is what was read of one replica at one instant.
type scrape struct {
	at      time.Time
	start   float64 // of the process, in seconds since 1970; 0 if it does not say
	facts   map[string]string
	present map[string]bool
	dropped map[string]bool     // metrics that could not be read
	sources []map[string]*tally // by what its labels make of it
	notes   []string
}

func newScrape(at time.Time) *scrape {
	return &scrape{at: at, facts: map[string]string{}, present: map[string]bool{}, dropped: map[string]bool{}, sources: make([]map[string]*tally, len(thePlan.sources))}
}

// fold adds up a family. It may come in parts.
func (s *scrape) fold(family *dto.MetricFamily) {
	name := family.GetName()
	sources := thePlan.families[name]
	for _, m := range family.GetMetric() {
		value, ok := valueOf(m)
		if !ok {
			continue
		}
		s.present[name] = true
		if name == startTime {
			s.start = value
		}
		for _, f := range facts {
			if f.metric == name {
				s.facts[f.fact] = labelOf(m, f.label)
			}
		}
		for _, i := range sources {
			s.count(i, m, value)
		}
	}
}

// drop forgets a family of which a part could not be read.
func (s *scrape) drop(name string) {
	delete(s.present, name)
	s.dropped[name] = true
	for _, i := range thePlan.families[name] {
		s.sources[i] = nil
	}
}

func (s *scrape) count(i int, m *dto.Metric, value float64) {
	src := &thePlan.sources[i]
	for _, c := range src.conditions {
		if !c.holds(labelOf(m, c.label)) {
			return
		}
	}
	group := ""
	for n, label := range src.by {
		if n > 0 {
			group += " "
		}
		name, isClass := strings.CutSuffix(label, ":class")
		text := labelOf(m, name)
		if isClass {
			text = class(text)
		}
		group += text
	}
	if s.sources[i] == nil {
		s.sources[i] = map[string]*tally{}
	}
	t := s.sources[i][group]
	if t == nil {
		if len(s.sources[i]) >= mostGroups {
			return
		}
		t = &tally{high: math.Inf(-1)}
		s.sources[i][strings.Clone(group)] = t
	}
	t.value += value
	t.high = max(t.high, value)
	t.sets++
	h := m.GetHistogram()
	if h == nil || !src.buckets {
		return
	}
	all := max(float64(h.GetSampleCount()), h.GetSampleCountFloat())
	for _, b := range h.GetBucket() {
		n := max(float64(b.GetCumulativeCount()), b.GetCumulativeCountFloat())
		if limit := b.GetUpperBound(); !math.IsInf(limit, 0) && !math.IsNaN(limit) && !math.IsNaN(n) {
			t.add(limit, n)
		}
	}
	if !math.IsNaN(all) {
		t.add(math.Inf(1), all)
	}
}

// class is the first digit of a status.
func class(code string) string {
	if len(code) == 3 {
		return code[:1] + "xx"
	}
	return "0xx"
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// valueOf is the number of a label set; false if it is none.
func valueOf(m *dto.Metric) (float64, bool) {
	var v float64
	switch {
	case m.GetCounter() != nil:
		v = m.GetCounter().GetValue()
	case m.GetGauge() != nil:
		v = m.GetGauge().GetValue()
	case m.GetHistogram() != nil:
		v = m.GetHistogram().GetSampleSum()
	case m.GetSummary() != nil:
		v = m.GetSummary().GetSampleSum()
	case m.GetUntyped() != nil:
		v = m.GetUntyped().GetValue()
	default:
		return 0, false
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}
