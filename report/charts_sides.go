package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/page"
)

// generator draws how this side was.
func (c *charter) generator() (ids []string) {
	g := c.res.Generator
	if g.Watch == nil {
		return nil
	}
	seconds := 1
	if !c.live {
		seconds = max((len(g.Watch.Timeline)+mostPoints-1)/mostPoints, 1)
	}
	var parts [][]harness.GeneratorSecond
	var xs page.Values
	for part := range slices.Chunk(g.Watch.Timeline, seconds) {
		if at := c.res.TimelineAt + part[len(part)-1].At; at > c.after.generator {
			parts, xs = append(parts, part), append(xs, at)
		}
	}
	line := func(label string, color int, f func(harness.GeneratorSecond) float64) page.Line {
		vs := make(page.Values, len(parts))
		for i, part := range parts {
			for _, s := range part {
				vs[i] = max(vs[i], f(s))
			}
		}
		return page.Line{Label: label, Color: color, Values: vs}
	}
	cpu := page.Chart{ID: "g-cpu", Title: "The generator's CPU", Unit: page.Cores, X: xs,
		Lines: []page.Line{line("CPU", 0, func(s harness.GeneratorSecond) float64 { return s.CPU })}}
	if g.GOMAXPROCS > 0 {
		cpu.Limits = []page.Limit{{Label: fmt.Sprintf("its %d cores", g.GOMAXPROCS), Value: float64(g.GOMAXPROCS)}}
	}
	ids = append(ids, c.add(cpu))
	ids = append(ids, c.add(page.Chart{ID: "g-late", Title: "The generator's own lateness", Unit: page.Seconds, X: xs, Lines: []page.Line{
		line("woken late, p99", 1, func(s harness.GeneratorSecond) float64 { return s.WakeP99 }),
		line("garbage collection pauses, sum", 3, func(s harness.GeneratorSecond) float64 { return s.GCPauseSeconds }),
	}, Note: "Response times have this in them: it is not the deployment's."}))
	ids = append(ids, c.lags()...)
	ids = append(ids, c.add(page.Chart{ID: "g-heap", Title: "The generator's heap", Unit: page.Bytes, X: xs,
		Lines: []page.Line{line("heap", 0, func(s harness.GeneratorSecond) float64 { return float64(s.HeapBytes) })}}))
	counts := page.Chart{ID: "g-counts", Title: "The generator's goroutines and descriptors", X: xs, Lines: []page.Line{
		line("goroutines", 0, func(s harness.GeneratorSecond) float64 { return float64(s.Goroutines) }),
		line("descriptors", 1, func(s harness.GeneratorSecond) float64 { return float64(s.Descriptors) }),
	}}
	if n := g.Watch.DescriptorLimit; n > 0 {
		counts.Limits = []page.Limit{{Label: "its limit of descriptors", Value: float64(n)}}
	}
	return append(ids, c.add(counts))
}

// lags draws how late starts and ticks were, of all scenarios.
func (c *charter) lags() []string {
	chart := page.Chart{ID: "g-lag", Title: "Starts and ticks that were late, p99", Unit: page.Seconds}
	var lines []timedLine
	for i := range c.res.Scenarios[:min(len(c.res.Scenarios), mostLines)] {
		s := &c.res.Scenarios[i]
		chunks, _ := c.chunks(s.Timeline)
		lines = append(lines, timedLine{instants(chunks), page.Line{Label: s.Name, Color: i,
			Values: most(chunks, func(s harness.Second) (float64, bool) { return s.LagP99, true })}})
	}
	if len(lines) == 0 {
		return nil
	}
	return []string{c.add(together(chart, lines))}
}

// timedLine is a line with instants of its own.
type timedLine struct {
	xs page.Values
	page.Line
}

// together puts lines into a chart that has the instants of all of them.
func together(chart page.Chart, lines []timedLine) page.Chart {
	seen := map[float64]bool{}
	for _, l := range lines {
		for _, x := range l.xs {
			seen[x] = true
		}
	}
	chart.X = append(make(page.Values, 0, len(seen)), slices.Sorted(maps.Keys(seen))...)
	for _, l := range lines {
		values := make(page.Values, len(chart.X))
		k := 0
		for i, x := range chart.X {
			values[i] = math.NaN()
			if k < len(l.xs) && l.xs[k] == x {
				values[i] = l.Values[k]
				k++
			}
		}
		l.Values = values
		chart.Lines = append(chart.Lines, l.Line)
	}
	return chart
}

// client draws once more what the load felt, to be looked at beside the server:
// the most frequent action of each scenario, and the errors of all.
func (c *charter) client() (ids []string) {
	var times, rates, errors []timedLine
	for i := range c.res.Scenarios[:min(len(c.res.Scenarios), mostLines)] {
		s := &c.res.Scenarios[i]
		chunks, _ := c.chunks(s.Timeline)
		xs := instants(chunks)
		errors = append(errors, timedLine{xs, page.Line{Label: s.Name, Color: i, Values: rate(chunks, func(s harness.Second) int64 { return s.Errors })}})
		names := c.busiest(s.Actions)
		if len(names) == 0 {
			continue
		}
		name := names[0]
		label := name
		if len(c.res.Scenarios) > 1 {
			label = s.Name + ": " + name
		}
		times = append(times, timedLine{xs, page.Line{Label: label, Color: i, Values: most(chunks, func(s harness.Second) (float64, bool) {
			a := s.Actions[name]
			return a.P99, a.Count > 0
		})}})
		rates = append(rates, timedLine{xs, page.Line{Label: label, Color: i, Values: rate(chunks, func(s harness.Second) int64 { return int64(s.Actions[name].Count) })}})
	}
	for _, chart := range []struct {
		page.Chart
		lines []timedLine
	}{
		{page.Chart{ID: "c-times", Title: "Client: response times, p99", Unit: page.Seconds}, times},
		{page.Chart{ID: "c-rate", Title: "Client: done per second", Unit: page.PerSecond}, rates},
		{page.Chart{ID: "c-errors", Title: "Client: errors per second", Unit: page.PerSecond}, errors},
	} {
		if len(chart.lines) > 0 {
			ids = append(ids, c.add(together(chart.Chart, chart.lines)))
		}
	}
	return ids
}

// server draws what was seen of the server's side: a chart for each name.
func (c *charter) server() (ids []string) {
	if c.res.Server == nil {
		return nil
	}
	var names []string
	byName := map[string][]*harness.Series{}
	for i := range c.res.Server.Series {
		s := &c.res.Server.Series[i]
		if byName[s.Name] == nil {
			names = append(names, s.Name)
		}
		byName[s.Name] = append(byName[s.Name], s)
	}
	means := map[string]string{}
	for _, d := range c.res.Server.Descriptions {
		if means[d.Series] == "" { // further ones are of its parts
			means[d.Series] = d.Means
		}
	}
	for _, name := range names {
		if of, ok := strings.CutSuffix(name, limitSuffix); ok && (byName[of] != nil || byName[of+"s"] != nil) {
			continue // it is a line in the chart of what it limits
		}
		chart := c.series(name, sentence(means[name]), oncePerNumber(byName[name]))
		if high := limitOf(byName[name+limitSuffix], byName[strings.TrimSuffix(name, "s")+limitSuffix]); high > 0 {
			chart.Limits = append(chart.Limits, page.Limit{Label: "limit of a replica", Value: high})
		}
		ids = append(ids, c.add(chart))
	}
	return ids
}

// limitSuffix is how the series of a limit is named after what it limits.
const limitSuffix = "_limit"

// limitOf is the highest of a replica.
func limitOf(names ...[]*harness.Series) (high float64) {
	for _, all := range names {
		for _, s := range all {
			if s.Of != "" || len(all) == 1 {
				high = max(high, peak(s))
			}
		}
	}
	return high
}

// oncePerNumber leaves the whole out where it is of one replica.
func oncePerNumber(all []*harness.Series) []*harness.Series {
	if len(all) == 2 && all[0].Of == "" && slices.Equal(all[0].Points, all[1].Points) {
		return all[1:]
	}
	return all
}

// sentence makes one of a description.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// words of the names of series that are not written as they are spoken.
var words = map[string]string{
	"cpu": "CPU", "api": "API", "db": "Database", "derp": "Relay (DERP)", "gc": "Garbage collection", "p50": "p50", "p95": "p95", "p99": "p99", "tx": "transactions",
}

// spoken is a name of a series as a title.
func spoken(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts {
		if w, ok := words[part]; ok {
			parts[i] = w
		}
	}
	text := strings.Join(parts, " ")
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):]
}

// series draws those of one name, the largest first.
func (c *charter) series(name, means string, all []*harness.Series) page.Chart {
	chart := page.Chart{ID: "v-" + name, Title: spoken(name), Unit: unitOf(all[0].Unit), Note: means}
	if !c.live {
		slices.SortStableFunc(all, func(a, b *harness.Series) int { return cmp.Compare(peak(b), peak(a)) })
	}
	if more := len(all) - mostLines; more > 0 && !c.live {
		all = all[:mostLines]
		chart.Note = strings.TrimSpace(chart.Note + fmt.Sprintf(" And %d more, which are lower.", more))
	}
	var lines []timedLine // replicas are seen at instants of their own
	for n, s := range all {
		l := timedLine{Line: page.Line{Label: s.Of, Color: n, Dashed: n >= mostLines}}
		if l.Label == "" {
			l.Label = "all"
		}
		for _, p := range s.Points {
			if p[0] > c.after.server {
				l.xs, l.Values = append(l.xs, p[0]), append(l.Values, p[1])
			}
		}
		lines = append(lines, l)
	}
	chart = together(chart, lines)
	if c.live {
		return chart
	}
	return thin(chart)
}

// thin leaves points out of a chart that has too many, the highest of some stays.
func thin(chart page.Chart) page.Chart {
	n := (len(chart.X) + mostPoints - 1) / mostPoints
	if n <= 1 {
		return chart
	}
	xs := page.Values{}
	for part := range slices.Chunk(chart.X, n) {
		xs = append(xs, part[len(part)-1])
	}
	for i := range chart.Lines {
		vs := page.Values{}
		for part := range slices.Chunk(chart.Lines[i].Values, n) {
			high := math.NaN()
			for _, v := range part {
				if v > high || math.IsNaN(high) {
					high = v
				}
			}
			vs = append(vs, high)
		}
		chart.Lines[i].Values = vs
	}
	chart.X = xs
	chart.Note = strings.TrimSpace(chart.Note + fmt.Sprintf(" Each point is the highest of %d.", n))
	return chart
}

func peak(s *harness.Series) (high float64) {
	for _, p := range s.Points {
		high = max(high, math.Abs(p[1]))
	}
	return high
}

// unitOf is what the page knows a unit as.
func unitOf(unit string) page.Unit {
	switch u := page.Unit(unit); u {
	case "share":
		return page.Share
	case "seconds/s": // so much of each second
		return page.Share
	case page.Seconds, page.Bytes, page.PerSecond, page.BytesRate, page.Cores, page.Share:
		return u
	}
	return page.Number
}
