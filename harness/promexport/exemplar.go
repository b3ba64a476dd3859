package promexport

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// exemplarRunes bound an exemplar's labels, by OpenMetrics: a scraper refuses the
// whole answer for one that has more.
const exemplarRunes = 128

// timed is an exemplar whose value is exact.
type timed struct {
	time.Duration
	*dto.Exemplar
}

// exemplarsOf are exemplars by one of their times, the shortest first.
func exemplarsOf(list []harness.Exemplar, of func(harness.Exemplar) time.Duration) []timed {
	var out []timed
	for _, e := range list {
		labels := []*dto.LabelPair{
			{Name: proto.String("trace_id"), Value: proto.String(e.Trace)},
			{Name: proto.String("span_id"), Value: proto.String(e.Span)},
		}
		runes := 0
		for _, l := range labels {
			runes += utf8.RuneCountInString(l.GetName() + l.GetValue())
		}
		if runes <= exemplarRunes && e.Trace != "" {
			out = append(out, timed{of(e), &dto.Exemplar{Label: labels, Value: proto.Float64(of(e).Seconds()), Timestamp: timestamppb.New(e.At)}})
		}
	}
	slices.SortStableFunc(out, func(a, b timed) int { return cmp.Compare(a.Duration, b.Duration) })
	return out
}

// placed are the exemplars of a histogram.
type placed struct {
	waiting []timed // the shortest first
	all     []*dto.Exemplar
	classic map[int]*dto.Exemplar // the newest of each bucket
}

// place takes those in one of the histogram's own buckets. What is in none,
// because it ended after the snapshot, is left out.
func (p *placed) place(b histogram.Bucket, classic int) {
	for len(p.waiting) > 0 && p.waiting[0].Duration <= b.High {
		e := p.waiting[0]
		p.waiting = p.waiting[1:]
		if e.Duration < b.Low {
			continue
		}
		p.all = append(p.all, e.Exemplar)
		if p.classic == nil {
			p.classic = map[int]*dto.Exemplar{}
		}
		if before := p.classic[classic]; before == nil || before.Timestamp.AsTime().Before(e.Timestamp.AsTime()) {
			p.classic[classic] = e.Exemplar
		}
	}
}

// give gives classic buckets their exemplars. What is beyond all bounds needs a
// bucket for its own.
func (p *placed) give(classic []*dto.Bucket, count uint64) []*dto.Bucket {
	for i, b := range classic {
		b.Exemplar = p.classic[i]
	}
	if e := p.classic[len(classic)]; e != nil && len(classic) > 0 {
		classic = append(classic, &dto.Bucket{UpperBound: proto.Float64(math.Inf(1)), CumulativeCount: &count, Exemplar: e})
	}
	return classic
}
