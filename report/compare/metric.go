package compare

import (
	"fmt"
	"maps"
	"slices"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
)

// Metric is what is compared.
type Metric struct {
	Action string // "" for the scenario's own
	Name   string // such as p99, errors, rate
	Unit   Unit
	Better int // 1 when more is better, -1 when less is, 0 when neither
}

// String is the metric as people and gates write it.
func (m Metric) String() string {
	if m.Action == "" {
		return m.Name
	}
	return m.Action + " " + m.Name
}

// Unit is what a metric's numbers are of.
type Unit string

// The units.
const (
	Seconds   Unit = "seconds"
	Share     Unit = "share"
	PerSecond Unit = "1/s"
)

type rowKey struct {
	scenario string
	metric   Metric
}

// measured are the numbers of a side's runs, in the order in which people read.
type measured struct {
	scenarios []string
	keys      []rowKey
	values    map[rowKey][]float64
}

func measure(runs []*harness.Result) measured {
	m := measured{values: map[rowKey][]float64{}}
	for _, run := range runs {
		for i := range run.Scenarios {
			m.scenario(&run.Scenarios[i])
		}
	}
	return m
}

func (m *measured) put(scenario string, metric Metric, v float64) {
	key := rowKey{scenario, metric}
	if _, known := m.values[key]; !known {
		m.keys = append(m.keys, key)
	}
	m.values[key] = append(m.values[key], v)
}

func (m *measured) scenario(s *harness.ScenarioResult) {
	if !slices.Contains(m.scenarios, s.Name) {
		m.scenarios = append(m.scenarios, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Actions)) {
		m.action(s, name, s.Actions[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Setup)) {
		if a := s.Setup[name]; a.Count > 0 {
			m.put(s.Name, Metric{name, "setup p50", Seconds, -1}, a.Response.P50)
			m.put(s.Name, Metric{name, "setup p99", Seconds, -1}, a.Response.P99)
		}
	}
	if all := float64(s.Errors); s.LoadSeconds > 0 {
		for _, a := range s.Actions {
			all += float64(a.Count)
		}
		if len(s.Actions) == 0 {
			all = float64(s.Iterations.Succeeded + s.Iterations.Failed)
		}
		if all > 0 {
			m.put(s.Name, Metric{"", "errors", Share, -1}, float64(s.Errors)/all)
		}
		m.put(s.Name, Metric{"", "iterations", PerSecond, 1}, float64(s.Iterations.Succeeded)/s.LoadSeconds)
	}
	if t := s.Throughput; t != nil {
		m.put(s.Name, Metric{"", "throughput", Share, 1}, t.Ratio)
	}
	if c := s.Connections; c != nil && c.Count > 0 {
		m.put(s.Name, Metric{"", "disconnects", Share, -1}, c.LostShare)
	}
}

// action puts what has samples: no time is not a short one.
func (m *measured) action(s *harness.ScenarioResult, name string, a harness.ActionResult) {
	if a.Count > 0 {
		for _, p := range []struct {
			name  string
			value float64
		}{{"p50", a.Response.P50}, {"p90", a.Response.P90}, {"p99", a.Response.P99}, {"p99.9", a.Response.P999}} {
			m.put(s.Name, Metric{name, p.name, Seconds, -1}, p.value)
		}
	}
	if s.LoadSeconds > 0 && a.Count > 0 {
		m.put(s.Name, Metric{name, "rate", PerSecond, 1}, float64(a.Count)/s.LoadSeconds)
	}
}

// show prints a number of the unit.
func (u Unit) show(v float64) string {
	switch u {
	case Seconds:
		return facts.Short(v)
	case Share:
		return fmt.Sprintf("%.4g %%", 100*v)
	}
	return fmt.Sprintf("%.4g/s", v)
}
