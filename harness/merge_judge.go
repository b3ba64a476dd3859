package harness

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// judge evaluates the thresholds over the whole, and gives the verdict.
func (m *merge) judge(o MergeOptions, res *Result) error {
	found := findings{}
	m.judgeShards(o, res, found)
	var failed int64
	first := ""
	for i := range res.Scenarios {
		sr := &res.Scenarios[i]
		thresholds, err := sr.parseThresholds()
		if err != nil {
			return err
		}
		for k, t := range thresholds {
			r := m.evaluate(res, i, t)
			sr.Thresholds[k] = r
			if r.Passed || sr.Ready == 0 { // there was no load that anything could be said of
				continue
			}
			found.add(Fail, "%s: %s", sr.Name, r.Message)
			m.doubt(found, sr.Name, t, r)
		}
		counted := sr.Iterations.SetupFailed
		if !(Scenario{Thresholds: thresholds}).decidesOnErrors() {
			counted += sr.Iterations.Failed
		}
		if failed += counted; counted > 0 && first == "" {
			first = firstError(sr.Failures)
		}
	}
	if failed > int64(res.MaxFailures) {
		found.add(Fail, "%s, %d allowed; the first: %s", plural(failed, "failed run"), res.MaxFailures, first)
	}
	verdict, reasons := found.verdict()
	res.Verdict = verdict
	res.Reasons = append(res.Reasons, reasons...)
	return nil
}

// judgeShards adds what each shard found, and which are not there.
func (m *merge) judgeShards(o MergeOptions, res *Result, found findings) {
	lacks := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if o.AllowMissing {
			res.Warnings = append(res.Warnings, text)
			return
		}
		found.add(Invalid, "%s", text)
	}
	for i := range m.shards[0].numbered().Of {
		want := Shard{Index: i, Of: m.shards[0].numbered().Of}.String()
		if !slices.ContainsFunc(m.shards, func(s ShardResult) bool { return s.Shard == want }) {
			lacks("shard %s is missing: its part of the load is not in these numbers; merge its result, too, or its stream if it was killed", want)
		}
	}
	for _, s := range m.shards[1:] {
		if a, b := m.shards[0], s; a.Fingerprint != b.Fingerprint {
			found.add(Invalid, "shards %s and %s were dealt different targets (%s and %s): some may have been loaded twice, and others not at all", a.Shard, b.Shard, cmp.Or(a.Fingerprint, "none"), cmp.Or(b.Fingerprint, "none"))
			break
		}
	}
	for _, s := range m.shards {
		switch {
		case s.Partial && len(s.Reasons) > 0:
			lacks("shard %s is partial: %s", s.Shard, s.Reasons[0]) // the others are of thresholds
		case s.Partial:
			lacks("shard %s is partial", s.Shard)
		case s.Verdict == Pass:
		case len(s.Reasons) == 0:
			found.add(s.Verdict, "shard %s: its verdict is %s", s.Shard, s.Verdict)
		}
		if s.Partial || s.Verdict == Pass {
			continue
		}
		for _, r := range s.Reasons {
			found.add(s.Verdict, "shard %s: %s", s.Shard, r)
		}
	}
}

// doubt looks for a shard that may itself have broken a threshold on a time.
func (m *merge) doubt(found findings, scenario string, t Threshold, r ThresholdResult) {
	for _, s := range m.shards {
		if blur := s.Generator.blurs(t, r, nanoseconds(s.LagP99[scenario])); blur != "" {
			found.add(Invalid, "%s: %s may be broken by the process of shard %s itself (%s): use a faster machine or more of them, or ask for less", scenario, t, s.Shard, blur)
		}
	}
}

// parseThresholds reads them from the result.
func (s *ScenarioResult) parseThresholds() (list []Threshold, err error) {
	for _, r := range s.Thresholds {
		t, err := ParseThreshold(r.Threshold)
		if err != nil {
			return nil, fmt.Errorf("scenario %q: %w", s.Name, err)
		}
		list = append(list, t)
	}
	return list, nil
}

// evaluate looks at the phase that a threshold of the i-th scenario is about.
func (m *merge) evaluate(res *Result, i int, t Threshold) ThresholdResult {
	sr := &res.Scenarios[i]
	switch t.Phase {
	case Setup:
		p := &Part{Actions: sr.Setup, Iterations: Iterations{SetupFailed: sr.Iterations.SetupFailed}}
		for _, a := range sr.Setup {
			p.Errors += a.Errors
		}
		for _, mark := range res.Phases {
			if mark.Name == "load" {
				p.Seconds = mark.At
				break
			}
		}
		return viewOfPart(p).evaluate(t)
	case WarmUp:
		return viewOfPart(sr.WarmUp).evaluate(t)
	case CoolDown:
		return viewOfPart(sr.CoolDown).evaluate(t)
	case Before, During, After:
		if text := m.unequal(); text != "" {
			return ThresholdResult{Threshold: t.String(), Message: fmt.Sprintf("%s: %s, so the phases of disruptions can't be told apart", t, text)}
		}
		return m.disturbed(res, sr.Name, t).evaluate(t)
	}
	return viewOfPart(sr.counted()).evaluate(t)
}

// unequal says which shards had other disruptions than the first.
func (m *merge) unequal() string {
	names := func(s ShardResult) string {
		list := []string{}
		for _, d := range s.Disruptions {
			list = append(list, d.Name)
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	for _, s := range m.shards {
		if s.Partial {
			return fmt.Sprintf("shard %s is of a stream without its end", s.Shard)
		}
		if a, b := names(m.shards[0]), names(s); a != b {
			return fmt.Sprintf("shard %s had the disruptions %s, and shard %s %s", m.shards[0].Shard, a, s.Shard, b)
		}
	}
	return ""
}

// disturbed sums a phase of all disruptions up; of Before, that of the first.
func (m *merge) disturbed(res *Result, scenario string, t Threshold) *view {
	sum := &view{totals: newTotals()}
	for n, d := range res.Disruptions {
		for i := range d.Scenarios {
			s := &d.Scenarios[i]
			if s.Name != scenario {
				continue
			}
			p := map[Phase]*Part{Before: &s.Before, During: &s.During, After: &s.After}[t.Phase]
			if t.Phase == Before && n > 0 {
				continue
			}
			v := viewOfPart(p)
			sum.totals.plus(v.totals)
			sum.iterations = sum.iterations.plus(v.iterations)
			sum.bare += v.bare
			sum.lasted += v.lasted
			if c := v.connections; c != nil && sum.connections != nil {
				c = &Connections{Count: max(c.Count, sum.connections.Count), Lost: c.Lost + sum.connections.Lost}
				sum.connections = c
			} else if c != nil {
				sum.connections = c
			}
		}
	}
	return sum
}

// viewOfPart is what thresholds look at. Nil has nothing.
func viewOfPart(p *Part) *view {
	v := &view{totals: newTotals()}
	if p == nil {
		return v
	}
	for name, a := range p.Actions {
		v.totals.actions[name] = a.series()
		v.bare -= a.Errors
	}
	v.totals.iteration.merge(p.Iteration.series())
	v.totals.lag.Merge(p.Lag.exact())
	for name, n := range p.Counters {
		v.totals.counters[name] = n
	}
	if p.Throughput != nil {
		v.totals.bytesIntended, v.totals.bytesAchieved = p.Throughput.BytesIntended, p.Throughput.BytesAchieved
	}
	v.iterations, v.connections, v.lasted = p.Iterations, p.Connections, nanoseconds(p.Seconds)
	v.bare += p.Errors
	return v
}

// series are the numbers that make an action's result.
func (a ActionResult) series() *series {
	s := &series{errors: a.Errors}
	s.response.Merge(a.Response.exact())
	s.service.Merge(a.Service.exact())
	for tags, t := range a.Tags {
		s.tagged(tags).merge(t.series())
	}
	return s
}
