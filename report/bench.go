package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// Bench writes results as lines of Go's benchmark format, which benchstat and
// benchfmt read: one for each scenario, with
//
//	p50-ns, p99-ns  response times of all its actions together
//	MB/s            sent, if it sends
//	errors/op       failed actions, iterations that failed without one, and
//	                users who did not get ready
//
// Below it there is one for each set of an action's tags, and for each part of a
// disruption, named as benchfmt's keys: /action=login/region=eu and
// /disruption=lose-replica/part=during. There, errors are failed actions. What does
// not count is in no line.
//
// A line is named after the test and the scenario. The target's version and
// whether it was embedded are configuration lines, so that what can't be
// compared stays apart. For an interval, benchstat wants six results or more.
func Bench(w io.Writer, results ...*harness.Result) error {
	var b strings.Builder
	b.WriteString("Unit p50-ns better=lower\nUnit p99-ns better=lower\nUnit MB/s better=higher\nUnit errors/op better=lower\n")
	config := map[string]string{} // as it stands
	for _, res := range results {
		for _, c := range [][2]string{
			{"goos", res.Generator.OS}, {"goarch", res.Generator.Arch},
			{"target-version", res.Target["version"]}, {"target-embedded", res.Target["embedded"]},
		} {
			if value := oneLine(c[1]); value != config[c[0]] {
				config[c[0]] = value
				fmt.Fprintf(&b, "%s: %s\n", c[0], value)
			}
		}
		for i := range res.Scenarios {
			benchLine(&b, res, &res.Scenarios[i])
		}
		for i := range res.Disruptions {
			benchDisruption(&b, res, &res.Disruptions[i])
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write benchmark lines: %w", err)
	}
	return nil
}

// benchLine writes the measurements of a scenario.
func benchLine(b *strings.Builder, res *harness.Result, s *harness.ScenarioResult) {
	b.WriteString(benchName(res, s.Name) + " 1")
	benchTimes(b, s.Actions)
	benchRate(b, s.Throughput, s.LoadSeconds)
	fmt.Fprintf(b, " %d errors/op\n", errorsOf(s))
	for _, name := range sorted(s.Actions) {
		for _, tags := range sorted(s.Actions[name].Tags) {
			a := s.Actions[name].Tags[tags]
			key := s.Name + "/action=" + name + "/" + strings.ReplaceAll(tags, ",", "/")
			b.WriteString(benchName(res, key) + " 1")
			benchTimes(b, map[string]harness.ActionResult{name: a})
			fmt.Fprintf(b, " %d errors/op\n", a.Errors)
		}
	}
}

// benchTimes writes the times of actions together. Actions that measured nothing
// have none, which is not the same as times of 0.
func benchTimes(b *strings.Builder, actions map[string]harness.ActionResult) {
	var response histogram.Histogram
	for _, a := range actions {
		response.Merge(a.Response.Histogram)
	}
	if response.Count() > 0 {
		fmt.Fprintf(b, " %d p50-ns %d p99-ns", response.Percentile(50), response.Percentile(99))
	}
}

func benchRate(b *strings.Builder, t *harness.Throughput, seconds float64) {
	if t != nil && t.BytesAchieved > 0 && seconds > 0 {
		fmt.Fprintf(b, " %.6g MB/s", float64(t.BytesAchieved)/1e6/seconds)
	}
}

// benchDisruption writes a measurement of each scenario before, during and after a
// disruption.
func benchDisruption(b *strings.Builder, res *harness.Result, d *harness.DisruptionResult) {
	for i := range d.Scenarios {
		s := &d.Scenarios[i]
		for _, p := range disrupted(s) {
			if p.part.Seconds <= 0 {
				continue
			}
			b.WriteString(benchName(res, s.Name+"/disruption="+d.Name+"/part="+p.name) + " 1")
			benchTimes(b, p.part.Actions)
			benchRate(b, p.part.Throughput, p.part.Seconds)
			fmt.Fprintf(b, " %d errors/op\n", p.part.Errors)
		}
	}
}

// errorsOf are the errors of what counts.
func errorsOf(s *harness.ScenarioResult) int64 {
	errors := s.Iterations.SetupFailed + s.Errors
	if s.Errors > 0 || len(apart(s)) > 0 {
		return errors
	}
	for _, sec := range s.Timeline { // results of earlier versions have them only here
		errors += sec.Errors
	}
	return errors
}

var notInName = regexp.MustCompile(`[^\pL\pN_/=.,:+#()-]+`)

// benchName begins as benchmark names must, and has no blanks. What go test
// calls BenchmarkX keeps its name.
func benchName(res *harness.Result, scenario string) string {
	name := notInName.ReplaceAllString(res.Name, "_")
	if rest, ok := strings.CutPrefix(name, "Test"); ok {
		name = rest
	}
	if name == "" {
		name = "Run"
	}
	if !strings.HasPrefix(name, "Benchmark") {
		// What follows must not begin with a lower-case letter.
		first, size := utf8.DecodeRuneInString(name)
		name = "Benchmark" + string(unicode.ToUpper(first)) + name[size:]
	}
	name += "/" + notInName.ReplaceAllString(scenario, "_")
	if n := res.Generator.GOMAXPROCS; n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return name
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
