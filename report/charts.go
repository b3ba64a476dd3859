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
	"github.com/coderscale/scaletest/traffic/histogram"
)

const (
	// mostPoints is how many points a line of a chart has: more than most screens
	// have columns. Longer runs have several seconds in a point.
	mostPoints = 1200

	mostLines = 8 // of a chart: the page has as many colours
	fewLines  = 4 // actions with more than one line each
	mostHeats = 3 // of a scenario
)

// charter makes the charts of a result. Instants are seconds since the run's
// beginning.
type charter struct {
	res    *harness.Result
	prefix string // of IDs, which is also the time axis
	live   bool   // the run goes on: a point for each second, and nothing that changes its place
	after  since  // only what is later
	charts []page.Chart
}

// since are instants up to which everything is known, of the scenarios' seconds,
// the generator's and the server's. They come in independently of each other.
type since struct{ seconds, generator, server float64 }

// always is before everything.
var always = since{math.Inf(-1), math.Inf(-1), math.Inf(-1)}

// drawn are the charts that a page shows, by where.
type drawn struct {
	Scenarios []drawnScenario
	Generator []string
	Client    []string // beside the server's
	Server    []string
}

type drawnScenario struct{ Charts, Heats []string }

func (c *charter) add(chart page.Chart) string {
	chart.ID = c.prefix + "-" + chart.ID
	if chart.Curve == nil {
		chart.Axis = c.prefix
	}
	c.charts = append(c.charts, chart)
	return chart.ID
}

func (c *charter) draw() drawn {
	d := drawn{}
	for i := range c.res.Scenarios {
		d.Scenarios = append(d.Scenarios, c.scenario(i))
	}
	d.Generator = c.generator()
	if d.Server = c.server(); len(d.Server) > 0 {
		d.Client = c.client()
	}
	return d
}

// marks are the phases.
func (c *charter) marks() (marks []page.Mark) {
	for _, p := range c.res.Phases {
		if p.Name != "done" {
			marks = append(marks, page.Mark{Axis: c.prefix, At: p.At, Text: p.Name})
		}
	}
	for i := range c.res.Scenarios {
		s := &c.res.Scenarios[i]
		for k, sec := range s.Timeline {
			before := harness.Phase("")
			if k > 0 {
				before = s.Timeline[k-1].Phase
			}
			// The end of one is told to the second, and its beginning is that of the load.
			if ended := before == harness.WarmUp && sec.Phase != harness.WarmUp; ended || sec.Phase == harness.CoolDown && before != harness.CoolDown {
				text := "warm-up ends"
				if !ended {
					text = "cool-down"
				}
				if len(c.res.Scenarios) > 1 {
					text += " of " + s.Name
				}
				marks = append(marks, page.Mark{Axis: c.prefix, At: c.res.TimelineAt + s.Timeline[k].At - sec.Span, Text: text})
			}
		}
	}
	slices.SortStableFunc(marks, func(a, b page.Mark) int { return cmp.Compare(a.At, b.At) })
	return marks
}

// chunk is some seconds of a timeline that make a point.
type chunk struct {
	at   float64
	secs []harness.Second
}

// chunks cuts a timeline into points.
func (c *charter) chunks(timeline []harness.Second) (chunks []chunk, seconds int) {
	seconds = 1
	if !c.live {
		seconds = max((len(timeline)+mostPoints-1)/mostPoints, 1)
	}
	for part := range slices.Chunk(timeline, seconds) {
		at := c.res.TimelineAt + part[len(part)-1].At
		if at > c.after.seconds {
			chunks = append(chunks, chunk{at, part})
		}
	}
	// What is left after the last whole second has too few samples to be drawn
	// beside seconds: the numbers of the load have them.
	if n := len(chunks); !c.live && n > 1 && len(chunks[n-1].secs) == 1 && chunks[n-1].secs[0].Span < shortRest {
		chunks = chunks[:n-1]
	}
	return chunks, seconds
}

// shortRest is the span of a second that is too short to be drawn by itself.
const shortRest = 0.5

func instants(chunks []chunk) page.Values {
	xs := make(page.Values, len(chunks))
	for i := range chunks {
		xs[i] = chunks[i].at
	}
	return xs
}

// each makes a line of what f says of a chunk.
func each(chunks []chunk, f func(chunk) float64) page.Values {
	vs := make(page.Values, len(chunks))
	for i := range chunks {
		vs[i] = f(chunks[i])
	}
	return vs
}

// rate is a number a second.
func rate(chunks []chunk, n func(harness.Second) int64) page.Values {
	return each(chunks, func(c chunk) float64 {
		sum, span := int64(0), 0.0
		for _, s := range c.secs {
			sum, span = sum+n(s), span+s.Span
		}
		if span <= 0 {
			return math.NaN()
		}
		return float64(sum) / span
	})
}

// most is the highest of a chunk; a gap where f has nothing.
func most(chunks []chunk, f func(harness.Second) (float64, bool)) page.Values {
	return each(chunks, func(c chunk) float64 {
		high := math.NaN()
		for _, s := range c.secs {
			if v, ok := f(s); ok && !(v <= high) {
				high = v
			}
		}
		return high
	})
}

// mean is that of a chunk, weighted: by the second, or by how often.
func mean(chunks []chunk, f func(harness.Second) (v, weight float64)) page.Values {
	return each(chunks, func(c chunk) float64 {
		sum, all := 0.0, 0.0
		for _, s := range c.secs {
			v, w := f(s)
			sum, all = sum+v*w, all+w
		}
		return sum / all // no number without any
	})
}

// busiest are the actions that there is most of; of a run that goes on, all in the
// order of their names.
func (c *charter) busiest(actions map[string]harness.ActionResult) []string {
	names := slices.Collect(maps.Keys(actions))
	if c.live {
		slices.Sort(names)
		return names
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(done(actions[b]), done(actions[a])), strings.Compare(a, b))
	})
	return slices.DeleteFunc(names, func(name string) bool { return done(actions[name]) == 0 })
}

func done(a harness.ActionResult) uint64 { return a.Count + uint64(max(a.Errors, 0)) }

func (c *charter) scenario(i int) (d drawnScenario) {
	s := &c.res.Scenarios[i]
	chunks, seconds := c.chunks(s.Timeline)
	xs := instants(chunks)
	names := c.busiest(s.Actions)
	id := func(name string) string { return fmt.Sprintf("s%d-%s", i, name) }
	note := ""
	if seconds > 1 {
		note = fmt.Sprintf("Each point is %d s: of p99 and max the highest, of p50 the mean.", seconds)
	}
	add := func(chart page.Chart) { d.Charts = append(d.Charts, c.add(chart)) }
	for k := 0; k < len(names) || k == 0; k += fewLines {
		some := names[k:min(k+fewLines, len(names))]
		if k >= 3*fewLines {
			break // the table has all of them
		}
		chart := page.Chart{ID: id(fmt.Sprintf("times-%d", k)), Title: "Response times: " + strings.Join(some, ", "), Unit: page.Seconds, Note: note, X: xs, Limits: limits(s, some)}
		for n, name := range some {
			chart.Lines = append(chart.Lines, c.times(chunks, name, n, len(some) == 1)...)
		}
		if len(some) == 0 {
			chart.Title = "Response times"
		}
		add(chart)
	}
	if s.Throughput != nil {
		add(page.Chart{ID: id("bytes"), Title: "Sent, against what was meant to be", Unit: page.BytesRate, X: xs, Lines: []page.Line{
			{Label: "sent", Values: rate(chunks, func(s harness.Second) int64 { return s.BytesAchieved })},
			{Label: "intended", Dashed: true, Color: 7, Values: rate(chunks, func(s harness.Second) int64 { return s.BytesIntended })},
		}})
	}
	rates := page.Chart{ID: id("rate"), Title: "Done per second", Unit: page.PerSecond, X: xs}
	for n, name := range names[:min(len(names), mostLines)] {
		rates.Lines = append(rates.Lines, page.Line{Label: name, Color: n, Values: rate(chunks, func(s harness.Second) int64 { return int64(s.Actions[name].Count) })})
	}
	if len(names) == 0 {
		rates.Lines = []page.Line{{Label: "iterations", Values: rate(chunks, func(s harness.Second) int64 { return s.Started })}}
	}
	add(rates)
	add(c.users(id("users"), s, chunks))
	add(c.errors(id("errors"), s, chunks))
	if curves := curves(s.Actions, names[:min(len(names), fewLines)]); len(curves) > 0 || c.live {
		add(page.Chart{ID: id("curve"), Title: "Percentiles of the whole load", Unit: page.Seconds, Curve: append([]page.Curve{}, curves...),
			Note: "Solid is response time, from when it was meant to start; dashed is service time, from when it did."})
	}
	for _, name := range names[:min(len(names), mostHeats)] {
		if heat := c.heat(s.Timeline, name); heat != nil {
			d.Heats = append(d.Heats, c.add(page.Chart{ID: id("heat-" + name), Title: "Response times of " + name + ", each of them", Unit: page.Seconds, Heat: heat,
				Note: "The stronger the colour, the more there were."}))
		}
	}
	return d
}

// times are the lines of an action's times.
func (c *charter) times(chunks []chunk, name string, n int, alone bool) []page.Line {
	of := func(f func(harness.ActionSecond) float64) func(harness.Second) (float64, bool) {
		return func(s harness.Second) (float64, bool) { a := s.Actions[name]; return f(a), a.Count > 0 }
	}
	lines := []page.Line{
		{Label: name + " p99", Color: n, Values: most(chunks, of(func(a harness.ActionSecond) float64 { return a.P99 }))},
		{Label: name + " p50", Color: n, Dashed: true, Values: mean(chunks, func(s harness.Second) (float64, float64) {
			a := s.Actions[name]
			return a.P50, float64(a.Count)
		})},
	}
	if alone {
		lines = append(lines, page.Line{Label: name + " max", Color: 7, Values: most(chunks, of(func(a harness.ActionSecond) float64 { return a.Max }))})
	}
	return lines
}

// limits are the thresholds on times of some actions, as lines.
func limits(s *harness.ScenarioResult, names []string) (out []page.Limit) {
	for _, r := range s.Thresholds {
		t, err := harness.ParseThreshold(r.Threshold)
		if err != nil || !slices.Contains(names, t.Metric) || t.Aggregate == "rate" || t.Aggregate == "count" || t.Tags != "" {
			continue
		}
		out = append(out, page.Limit{Label: r.Threshold, Value: t.Value})
	}
	return out
}

func (c *charter) users(id string, s *harness.ScenarioResult, chunks []chunk) page.Chart {
	chart := page.Chart{ID: id, Title: "Users who run an iteration", X: instants(chunks), Lines: []page.Line{
		{Label: "users", Values: most(chunks, func(s harness.Second) (float64, bool) { return float64(s.Users), true })},
	}}
	if s.Connections != nil {
		chart.Title = "Users and connections"
		chart.Lines = append(chart.Lines, page.Line{Label: "connections open", Color: 1, Dashed: true,
			Values: most(chunks, func(s harness.Second) (float64, bool) { return float64(s.Connections), true })})
	}
	return chart
}

func (c *charter) errors(id string, s *harness.ScenarioResult, chunks []chunk) page.Chart {
	chart := page.Chart{ID: id, Title: "Errors per second", Unit: page.PerSecond, X: instants(chunks), Lines: []page.Line{
		{Label: "errors", Color: 1, Values: rate(chunks, func(s harness.Second) int64 { return s.Errors })},
		{Label: "failed iterations", Color: 3, Values: rate(chunks, func(s harness.Second) int64 { return s.Failed })},
		{Label: "dropped iterations", Color: 4, Dashed: true, Values: rate(chunks, func(s harness.Second) int64 { return s.Dropped })},
	}}
	if s.Connections != nil {
		chart.Lines = append(chart.Lines, page.Line{Label: "connections lost", Color: 5, Values: rate(chunks, func(s harness.Second) int64 { return s.Disconnects })})
	}
	return chart
}

// curves are the percentiles of actions.
func curves(actions map[string]harness.ActionResult, names []string) (out []page.Curve) {
	for n, name := range names {
		a := actions[name]
		for _, of := range []struct {
			label  string
			h      *histogram.Histogram
			dashed bool
		}{{name, a.Response.Histogram, false}, {name + " service", a.Service.Histogram, true}} {
			if of.h != nil && of.h.Count() > 0 {
				out = append(out, page.Curve{Label: of.label, Color: n, Dashed: of.dashed, Points: page.Percentiles(of.h)})
			}
		}
	}
	return out
}

// mostColumns are those of a heat map.
const mostColumns = 300

// heat is how an action's times were spread. Nil when nothing tells.
func (c *charter) heat(timeline []harness.Second, name string) *page.Heat {
	seconds := 1
	if !c.live {
		seconds = max((len(timeline)+mostColumns-1)/mostColumns, 1)
	}
	heat, any := &page.Heat{X: page.Values{}, Cells: [][3]uint64{}}, false
	for part := range slices.Chunk(timeline, seconds) {
		at := c.res.TimelineAt + part[len(part)-1].At
		if at <= c.after.seconds {
			continue
		}
		rows := map[uint64]uint64{}
		for _, sec := range part {
			spread := sec.Actions[name].Spread
			for i := 1; i < len(spread); i++ {
				if spread[i] > 0 {
					rows[spread[0]+uint64(i-1)] += spread[i]
				}
			}
		}
		col := uint64(len(heat.X))
		heat.X = append(heat.X, at)
		for _, row := range slices.Sorted(maps.Keys(rows)) {
			heat.Cells, any = append(heat.Cells, [3]uint64{col, row, rows[row]}), true
		}
	}
	if !any && !c.live {
		return nil
	}
	return heat
}
