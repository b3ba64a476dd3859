package harness

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// ThresholdResult is how a threshold came out.
type ThresholdResult struct {
	Threshold string   `json:"threshold"`       // as text
	Value     *float64 `json:"value,omitempty"` // seconds for times; absent without samples
	Passed    bool     `json:"passed"`
	Message   string   `json:"message"` // one line for people

	// Undecided is of a shard: Value is that of this shard, and the whole decides.
	Undecided bool `json:"undecided,omitempty"`
}

// ofShard leaves the decision to the whole.
func (r ThresholdResult) ofShard(t Threshold) ThresholdResult {
	r.Undecided, r.Passed = true, false
	r.Message = fmt.Sprintf("%s is decided over all shards", t)
	if r.Value != nil {
		r.Message += ": here it is " + t.shown(*r.Value)
	}
	return r
}

// evaluate looks at a phase's end.
func (s *scenarioRun) evaluate(t Threshold) ThresholdResult {
	v := s.view(t.Phase)
	if v == nil {
		v = &view{totals: newTotals()} // it never began
	}
	return v.evaluate(t)
}

// evaluate looks at what a phase has recorded.
func (v *view) evaluate(t Threshold) ThresholdResult {
	r := ThresholdResult{Threshold: t.String()}
	value, ok, err := v.value(t)
	switch {
	case err != nil:
		r.Message = fmt.Sprintf("%s: %v", t, err)
		return r
	case !ok:
		r.Message = fmt.Sprintf("%s: no samples%s", t, v.sampled(t))
		return r
	}
	r.Value, r.Passed = &value, t.holds(value)
	verb := "holds"
	if !r.Passed {
		verb = "is broken"
	}
	r.Message = fmt.Sprintf("%s %s: %s", t, verb, t.shown(value))
	return r
}

// shown is a value of the threshold's kind, for people.
func (t Threshold) shown(v float64) string {
	if t.isTime() {
		return roundDuration(time.Duration(v * 1e9)).String()
	}
	return trimFloat(math.Round(v*1e6) / 1e6)
}

// sampled names what there are samples of, in case the metric is misspelt.
func (v *view) sampled(t Threshold) string {
	if builtin[t.Metric] && t.Tags == "" {
		return ""
	}
	var names []string
	for name, a := range v.totals.actions {
		names = append(names, name)
		if t.Tags != "" {
			for tags := range a.tags {
				names = append(names, name+"{"+tags+"}")
			}
		}
	}
	for name := range v.totals.counters {
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return " (there are of " + strings.Join(names, ", ") + ")"
}

// value is the threshold's left side. False means that there are no samples,
// and an error that the metric is of another kind.
func (v *view) value(t Threshold) (value float64, ok bool, err error) {
	f, it := v.totals, v.iterations
	ended := it.Succeeded + it.Failed
	if !t.suits() {
		return 0, false, fmt.Errorf("%s has no %s", t.Metric, t.Aggregate)
	}
	switch t.Metric {
	case "errors":
		bad, all := v.errors(t.Tags, ended)
		value, ok = share(t, bad, all)
		return value, ok, nil
	case "iteration_errors":
		value, ok = share(t, it.Failed, ended)
		return value, ok, nil
	case "iterations":
		value, ok = perSecond(t, ended, v.lasted)
		return value, ok && ended > 0, nil
	case "dropped_iterations":
		value, ok = share(t, it.Dropped, it.Dropped+it.Started)
		return value, ok, nil
	case "disconnects":
		if v.connections == nil {
			return 0, false, nil
		}
		value, ok = share(t, v.connections.Lost, v.connections.Count)
		return value, ok, nil
	case "iteration":
		return v.timeOf(t, &f.iteration.response)
	case "lag":
		return v.timeOf(t, &f.lag)
	case "throughput":
		if f.bytesIntended == 0 {
			return 0, false, nil
		}
		return float64(f.bytesAchieved) / float64(f.bytesIntended), true, nil
	}
	if a, ok := f.actions[t.Metric]; ok {
		return v.timeOf(t, &a.with(t.Tags).response)
	}
	if n, ok := f.counters[t.Metric]; ok {
		switch {
		case !t.isNumber():
			return 0, false, fmt.Errorf("%s is a counter, which has count and rate but no %s", t.Metric, t.Aggregate)
		case t.Tags != "":
			return 0, false, fmt.Errorf("%s is a counter, which has no tags", t.Metric)
		}
		value, ok = perSecond(t, n, v.lasted)
		return value, ok, nil
	}
	if name, ok := strings.CutSuffix(t.Metric, "_service"); ok && f.actions[name] != nil {
		return v.timeOf(t, &f.actions[name].with(t.Tags).service)
	}
	if name, ok := strings.CutSuffix(t.Metric, "_errors"); ok && f.actions[name] != nil {
		a := f.actions[name].with(t.Tags)
		if !t.isNumber() {
			return 0, false, fmt.Errorf("%s is a number of errors, which has count and rate but no %s", t.Metric, t.Aggregate)
		}
		value, ok = share(t, a.errors, a.errors+int64(a.response.Count()))
		return value, ok, nil
	}
	return 0, false, nil
}

// errors counts what a person would count. An action that fails usually makes
// its iteration fail as well; that is one error. A scenario without actions
// has its iterations instead, which have no tags.
func (v *view) errors(tags string, ended int64) (bad, all int64) {
	bare := v.bare
	if tags != "" {
		bare, ended = 0, 0
	}
	bad = bare
	for _, a := range v.totals.actions {
		a = a.with(tags)
		bad += a.errors
		all += a.errors + int64(a.response.Count())
	}
	if all == 0 {
		return bad, ended
	}
	return bad, all + bare
}

func share(t Threshold, part, whole int64) (float64, bool) {
	switch {
	case whole == 0:
		return 0, false
	case t.Aggregate == "count":
		return float64(part), true
	}
	return float64(part) / float64(whole), true
}

func perSecond(t Threshold, n int64, d time.Duration) (float64, bool) {
	if t.Aggregate == "count" {
		return float64(n), true
	}
	return float64(n) / d.Seconds(), d > 0
}

func (v *view) timeOf(t Threshold, h *histogram.Histogram) (value float64, ok bool, err error) {
	if h.Count() == 0 {
		return 0, false, nil
	}
	switch t.Aggregate {
	case "avg":
		return h.Mean().Seconds(), true, nil
	case "min":
		return h.Min().Seconds(), true, nil
	case "max":
		return h.Max().Seconds(), true, nil
	case "med":
		return h.Percentile(50).Seconds(), true, nil
	case "count", "rate":
		value, ok = perSecond(t, int64(h.Count()), v.lasted)
		return value, ok, nil
	}
	p, ok := t.percentile()
	return h.Percentile(p).Seconds(), ok, nil
}

// roundDuration keeps three digits: 1.23ms, not 1.234567ms.
func roundDuration(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for abs := max(d, -d); abs/unit >= 1000; {
		unit *= 10
	}
	return d.Round(unit)
}
