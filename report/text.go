package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
)

// TextOptions are what [Text] can do otherwise. The zero value is for a result by
// itself, where it is not a terminal.
type TextOptions struct {
	// Path is where the result is, for the last line. "" leaves that out.
	Path string

	// VerdictOnly leaves everything out but the verdict and its reasons.
	VerdictOnly bool

	// NoLegend leaves out what the columns mean, for whoever has just read it.
	NoLegend bool

	// Color marks what is broken and what holds, for a terminal.
	Color bool
}

// Text writes a result for people who read it at a terminal. Its lines fit into
// 76 columns, because go test puts 4 in front of them, but for paths, which are
// to be copied.
func Text(w io.Writer, res *harness.Result, o TextOptions) error {
	var b strings.Builder
	if !o.VerdictOnly {
		for i := range res.Scenarios {
			writeScenario(&b, res, &res.Scenarios[i])
		}
		for i := range res.Disruptions {
			writeDisruption(&b, &res.Disruptions[i])
		}
		writeShards(&b, res)
		writeGenerator(&b, &res.Generator)
		writeBottleneck(&b, res)
		if len(res.Scenarios) > 0 && !o.NoLegend {
			b.WriteString(legend)
		}
	}
	writeVerdict(&b, res, o.Path)
	text := b.String()
	if o.Color {
		text = colored(text)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// legend explains the table to somebody who sees it for the first time.
const legend = `
  p99 is the time within which 99 of 100 were done. Response time counts
  from when something was meant to start, which is what a person feels;
  service time counts from when it did start. The generator's lag is how
  late this machine was itself, and is part of the response time.
`

// meaning of the verdicts.
var meaning = map[harness.Verdict]string{
	harness.Pass:        "every threshold holds, and no more runs failed than may",
	harness.Fail:        "the deployment did not do what was asked of it",
	harness.Invalid:     "the load was not what was meant: the numbers say nothing about the deployment",
	harness.Interrupted: "these are the numbers until then",
	harness.Error:       "the test itself could not be carried out",
}

func meaningOf(res *harness.Result) string {
	if res.Shard != "" && res.Verdict == harness.Pass {
		return "this shard has done its part; what all of them have done together decides"
	}
	none := !slices.ContainsFunc(res.Scenarios, func(s harness.ScenarioResult) bool { return len(s.Thresholds) > 0 })
	if res.Verdict == harness.Pass && none {
		return "no threshold was set, and no more runs failed than may"
	}
	return meaning[res.Verdict]
}

// writeVerdict is the end of every run, whatever else is printed.
func writeVerdict(b *strings.Builder, res *harness.Result, path string) {
	b.WriteByte('\n')
	writeFact(b, 12, "verdict", strings.ToUpper(string(res.Verdict))+": "+meaningOf(res))
	for _, reason := range res.Reasons {
		writeFact(b, 12, "", reason)
	}
	for _, w := range res.Warnings {
		writeFact(b, 12, "warning", w)
	}
	if path != "" {
		fmt.Fprintf(b, "%-12s%s\n", "result", path) // whole, to be copied
	}
}

func writeScenario(b *strings.Builder, res *harness.Result, s *harness.ScenarioResult) {
	fmt.Fprintf(b, "\n%s: %s%s, load on for %.1fs\n\n", s.Name, s.Schedule, ofShard(res, s), s.LoadSeconds)
	if len(s.Actions) > fewActions {
		writeTable(b, s)
	} else {
		writeTimes(b, s)
	}
	writeTags(b, s)
	b.WriteByte('\n')
	writeCounts(b, s)
	writeThresholds(b, s)
	writeProblems(b, s)
}

// fewActions are shown with all their percentiles; of more, each has one line.
const fewActions = 2

// writeTable shows many actions: their response times, a line each.
func writeTable(b *strings.Builder, s *harness.ScenarioResult) {
	writeTableHeader(b, "response times")
	for _, name := range sorted(s.Actions) {
		a := s.Actions[name]
		writeLine(b, name, a.Count, a.Errors, a.Response)
	}
	writeLine(b, "generator's lag", s.Lag.Count, 0, s.Lag)
	header := "  before the load\n"
	for _, name := range sorted(s.Setup) {
		if a := s.Setup[name]; a.Count > 0 || a.Errors > 0 {
			b.WriteString(header)
			header = ""
			writeLine(b, name, a.Count, a.Errors, a.Response)
		}
	}
}

// tableName is the width of a table's names, so that the lines fit.
const tableName = 23

func writeTableHeader(b *strings.Builder, title string) {
	fmt.Fprintf(b, "  %-*s %7s %6s %8s %8s %8s %8s\n", tableName, title, "done", "failed", "p50", "p90", "p99", "max")
}

func writeLine(b *strings.Builder, name string, count uint64, errors int64, d harness.Distribution) {
	fmt.Fprintf(b, "  %-*s %7d %6d", tableName, ownLine(b, name, tableName), count, errors)
	for _, v := range []float64{d.P50, d.P90, d.P99, d.Max} {
		fmt.Fprintf(b, " %8s", short(v))
	}
	b.WriteByte('\n')
}

func writeTimes(b *strings.Builder, s *harness.ScenarioResult) {
	fmt.Fprintf(b, "  %-20s %8s %8s %8s %8s %8s %8s\n", "", "p50", "p90", "p95", "p99", "p99.9", "max")
	for _, name := range sorted(s.Actions) {
		a := s.Actions[name]
		writeDistribution(b, name+" response", a.Response)
		writeDistribution(b, name+" service", a.Service)
	}
	writeDistribution(b, "generator's lag", s.Lag)
	header := "  before the load\n"
	for _, name := range sorted(s.Setup) {
		if d := s.Setup[name].Response; d.Count > 0 {
			b.WriteString(header)
			header = ""
			writeDistribution(b, name, d)
		}
	}
}

func writeCounts(b *strings.Builder, s *harness.ScenarioResult) {
	if len(s.Actions) <= fewActions { // the table has them
		for _, name := range sorted(s.Actions) {
			a := s.Actions[name]
			fact(b, name, fmt.Sprintf("%d succeeded, %d failed", a.Count, a.Errors))
		}
	}
	if t := s.Throughput; t != nil && s.LoadSeconds > 0 {
		fact(b, "sending rate", fmt.Sprintf("%.2f of %.2f MB/s intended (%.2f %%)",
			float64(t.BytesAchieved)/1e6/s.LoadSeconds, float64(t.BytesIntended)/1e6/s.LoadSeconds, 100*t.Ratio))
	}
	if n := s.Counters["bytes_sent"]; n > 0 {
		fact(b, "bytes", fmt.Sprintf("%.1f MB sent, %.1f MB received", float64(n)/1e6, float64(s.Counters["bytes_received"])/1e6))
	}
	for _, name := range sorted(s.Counters) {
		if n := s.Counters[name]; n != 0 && name != "bytes_sent" && name != "bytes_received" {
			fact(b, name, fmt.Sprint(n))
		}
	}
	it := s.Iterations
	runs := fmt.Sprintf("%s, %s: %d succeeded, %d failed", plural(int64(s.Users), "user"), plural(it.Started, "iteration"), it.Succeeded, it.Failed)
	for _, n := range []struct {
		name  string
		count int64
	}{{"interrupted", it.Interrupted}, {"waited for a free user", it.Waited}, {"dropped", it.Dropped}, {"stuck", it.Stuck}, {"not ready", it.SetupFailed}} {
		if n.count > 0 {
			runs += fmt.Sprintf(", %d %s", n.count, n.name)
		}
	}
	fact(b, "runs", runs)
	if c := s.Connections; c != nil {
		fact(b, "connections", shortConnections(c))
	}
	for _, p := range []struct {
		name string
		part *harness.Part
	}{{"warm-up", s.WarmUp}, {"cool-down", s.CoolDown}} {
		if p.part != nil {
			it := p.part.Iterations
			fact(b, p.name, fmt.Sprintf("%.1fs, %s: %d succeeded, %d failed (not counted above)",
				p.part.Seconds, plural(it.Started, "iteration"), it.Succeeded, it.Failed))
		}
	}
}

// ofShard is how many of a schedule's users are here.
func ofShard(res *harness.Result, s *harness.ScenarioResult) string {
	if res.Shard == "" {
		return ""
	}
	return fmt.Sprintf(" in all shards, %s in %s", plural(int64(s.Users), "user"), res.Shard)
}

// shortConnections are [connections] without what the line says already.
func shortConnections(c *harness.Connections) string {
	text := fmt.Sprintf("%d, %d lost", c.Count, c.Lost)
	if c.Lost > 0 {
		text += fmt.Sprintf(" (%.1f %%), %d came back", 100*c.LostShare, c.Restored)
	}
	if c.Restored > 0 {
		text += fmt.Sprintf(" (p50 %s, longest %s)", short(c.Reconnect.P50), short(c.Reconnect.Max))
	}
	return text
}

func writeThresholds(b *strings.Builder, s *harness.ScenarioResult) {
	for _, t := range s.Thresholds {
		name := "threshold holds"
		switch {
		case t.Undecided:
			fact(b, "threshold", t.Message)
			continue
		case !t.Passed:
			name = "threshold BROKEN"
		}
		text := t.Message
		if t.Value != nil {
			text = fmt.Sprintf("%s (it is %s)", t.Threshold, measured(t))
		}
		fact(b, name, text)
	}
}

// measured is a threshold's value in its own unit.
func measured(r harness.ThresholdResult) string {
	t, err := harness.ParseThreshold(r.Threshold)
	if err == nil && t.Aggregate != "rate" && t.Aggregate != "count" {
		return short(*r.Value)
	}
	if *r.Value == math.Trunc(*r.Value) {
		return fmt.Sprintf("%.0f", *r.Value)
	}
	return fmt.Sprintf("%.4g", *r.Value)
}

// printedFailures are printed; the result has more of them.
const printedFailures = 3

func writeProblems(b *strings.Builder, s *harness.ScenarioResult) {
	for _, w := range s.Warnings {
		fact(b, "warning", w)
	}
	shown := s.Failures[:min(printedFailures, len(s.Failures))]
	for _, f := range shown {
		fact(b, "failure", fmt.Sprintf("user %d, %s: %s", f.User, f.Phase, f.Error))
		if f.Stack != "" {
			fmt.Fprintf(b, "%s\n", indent(f.Stack, "      "))
		}
	}
	if more := len(s.Failures) + s.MoreFailures - len(shown); more > 0 {
		fact(b, "failures", fmt.Sprintf("%d more, in the result", more))
	}
}

func writeDistribution(b *strings.Builder, name string, d harness.Distribution) {
	if d.Count == 0 {
		return
	}
	fmt.Fprintf(b, "  %-20s", name)
	for _, v := range []float64{d.P50, d.P90, d.P95, d.P99, d.P999, d.Max} {
		fmt.Fprintf(b, " %8s", short(v))
	}
	b.WriteByte('\n')
}

// fact is a line of a scenario's part.
func fact(b *strings.Builder, name, text string) { writeFact(b, 21, "  "+name, text) }

// writeFact writes a name and a text that goes on below itself.
func writeFact(b *strings.Builder, column int, name, text string) {
	facts.Write(b, column, name, text)
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
