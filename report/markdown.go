package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Markdown writes results as tables of GitHub's Markdown, for the summary of a
// job or a comment on a pull request: the verdict with its reasons, and for each
// scenario its actions, thresholds and first failures. Whatever comes from
// elsewhere, such as an error's text, is shown as it is and can't format.
func Markdown(w io.Writer, results ...*harness.Result) error {
	var b strings.Builder
	for i, res := range results {
		if i > 0 {
			b.WriteByte('\n')
		}
		name := res.Name
		if name == "" {
			name = res.RunID
		}
		fmt.Fprintf(&b, "## %s: %s\n\n", plain(name), strings.ToUpper(string(res.Verdict)))
		for _, reason := range res.Reasons {
			fmt.Fprintf(&b, "- %s\n", plain(reason))
		}
		if len(res.Reasons) > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Run `%s`, %s, %s%s.\n", code(res.RunID), res.StartedAt.UTC().Format(time.RFC3339),
			duration(res.Seconds).Round(time.Millisecond), plain(against(res.Target)))
		for i := range res.Scenarios {
			markdownScenario(&b, &res.Scenarios[i])
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

func against(target map[string]string) string {
	where := target["url"]
	if target["embedded"] == "true" {
		where = "the embedded deployment"
	}
	if where == "" {
		return ""
	}
	if v := target["version"]; v != "" {
		where += " (" + v + ")"
	}
	return ", against " + where
}

func markdownScenario(b *strings.Builder, s *harness.ScenarioResult) {
	fmt.Fprintf(b, "\n### %s\n\n%s, load on for %.1fs\n\n", plain(s.Name), plain(s.Schedule), s.LoadSeconds)
	b.WriteString("| response times | done | failed | p50 | p90 | p99 | max |\n|---|---:|---:|---:|---:|---:|---:|\n")
	row := func(name string, done uint64, failed int64, d harness.Distribution) {
		fmt.Fprintf(b, "| %s | %d | %d |", plain(name), done, failed)
		for _, v := range []float64{d.P50, d.P90, d.P99, d.Max} {
			if d.Count == 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(b, " %s |", short(v))
		}
		b.WriteByte('\n')
	}
	for _, name := range sorted(s.Actions) {
		row(name, s.Actions[name].Count, s.Actions[name].Errors, s.Actions[name].Response)
	}
	for _, name := range sorted(s.Setup) {
		row(name+" (before the load)", s.Setup[name].Count, s.Setup[name].Errors, s.Setup[name].Response)
	}
	row("the generator's lag", s.Lag.Count, 0, s.Lag)
	it := s.Iterations
	fmt.Fprintf(b, "\n%d users, %d iterations: %d succeeded, %d failed, %d interrupted, %d dropped, %d stuck; %d users not ready.\n",
		s.Users, it.Started, it.Succeeded, it.Failed, it.Interrupted, it.Dropped, it.Stuck, it.SetupFailed)
	if t := s.Throughput; t != nil {
		fmt.Fprintf(b, "\n%.2f of %.2f MB sent (%.2f %%).\n", float64(t.BytesAchieved)/1e6, float64(t.BytesIntended)/1e6, 100*t.Ratio)
	}
	if len(s.Thresholds) > 0 {
		b.WriteString("\n| threshold | holds | |\n|---|---|---|\n")
		for _, t := range s.Thresholds {
			holds, why := "yes", ""
			if !t.Passed {
				holds, why = "**no**", t.Message
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", plain(t.Threshold), holds, plain(why))
		}
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(b, "\nWarning: %s\n", plain(w))
	}
	shown := s.Failures[:min(shownFailures, len(s.Failures))]
	if len(shown) > 0 {
		b.WriteString("\nFailed runs:\n\n")
	}
	for _, f := range shown {
		fmt.Fprintf(b, "- user %d, iteration %d, %s: %s\n", f.User, f.Iteration, plain(f.Phase), plain(f.Error))
	}
	if more := len(s.Failures) + s.MoreFailures - len(shown); more > 0 {
		fmt.Fprintf(b, "- %d more, in the result\n", more)
	}
}

// special are the characters that format, or that end a cell.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "#", `\#`, "~", `\~`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;",
)

func plain(text string) string { return special.Replace(oneLine(text)) }

func code(text string) string { return strings.ReplaceAll(oneLine(text), "`", "'") }

// short prints seconds with three digits, as in "1.23ms".
func short(seconds float64) string {
	d := duration(seconds)
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
