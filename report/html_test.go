package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
	"github.com/coderscale/scaletest/report/page"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// drawn is a result with everything that a page draws, as long as it is told.
func drawn(seconds, perSecond int) *harness.Result {
	res := parted()
	res.Name, res.Verdict = "TestDrawn", harness.Fail
	res.Reasons = []string{"terminals: echo: p(99)<10ms is broken: 19.1ms"}
	res.TimelineAt = 3
	res.Phases = []harness.PhaseMark{{Name: "setup", At: 0}, {Name: "load", At: 3}, {Name: "cleanup", At: 3 + float64(seconds)}, {Name: "done", At: 5 + float64(seconds)}}
	s := &res.Scenarios[0]
	s.Throughput = &harness.Throughput{BytesIntended: 1 << 30, BytesAchieved: 1 << 30, Ratio: 1}
	s.Timeline = nil
	var all histogram.Histogram
	watch := &harness.SelfWatch{Seconds: float64(seconds), CPU: 0.6, CPUPeak: 1.4, Wake: times(50, time.Millisecond)}
	cpu := harness.Series{Name: "cpu", Of: "replica 1", Unit: "cores"}
	queue := harness.Series{Name: "provisioner_queue_wait", Unit: "seconds"}
	for i := range seconds {
		var h histogram.Histogram
		around := time.Duration(float64(4*time.Millisecond) * (1.5 + math.Sin(float64(i)/9)))
		for k := range perSecond {
			h.Record(around + around*time.Duration(k*k)/time.Duration(4*perSecond*perSecond))
		}
		all.Merge(&h)
		a := harness.ActionSecond{Count: h.Count(), P50: h.Percentile(50).Seconds(), P99: h.Percentile(99).Seconds(), Max: h.Max().Seconds(), Spread: spreadOf(&h)}
		sec := harness.Second{
			At: float64(i + 1), Span: 1, Users: 200, Started: 3, Connections: 200, LagP99: 0.0004, CPU: 0.6, BytesIntended: 8_192_000, BytesAchieved: 8_190_000,
			Actions: map[string]harness.ActionSecond{"echo": a, "login": {Count: 3, P50: 0.02, P99: 0.05, Max: 0.05, Spread: []uint64{97, 1, 2}}},
		}
		if i < 5 {
			sec.Phase = harness.WarmUp
		}
		if i%17 == 3 {
			sec.Errors, sec.Disconnects = 2, 1
		}
		s.Timeline = append(s.Timeline, sec)
		watch.Timeline = append(watch.Timeline, harness.GeneratorSecond{At: float64(i + 1), CPU: 0.6, HeapBytes: 30 << 20, Goroutines: 800, Descriptors: 400, WakeP99: 0.001})
		if i%5 == 0 {
			cpu.Points = append(cpu.Points, [2]float64{float64(i), 1.2 + 0.5*math.Sin(float64(i)/9)})
			queue.Points = append(queue.Points, [2]float64{float64(i), 0.4})
		}
	}
	echo := s.Actions["echo"]
	echo.Count, echo.Response, echo.Service = all.Count(), harness.Distribute(&all), harness.Distribute(&all)
	s.Actions["echo"] = echo
	s.Thresholds = append(s.Thresholds, harness.ThresholdResult{Threshold: "echo: p(99)<10ms", Value: number(0.0191), Message: "echo: p(99)<10ms is broken: 19.1ms"})
	s.Failures = failed().Scenarios[0].Failures
	res.Generator.Watch = watch
	res.Server = &harness.ServerResult{
		Interval: 5, Observations: seconds / 5, Facts: map[string]string{"version": "v2.37.0", "replicas": "1"},
		Notes: []string{"there are no database metrics: set CODER_PROMETHEUS_COLLECT_DB_METRICS=true"}, Series: []harness.Series{cpu, queue},
	}
	return res
}

// spreadOf is what a run keeps of a second.
func spreadOf(h *histogram.Histogram) (spread []uint64) {
	for b := range h.Buckets() {
		i := uint64(4 * math.Log2(float64(b.Low)))
		if spread == nil {
			spread = []uint64{i}
		}
		for uint64(len(spread)) < 2+i-spread[0] {
			spread = append(spread, 0)
		}
		spread[1+i-spread[0]] += b.Count
	}
	return spread
}

func html(t *testing.T, results ...*harness.Result) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, results...))
	return b.String()
}

// dataOf are the charts in a page.
func dataOf(t *testing.T, text string) page.Data {
	t.Helper()
	found := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindStringSubmatch(text)
	require.NotNil(t, found)
	var data page.Data
	require.NoError(t, json.Unmarshal([]byte(found[1]), &data))
	return data
}

func TestAPageNeedsNothingElse(t *testing.T) {
	text := html(t, drawn(60, 20))
	text = regexp.MustCompile(`(?s)<script>.*?</script>`).ReplaceAllString(text, "")
	for _, found := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"|url\(([^)]*)\)|@import`).FindAllStringSubmatch(text, -1) {
		assert.Regexp(t, `^(#|data:)`, found[1]+found[2], "it loads something: %s", found[0])
	}
	assert.Contains(t, text, `content="default-src 'none'; `)
}

func TestAPageShowsWhatTheResultHas(t *testing.T) {
	res := drawn(60, 20)
	text := html(t, res)
	for _, want := range []string{
		"<title>TestDrawn: fail</title>", "echo: p(99)&lt;10ms", "state-broken", "state-holds", "is broken: 19.1ms",
		"user 3, setup", "dial &lt;wss://host/pty?a=1&amp;b=2&gt;", // a failure and its log
		"login{region=us}", "The warm-up does not count", "CODER_PROMETHEUS_COLLECT_DB_METRICS", "Client against server",
		"https://coder.example.com", "CODER_SCALETEST_DURATION", "Disruptions", "lose-replica", "ab12", "CPU 0.60 of 2 cores",
	} {
		assert.Contains(t, text, want)
	}
	data := dataOf(t, text)
	titles := map[string]page.Chart{}
	for _, c := range data.Charts {
		assert.NotContains(t, titles, c.ID, "two charts of one ID")
		titles[c.ID] = c
		assert.Contains(t, text, fmt.Sprintf(`<figure data-chart="%s">`, c.ID), "a chart without a place")
		for _, l := range c.Lines {
			assert.Len(t, l.Values, len(c.X), "%s: %s", c.ID, l.Label)
		}
	}
	assert.Len(t, titles, strings.Count(text, "<figure data-chart="), "a place without a chart")
	times := titles["r0-s0-times-0"]
	assert.Len(t, times.X, 60)
	assert.Equal(t, 4.0, times.X[0], "on the time axis of the run, on which the load begins after 3 s")
	assert.Equal(t, page.Limit{Label: "echo: p(99)<10ms", Value: 0.01}, times.Limits[len(times.Limits)-1])
	assert.Equal(t, 5.0, titles["r0-v-cpu"].X[1], "of the server on the same one")
	assert.NotEmpty(t, titles["r0-s0-heat-echo"].Heat.Cells)
	assert.NotEmpty(t, titles["r0-s0-curve"].Curve)
	assert.Equal(t, []string{"setup", "load", "warm-up ends", "cleanup"}, textsOf(data.Marks))
}

func textsOf(marks []page.Mark) (texts []string) {
	for _, m := range marks {
		texts = append(texts, m.Text)
	}
	return texts
}

func TestHeatMapsAndLinesHaveAllThatWasDone(t *testing.T) {
	res := drawn(4000, 10)
	data := dataOf(t, html(t, res))
	for _, c := range data.Charts {
		switch c.ID {
		case "r0-s0-heat-echo":
			sum := uint64(0)
			for _, cell := range c.Heat.Cells {
				sum += cell[2]
			}
			assert.Equal(t, uint64(40_000), sum)
			assert.LessOrEqual(t, len(c.Heat.X), 300)
		case "r0-s0-rate":
			assert.LessOrEqual(t, len(c.X), 1200)
			for _, v := range c.Lines[0].Values {
				assert.InDelta(t, 10, v, 1e-9, "a rate is of a second, however many seconds a point has")
			}
		case "r0-s0-times-0":
			assert.Contains(t, c.Note, "Each point is 4 s")
		}
	}
}

func TestTextsFromElsewhereAreNoMarkup(t *testing.T) {
	res := drawn(10, 5)
	evil := `</script><img src=x onerror=alert(1)>`
	res.Name, res.Reasons, res.Warnings = evil, []string{evil}, []string{evil}
	res.Target[evil], res.Configuration[evil] = evil, evil
	s := &res.Scenarios[0]
	s.Name, s.Schedule, s.Warnings = evil, evil, []string{evil}
	s.Actions[evil] = s.Actions["echo"]
	s.Timeline[0].Actions[evil] = s.Timeline[0].Actions["echo"]
	s.Failures[0].Error, s.Failures[0].Log = evil, evil
	s.Counters[evil] = 1
	res.Server.Series[0].Of, res.Server.Notes = evil, []string{evil}
	res.Phases[1].Name = evil
	text := html(t, res)
	assert.NotContains(t, text, "<img")
	assert.Equal(t, 2, strings.Count(text, "</script>"))
	dataOf(t, text)
}

func TestAnEmptyResultIsAPage(t *testing.T) {
	text := html(t, &harness.Result{RunID: "x", Verdict: harness.Error})
	assert.Contains(t, text, "run x: error")
	dataOf(t, text)
	text = html(t, drawn(10, 5), drawn(10, 5))
	data := dataOf(t, text)
	assert.Len(t, data.Charts, strings.Count(text, "<figure data-chart="))
	assert.Equal(t, "r1", data.Charts[len(data.Charts)-1].Axis, "each run has a time axis of its own")
}
