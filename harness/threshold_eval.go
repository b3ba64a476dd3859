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
}

// evaluate looks at a scenario's end.
func (s *scenarioRun) evaluate(t Threshold) ThresholdResult {
	r := ThresholdResult{Threshold: t.String()}
	v, ok, err := s.value(t)
	switch {
	case err != nil:
		r.Message = fmt.Sprintf("%s: %v", t, err)
		return r
	case !ok:
		r.Message = fmt.Sprintf("%s: no samples%s", t, s.sampled(t.Metric))
		return r
	}
	r.Value, r.Passed = &v, t.holds(v)
	shown := trimFloat(math.Round(v*1e6) / 1e6)
	if t.isTime() {
		shown = roundDuration(time.Duration(v * 1e9)).String()
	}
	verb := "holds"
	if !r.Passed {
		verb = "is broken"
	}
	r.Message = fmt.Sprintf("%s %s: %s", t, verb, shown)
	return r
}

// sampled names what there are samples of, in case the metric is misspelt.
func (s *scenarioRun) sampled(metric string) string {
	if builtin[metric] {
		return ""
	}
	var names []string
	for name := range s.final.actions {
		names = append(names, name)
	}
	for name := range s.final.counters {
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
func (s *scenarioRun) value(t Threshold) (v float64, ok bool, err error) {
	f, c := s.final, &s.counts[counted]
	ended := c.succeeded.Load() + c.failed.Load()
	if !t.suits() {
		return 0, false, fmt.Errorf("%s has no %s", t.Metric, t.Aggregate)
	}
	switch t.Metric {
	case "errors":
		bad, all := s.errors(ended)
		v, ok = share(t, bad, all)
		return v, ok, nil
	case "iteration_errors":
		v, ok = share(t, c.failed.Load(), ended)
		return v, ok, nil
	case "iterations":
		v, ok = perSecond(t, ended, s.loadTime)
		return v, ok && ended > 0, nil
	case "dropped_iterations":
		v, ok = share(t, c.dropped.Load(), c.dropped.Load()+c.started.Load())
		return v, ok, nil
	case "iteration":
		return s.timeOf(t, &f.iteration.response)
	case "lag":
		return s.timeOf(t, &f.lag)
	case "throughput":
		if f.bytesIntended == 0 {
			return 0, false, nil
		}
		return float64(f.bytesAchieved) / float64(f.bytesIntended), true, nil
	}
	if a, ok := f.actions[t.Metric]; ok {
		return s.timeOf(t, &a.response)
	}
	if n, ok := f.counters[t.Metric]; ok {
		if !t.isNumber() {
			return 0, false, fmt.Errorf("%s is a counter, which has count and rate but no %s", t.Metric, t.Aggregate)
		}
		v, ok = perSecond(t, n, s.loadTime)
		return v, ok, nil
	}
	if name, ok := strings.CutSuffix(t.Metric, "_service"); ok && f.actions[name] != nil {
		return s.timeOf(t, &f.actions[name].service)
	}
	if name, ok := strings.CutSuffix(t.Metric, "_errors"); ok && f.actions[name] != nil {
		a := f.actions[name]
		if !t.isNumber() {
			return 0, false, fmt.Errorf("%s is a number of errors, which has count and rate but no %s", t.Metric, t.Aggregate)
		}
		v, ok = share(t, a.errors, a.errors+int64(a.response.Count()))
		return v, ok, nil
	}
	return 0, false, nil
}

// errors counts what a person would count. An action that fails usually makes
// its iteration fail as well; that is one error. A scenario without actions
// has its iterations instead.
func (s *scenarioRun) errors(ended int64) (bad, all int64) {
	bare := s.counts[counted].bare.Load()
	bad = bare
	for _, a := range s.final.actions {
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

func (s *scenarioRun) timeOf(t Threshold, h *histogram.Histogram) (v float64, ok bool, err error) {
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
		v, ok = perSecond(t, int64(h.Count()), s.loadTime)
		return v, ok, nil
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
