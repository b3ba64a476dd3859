package promexport

import (
	"maps"
	"slices"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/fold"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// folded are a scenario's sums, of which few names are kept apart.
type folded struct {
	harness.Totals // all names
	setup, load    map[string]harness.ActionTotals
	counters       map[string]int64
}

// fold bounds how many series there are. e.mu is held.
func (e *Exporter) fold(totals []harness.Totals) []folded {
	out := make([]folded, len(totals))
	for i, t := range totals {
		names := func(kind string) *fold.Names {
			key := t.Scenario + "\x00" + kind
			if e.names[key] == nil {
				e.names[key] = fold.NewNames(e.cfg.MaxNames)
			}
			return e.names[key]
		}
		out[i] = folded{t, foldActions(names("setup"), t.Setup), foldActions(names("load"), t.Actions), map[string]int64{}}
		counters := names("counters")
		for _, name := range slices.Sorted(maps.Keys(t.Counters)) {
			out[i].counters[counters.Of(name)] += t.Counters[name]
		}
	}
	return out
}

func foldActions(names *fold.Names, all map[string]harness.ActionTotals) map[string]harness.ActionTotals {
	out := map[string]harness.ActionTotals{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		if names.Of(name) != fold.Other {
			out[name] = a
			continue
		}
		rest, ok := out[fold.Other]
		if !ok { // those of the run stay what they are
			rest.Response, rest.Service = &histogram.Histogram{}, &histogram.Histogram{}
		}
		rest.Response.Merge(a.Response)
		rest.Service.Merge(a.Service)
		rest.Errors += a.Errors
		rest.Exemplars = append(rest.Exemplars[:len(rest.Exemplars):len(rest.Exemplars)], a.Exemplars...)
		out[fold.Other] = rest
	}
	return out
}
