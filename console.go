package scaletest

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// console prints what a person follows. Its lines fit 80 columns where the
// names in them are short.
type console struct {
	mu        sync.Mutex
	out       io.Writer
	heartbeat bool
	scenarios int
}

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format, args...)
}

func (c *console) say(text string) { c.printf("%s\n", text) }

// plan says what is about to happen.
func (c *console) plan(plan harness.Plan, target *Target) {
	c.scenarios = len(plan.Scenarios)
	c.printf("target      %s\n", target.Describe())
	for _, s := range plan.Scenarios {
		after := ""
		if s.StartAfter > 0 {
			after = fmt.Sprintf(", after %v", s.StartAfter)
		}
		c.printf("%-11s %v%s\n", s.Name, s.Schedule, after)
	}
}

func (c *console) phase(name string) {
	if c.heartbeat && name == "cleanup" {
		c.say("load ended, cleaning up")
	}
}

// snapshot prints the heartbeat.
func (c *console) snapshot(s harness.Snapshot) {
	if !c.heartbeat {
		return
	}
	for _, sec := range s.Scenarios {
		if sec.Span < 0.05 { // the rest behind the last full second
			continue
		}
		name := ""
		if c.scenarios > 1 {
			name = fmt.Sprintf("%-11s ", sec.Scenario)
		}
		c.printf("%s%s\n", name, sec.Line())
	}
}

// summary prints what came of the run.
func (c *console) summary(res *harness.Result, path string) {
	var b strings.Builder
	for i := range res.Scenarios {
		writeScenario(&b, &res.Scenarios[i])
	}
	fmt.Fprintf(&b, "\nverdict     %s\n", strings.ToUpper(string(res.Verdict)))
	for _, reason := range res.Reasons {
		fmt.Fprintf(&b, "            %s\n", reason)
	}
	fmt.Fprintf(&b, "result      %s\n", path)
	c.say(b.String())
}

func writeScenario(b *strings.Builder, s *harness.ScenarioResult) {
	fmt.Fprintf(b, "\n%s: %s, load on for %.1fs\n", s.Name, s.Schedule, s.LoadSeconds)
	fmt.Fprintf(b, "  %-22s %8s %8s %8s %8s %8s %8s\n", "", "p50", "p90", "p95", "p99", "p99.9", "max")
	for _, name := range sortedKeys(s.Actions) {
		a := s.Actions[name]
		writeDistribution(b, name+" response", a.Response)
		writeDistribution(b, name+" service", a.Service)
	}
	for _, name := range sortedKeys(s.Setup) {
		writeDistribution(b, name, s.Setup[name].Response)
	}
	writeDistribution(b, "generator's lag", s.Lag)
	for _, name := range sortedKeys(s.Actions) {
		a := s.Actions[name]
		fmt.Fprintf(b, "  %-22s %d, %d errors\n", name, a.Count, a.Errors)
	}
	if t := s.Throughput; t != nil && s.LoadSeconds > 0 {
		fmt.Fprintf(b, "  %-22s %.2f of %.2f MB/s intended (%.2f %%)\n", "achieved",
			float64(t.BytesAchieved)/1e6/s.LoadSeconds, float64(t.BytesIntended)/1e6/s.LoadSeconds, 100*t.Ratio)
	}
	if n := s.Counters["bytes_sent"]; n > 0 {
		fmt.Fprintf(b, "  %-22s %.1f MB sent, %.1f MB received\n", "bytes", float64(n)/1e6, float64(s.Counters["bytes_received"])/1e6)
	}
	for _, name := range sortedKeys(s.Counters) {
		if n := s.Counters[name]; n != 0 && name != "bytes_sent" && name != "bytes_received" {
			fmt.Fprintf(b, "  %-22s %d\n", name, n)
		}
	}
	it := s.Iterations
	fmt.Fprintf(b, "  %-22s %d users, %d iterations: %d succeeded, %d failed", "runs", s.Users, it.Started, it.Succeeded, it.Failed)
	for _, n := range []struct {
		name  string
		count int64
	}{{"interrupted", it.Interrupted}, {"dropped", it.Dropped}, {"stuck", it.Stuck}, {"not ready", it.SetupFailed}} {
		if n.count > 0 {
			fmt.Fprintf(b, ", %d %s", n.count, n.name)
		}
	}
	b.WriteByte('\n')
	for _, t := range s.Thresholds {
		mark := "ok"
		if !t.Passed {
			mark = "BROKEN"
		}
		fmt.Fprintf(b, "  %-22s %s\n", "threshold "+mark, t.Message)
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(b, "  %-22s %s\n", "warning", w)
	}
	for _, f := range s.Failures[:min(3, len(s.Failures))] {
		fmt.Fprintf(b, "  %-22s user %d, %s: %s\n", "failure", f.User, f.Phase, f.Error)
		if f.Stack != "" {
			fmt.Fprintf(b, "%s\n", indent(f.Stack, "      "))
		}
	}
	if more := len(s.Failures) + s.MoreFailures - 3; more > 0 {
		fmt.Fprintf(b, "  %-22s %d more, in the result\n", "failures", more)
	}
}

func writeDistribution(b *strings.Builder, name string, d harness.Distribution) {
	if d.Count == 0 {
		return
	}
	fmt.Fprintf(b, "  %-22s", name)
	for _, v := range []float64{d.P50, d.P90, d.P95, d.P99, d.P999, d.Max} {
		fmt.Fprintf(b, " %8s", short(v))
	}
	b.WriteByte('\n')
}

// short prints seconds with three digits, as in "1.23ms".
func short(seconds float64) string {
	d := time.Duration(seconds * 1e9)
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// flagSet reports whether a boolean flag of the test binary is set.
func flagSet(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() == "true"
}
