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
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write benchmark lines: %w", err)
	}
	return nil
}

// benchLine writes one measurement. A scenario that measured nothing has no
// times, which is not the same as times of 0.
func benchLine(b *strings.Builder, res *harness.Result, s *harness.ScenarioResult) {
	b.WriteString(benchName(res, s.Name))
	b.WriteString(" 1")
	var response histogram.Histogram
	for _, a := range s.Actions {
		response.Merge(a.Response.Histogram)
	}
	if response.Count() > 0 {
		fmt.Fprintf(b, " %d p50-ns %d p99-ns", response.Percentile(50), response.Percentile(99))
	}
	if s.Throughput != nil && s.Throughput.BytesAchieved > 0 && s.LoadSeconds > 0 {
		fmt.Fprintf(b, " %.6g MB/s", float64(s.Throughput.BytesAchieved)/1e6/s.LoadSeconds)
	}
	errors := s.Iterations.SetupFailed
	for _, sec := range s.Timeline { // which counts an error once
		errors += sec.Errors
	}
	fmt.Fprintf(b, " %d errors/op\n", errors)
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
