package progress

import (
	"maps"
	"slices"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// fold bounds how many names there are. r.mu is held.
func (r *Run) fold(all harness.Totals) Scenario {
	of := func(kind string) *names {
		key := all.Scenario + "\x00" + kind
		if r.names[key] == nil {
			r.names[key] = &names{limit: r.maxNames}
		}
		return r.names[key]
	}
	few := all
	few.Setup, few.Actions = foldActions(of("setup"), all.Setup), foldActions(of("load"), all.Actions)
	counters := of("counters")
	few.Counters = map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(all.Counters)) {
		few.Counters[counters.of(name)] += all.Counters[name]
	}
	return Scenario{Totals: few, All: all}
}

func foldActions(n *names, all map[string]harness.ActionTotals) map[string]harness.ActionTotals {
	out := map[string]harness.ActionTotals{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		if n.of(name) != Other {
			out[name] = a
			continue
		}
		rest, ok := out[Other]
		if !ok { // those of the run stay what they are
			rest.Response, rest.Service = &histogram.Histogram{}, &histogram.Histogram{}
		}
		rest.Response.Merge(a.Response)
		rest.Service.Merge(a.Service)
		rest.Errors += a.Errors
		rest.Exemplars = append(rest.Exemplars, a.Exemplars...)
		out[Other] = rest
	}
	return out
}
