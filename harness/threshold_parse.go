package harness

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var thresholdSyntax = regexp.MustCompile(`^\s*([a-z][a-z0-9_]*)\s*(?:\{([^{}]*)\})?\s*(?:@\s*([a-z-]*))?\s*:` +
	`\s*(p\(\s*[0-9.]+\s*\)|avg|min|med|max|count|rate)\s*(<=|>=|==|!=|<|>)\s*(\S+)` +
	`(\s+abort(?:\s+after\s+(\S+))?)?\s*$`)

// ParseThreshold reads a threshold such as "echo: p(99)<250ms", "errors:
// rate<0.01", "errors: rate<1%" or "throughput: rate>=0.99". Times need a unit.
// Tags and a phase follow the metric, and what ends the load the limit:
//
//	login{region=eu}@during: p(99)<1s abort after 10s
func ParseThreshold(text string) (Threshold, error) {
	m := thresholdSyntax.FindStringSubmatch(text)
	if m == nil {
		return Threshold{}, fmt.Errorf("threshold %q: want a metric, ':', p(N), avg, min, med, max, count or rate, a comparison and a limit, as in \"echo: p(99)<250ms\"", text)
	}
	t := Threshold{Metric: m[1], Aggregate: m[4], Op: m[5], Abort: m[7] != ""}
	tags, err := parseTags(m[2])
	if err != nil {
		return Threshold{}, fmt.Errorf("threshold %q: %w", text, err)
	}
	t.Tags = formatTags(tags)
	if t.Phase, err = parsePhase(m[3]); err != nil {
		return Threshold{}, fmt.Errorf("threshold %q: %w", text, err)
	}
	if m[8] != "" {
		if t.AbortDelay, err = time.ParseDuration(m[8]); err != nil || t.AbortDelay < 0 {
			return Threshold{}, fmt.Errorf("threshold %q: it aborts after %q, which is not a time with a unit, such as 10s", text, m[8])
		}
	}
	if strings.HasPrefix(t.Aggregate, "p(") {
		p, ok := t.percentile()
		if !ok {
			return Threshold{}, fmt.Errorf("threshold %q: want a percentile between 0 and 100", text)
		}
		t.Aggregate = percentileName(p)
	}
	if !t.suits() {
		return Threshold{}, fmt.Errorf("threshold %q: %s has no %s", text, t.Metric, t.Aggregate)
	}
	if t.Tags != "" && builtin[t.Metric] && t.Metric != "errors" {
		return Threshold{}, fmt.Errorf("threshold %q: %s has no tags, which actions and errors have", text, t.Metric)
	}
	limit := m[6]
	if t.isTime() {
		d, err := time.ParseDuration(limit)
		if err != nil {
			return Threshold{}, fmt.Errorf("threshold %q: the limit %q is not a time with a unit, such as 250ms", text, limit)
		}
		t.Value = d.Seconds()
		return t, nil
	}
	divisor := 1.0
	if t.Aggregate == "rate" && strings.HasSuffix(limit, "%") {
		limit, divisor = strings.TrimSuffix(limit, "%"), 100
	}
	v, err := strconv.ParseFloat(limit, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return Threshold{}, fmt.Errorf("threshold %q: the limit %q is not a number", text, m[6])
	}
	t.Value = v / divisor
	return t, nil
}

func parsePhase(text string) (Phase, error) {
	p := Phase(text)
	if p == "" || slices.Contains(phases, p) {
		return p.orNone(), nil
	}
	return "", fmt.Errorf("%q is no phase: want one of %v", text, phases)
}

// ParseThresholds reads thresholds of several scenarios, separated by
// semicolons: "terminals/echo: p(99)<250ms; terminals/errors: rate<0.01". The
// part before the slash is the scenario; without it, the threshold is of all
// scenarios and its key is empty. It reports everything that is wrong at once.
func ParseThresholds(text string) (map[string][]Threshold, error) {
	out := map[string][]Threshold{}
	var errs []error
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		scenario := ""
		if metric, _, ok := strings.Cut(part, ":"); ok && strings.Contains(metric, "/") {
			scenario, part, _ = strings.Cut(part, "/")
			scenario = strings.TrimSpace(scenario)
			if !scenarioName.MatchString(scenario) {
				errs = append(errs, fmt.Errorf("threshold %q: %q is not a scenario's name", scenario+"/"+part, scenario))
				continue
			}
		}
		t, err := ParseThreshold(part)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[scenario] = append(out[scenario], t)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}
