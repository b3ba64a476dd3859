package scaletest

import (
	"io"
	"testing"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// Bench runs a scenario once for each iteration of the benchmark, and reports
// its numbers in units that benchstat compares: p50-ns and p99-ns of the
// response times of all the scenario's actions together, MB/s sent if it sends,
// and errors/op: failed actions, iterations that failed without one, and users
// who did not get ready, for each run of the scenario.
//
// Use it with -benchtime=1x -count=6: benchstat wants six samples for an
// interval. The benchmark fails unless every verdict is pass. Results are
// written only where CODER_SCALETEST_ARTIFACTS or -artifacts asks for them.
func Bench(b *testing.B, scenario harness.Scenario) {
	b.Helper()
	if target := targetOf(b); target != nil {
		if err := target.unsharded("a benchmark"); err != nil {
			b.Fatalf("%v", err)
		}
	}
	var response histogram.Histogram
	var bytes, errors int64
	var seconds float64
	runs := 0
	for b.Loop() {
		runs++
		res := runPlan(b, harness.Plan{Name: b.Name(), Scenarios: []harness.Scenario{scenario}}, &console{out: io.Discard, quiet: true})
		if res == nil {
			return
		}
		if res.Verdict != harness.Pass {
			b.Errorf("%s", failureLine(res))
		}
		s := res.Scenarios[0]
		for _, a := range s.Actions {
			response.Merge(a.Response.Histogram)
		}
		errors += s.Iterations.SetupFailed + s.Errors
		if s.Throughput != nil {
			bytes += s.Throughput.BytesAchieved
		}
		seconds += s.LoadSeconds
	}
	// After the loop, whose beginning clears what was reported before.
	b.ReportMetric(0, "ns/op") // how long a run takes is its plan's choice
	b.ReportMetric(float64(response.Percentile(50)), "p50-ns")
	b.ReportMetric(float64(response.Percentile(99)), "p99-ns")
	if bytes > 0 && seconds > 0 {
		b.ReportMetric(float64(bytes)/1e6/seconds, "MB/s")
	}
	b.ReportMetric(float64(errors)/float64(runs), "errors/op")
}
