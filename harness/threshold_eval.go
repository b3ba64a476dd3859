package harness

import (
	"fmt"
	"math"
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
	v, ok := s.value(t)
	r := ThresholdResult{Threshold: t.String()}
	if !ok || math.IsNaN(v) {
		r.Message = fmt.Sprintf("%s: no samples", t)
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

// value is the threshold's left side; false means that there are no samples.
func (s *scenarioRun) value(t Threshold) (float64, bool) {
	f := s.final
	ended := s.succeeded.Load() + s.failed.Load()
	switch t.Metric {
	case "errors":
		bad, all := s.failed.Load()+s.setupFail.Load(), ended+s.setupFail.Load()
		for _, a := range f.actions {
			bad += a.errors
			all += a.errors + int64(a.response.Count())
		}
		return share(t, bad, all)
	case "iteration_errors":
		return share(t, s.failed.Load(), ended)
	case "iterations":
		return perSecond(t, ended, s.loadTime, ended > 0)
	case "dropped_iterations":
		return share(t, s.dropped.Load(), s.dropped.Load()+s.started.Load())
	case "iteration":
		return timeOf(t, &f.iteration.response)
	case "lag":
		return timeOf(t, &f.lag)
	case "throughput":
		if f.bytesIntended == 0 || t.Aggregate != "rate" {
			return 0, false
		}
		return float64(f.bytesAchieved) / float64(f.bytesIntended), true
	}
	if a, ok := f.actions[t.Metric]; ok {
		return timeOf(t, &a.response)
	}
	if name, ok := strings.CutSuffix(t.Metric, "_service"); ok && f.actions[name] != nil {
		return timeOf(t, &f.actions[name].service)
	}
	if name, ok := strings.CutSuffix(t.Metric, "_errors"); ok && f.actions[name] != nil {
		a := f.actions[name]
		return share(t, a.errors, a.errors+int64(a.response.Count()))
	}
	if n, ok := f.counters[t.Metric]; ok {
		return perSecond(t, n, s.loadTime, true)
	}
	return 0, false
}

func share(t Threshold, part, whole int64) (float64, bool) {
	switch {
	case t.Aggregate == "count" && whole > 0:
		return float64(part), true
	case t.Aggregate == "rate" && whole > 0:
		return float64(part) / float64(whole), true
	}
	return 0, false
}

func perSecond(t Threshold, n int64, d time.Duration, samples bool) (float64, bool) {
	switch {
	case t.Aggregate == "count" && samples:
		return float64(n), true
	case t.Aggregate == "rate" && samples && d > 0:
		return float64(n) / d.Seconds(), true
	}
	return 0, false
}

func timeOf(t Threshold, h *histogram.Histogram) (float64, bool) {
	if h.Count() == 0 {
		return 0, false
	}
	switch t.Aggregate {
	case "avg":
		return h.Mean().Seconds(), true
	case "min":
		return h.Min().Seconds(), true
	case "max":
		return h.Max().Seconds(), true
	case "med":
		return h.Percentile(50).Seconds(), true
	case "count":
		return float64(h.Count()), true
	}
	if p, ok := t.percentile(); ok {
		return h.Percentile(p).Seconds(), true
	}
	return 0, false
}

// roundDuration keeps three digits: 1.234ms, not 1.234567ms.
func roundDuration(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for abs := max(d, -d); abs/unit >= 1000; {
		unit *= 10
	}
	return d.Round(unit)
}
