package bottleneck

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
)

// view is a result as the rules look at it.
type view struct {
	from, to float64 // the load, in seconds since the run's beginning
	embedded bool
	series   map[string]map[string]*harness.Series // by name and by whose it is
	server   bool
}

func viewOf(res *harness.Result) *view {
	v := &view{embedded: res.Target["embedded"] == "true", series: map[string]map[string]*harness.Series{}}
	v.from, v.to = loadOf(res)
	if res.Server != nil {
		for i := range res.Server.Series {
			v.add(&res.Server.Series[i])
		}
		v.server = len(res.Server.Series) > 0
	}
	v.addGenerator(res)
	return v
}

// seen reports whether there is anything of the server.
func (v *view) seen() bool { return v.server }

func (v *view) add(s *harness.Series) {
	if v.series[s.Name] == nil {
		v.series[s.Name] = map[string]*harness.Series{}
	}
	v.series[s.Name][s.Of] = s
}

// loadOf is the time of the load: from the first to the end of the last, where there
// are several. Results of before there were phases have a timeline.
func loadOf(res *harness.Result) (from, to float64) {
	from, to = res.TimelineAt, res.Seconds
	began := false
	for _, p := range res.Phases {
		switch {
		case p.Name == "load" && !began:
			began, from = true, p.At
		case began && (p.Name == "cleanup" || p.Name == "done"):
			return from, p.At
		}
	}
	return from, to
}

// addGenerator makes series of what the generator saw of itself.
func (v *view) addGenerator(res *harness.Result) {
	w := res.Generator.Watch
	if w == nil {
		return
	}
	cpu, wake := harness.Series{Name: "generator_cpu", Unit: "cores"}, harness.Series{Name: "generator_wake_p99", Unit: "seconds"}
	for _, s := range w.Timeline {
		cpu.Points = append(cpu.Points, [2]float64{v.from + s.At, s.CPU})
		wake.Points = append(wake.Points, [2]float64{v.from + s.At, s.WakeP99})
	}
	v.add(&cpu)
	v.add(&wake)
	always := func(name string, value float64) {
		v.add(&harness.Series{Name: name, Points: [][2]float64{{v.from, value}}})
	}
	always("generator_cores", float64(res.Generator.GOMAXPROCS))
	always("generator_own_errors", float64(w.OwnErrors))
}

// evaluate says whether a rule's conditions hold.
func (v *view) evaluate(r *rule) (f Finding, ok bool) {
	f = Finding{Cause: r.cause, Title: r.title, Certainty: r.certainty, Try: r.try}
	for i := range r.when {
		said, holds := v.holds(&r.when[i])
		if !holds {
			return f, false
		}
		f.Evidence = append(f.Evidence, said...)
	}
	for i := range r.also {
		if said, holds := v.holds(&r.also[i]); holds {
			f.Evidence = append(f.Evidence, said...)
		}
	}
	if v.embedded && (r.cause == CPU || r.cause == Memory || r.cause == Descriptors) {
		f.Certainty = f.Certainty.weaker()
		f.Evidence = append(f.Evidence, "the embedded deployment and the generator are one process: what is used is both's")
	}
	return f, true
}

// mostEach are named of those for which a condition holds.
const mostEach = 3

// holds says whether a condition does, and its evidence.
func (v *view) holds(c *condition) (said []string, ok bool) {
	whose := []string{c.of}
	if c.each {
		whose = slices.DeleteFunc(slices.Sorted(maps.Keys(v.series[c.series])), func(of string) bool { return of == "" })
		if len(whose) == 0 {
			whose = []string{""}
		}
	}
	type hit struct {
		said   string
		weight float64
	}
	var hits []hit
	for _, of := range whose {
		if text, weight, ok := v.of(c, of); ok {
			hits = append(hits, hit{text, weight})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	for _, h := range hits[:min(len(hits), mostEach)] {
		said = append(said, h.said)
	}
	if more := len(hits) - mostEach; more > 0 {
		said = append(said, fmt.Sprintf("and so did %d more", more))
	}
	return said, len(hits) > 0
}

// of looks at one series.
func (v *view) of(c *condition, of string) (said string, weight float64, ok bool) {
	s := v.series[c.series][of]
	if s == nil {
		return "", 0, false
	}
	var against *harness.Series
	if c.against != "" {
		if against = v.series[c.against][of]; against == nil {
			return "", 0, false
		}
	}
	usual, known := v.usual(s)
	var all int
	var beyond, limits []float64
	var first, last float64
	for _, p := range s.Points {
		if !(p[0] >= v.from && p[0] <= v.to) || !finite(p[0]) || !finite(p[1]) { // NaN is nowhere
			continue
		}
		value, limit := p[1], 1.0
		if against != nil {
			if limit, ok = valueAt(against, p[0]); !ok || limit <= 0 {
				continue
			}
		}
		all++
		holds := value/limit >= c.atLeast
		if c.below > 0 {
			holds = value/limit < c.below
		}
		if c.times > 0 {
			holds = holds && known && value >= c.times*usual
		}
		if !holds {
			continue
		}
		if len(beyond) == 0 {
			first = p[0]
		}
		last = p[0]
		beyond, limits = append(beyond, value), append(limits, limit)
	}
	if len(beyond) == 0 || float64(len(beyond)) < c.share*float64(all) {
		return "", 0, false
	}
	value := median(beyond)
	whose := of
	if whose == "" {
		whose = "coderd"
	}
	text := strings.NewReplacer(
		"{value}", amount(value, s.Unit), "{limit}", amountOf(median(limits), s.Unit), "{usual}", amount(usual, s.Unit),
		"{of}", whose, "{span}", v.span(first, last, len(beyond), all),
	).Replace(c.says)
	return text, value / median(limits), true
}

// usual is what a series was before the load, or in its first tenth.
func (v *view) usual(s *harness.Series) (float64, bool) {
	for _, until := range []float64{v.from, v.from + (v.to-v.from)/10} {
		var before []float64
		for _, p := range s.Points {
			if p[0] < until && finite(p[1]) {
				before = append(before, p[1])
			}
		}
		if len(before) > 0 {
			return median(before), true
		}
	}
	return 0, false
}

// valueAt is a series' last value at an instant; before its first point that one.
func valueAt(s *harness.Series, at float64) (float64, bool) {
	if len(s.Points) == 0 {
		return 0, false
	}
	v := s.Points[0][1]
	for _, p := range s.Points {
		if p[0] > at {
			break
		}
		v = p[1]
	}
	return v, finite(v)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// median is of at least one value.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// span says when, in the load.
func (v *view) span(first, last float64, n, all int) string {
	switch {
	case all == 1 || n == all:
		return "during all of the load"
	case n == 1:
		return fmt.Sprintf("at %.0f s of the load", first-v.from)
	}
	return fmt.Sprintf("from %.0f s to %.0f s of the load (%d of %d times that somebody looked)", first-v.from, last-v.from, n, all)
}

// amount is a number with its unit.
func amount(v float64, unit string) string {
	switch unit {
	case "seconds", "seconds/s":
		return seconds(v)
	case "bytes":
		return bytesOf(v)
	case "bytes/s":
		return bytesOf(v) + "/s"
	case "share":
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	return number(v)
}

// amountOf is what a number of this unit is held against.
func amountOf(v float64, unit string) string {
	if unit == "cores" {
		return number(v)
	}
	return amount(v, unit)
}

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return fmt.Sprintf("%.0f", v)
	}
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func seconds(v float64) string {
	if math.Abs(v) > 1e9 {
		return fmt.Sprintf("%.3g s", v)
	}
	return facts.Short(v)
}

func bytesOf(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "KB"}} {
		if math.Abs(v) >= u.size {
			return fmt.Sprintf("%.2f %s", v/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", v)
}
