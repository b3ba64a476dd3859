package promexport

import (
	"math"
	"slices"
	"sort"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/coderscale/scaletest/harness"
)

// exemplarRunes bound an exemplar's labels, by OpenMetrics: a scraper refuses the
// whole answer for one that has more.
const exemplarRunes = 128

// keepExemplars takes over what a result does not keep.
func keepExemplars(to, from map[string]harness.ActionTotals) {
	for name, a := range to {
		a.Exemplars = from[name].Exemplars
		to[name] = a
	}
}

// exemplarsOf are exemplars by one of their times, the shortest first.
func exemplarsOf(list []harness.Exemplar, of func(harness.Exemplar) time.Duration) []*dto.Exemplar {
	var out []*dto.Exemplar
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
			out = append(out, &dto.Exemplar{Label: labels, Value: proto.Float64(of(e).Seconds()), Timestamp: timestamppb.New(e.At)})
		}
	}
	slices.SortStableFunc(out, func(a, b *dto.Exemplar) int {
		switch {
		case a.GetValue() < b.GetValue():
			return -1
		case a.GetValue() > b.GetValue():
			return 1
		}
		return a.Timestamp.AsTime().Compare(b.Timestamp.AsTime())
	})
	return out
}

// withExemplars gives each classic bucket the newest exemplar in it, and returns
// those for the native ones. What is not in the histogram yet, because it ended
// after the snapshot, has none.
func withExemplars(classic []*dto.Bucket, list []*dto.Exemplar, count uint64, native map[int]int64) ([]*dto.Bucket, []*dto.Exemplar) {
	if len(list) == 0 {
		return classic, nil
	}
	bounds := len(classic)
	var beyond *dto.Bucket
	var kept []*dto.Exemplar
	for _, e := range list {
		// The histogram knows it by the lower end of a narrow bucket.
		if i := nativeIndex(e.GetValue()); native[i] == 0 && native[i-1] == 0 {
			continue
		}
		kept = append(kept, e)
		if bounds == 0 {
			continue
		}
		i := sort.Search(bounds, func(i int) bool { return e.GetValue() <= classic[i].GetUpperBound() })
		b := beyond
		switch {
		case i < bounds:
			b = classic[i]
		case beyond == nil:
			beyond = &dto.Bucket{UpperBound: proto.Float64(math.Inf(1)), CumulativeCount: &count}
			b = beyond
		}
		if b.Exemplar == nil || b.Exemplar.Timestamp.AsTime().Before(e.Timestamp.AsTime()) {
			b.Exemplar = e
		}
	}
	if beyond != nil {
		classic = append(classic, beyond)
	}
	return classic, kept
}
