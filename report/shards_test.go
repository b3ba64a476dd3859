package report_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// merged is a result of four shards out of five: one had its load late and another
// one none.
func merged() *harness.Result {
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	load := func(at float64) []harness.PhaseMark {
		return []harness.PhaseMark{{Name: "setup"}, {Name: "load", At: at}}
	}
	return &harness.Result{
		SchemaVersion: harness.SchemaVersion, RunID: "r", Verdict: harness.Invalid, Reasons: []string{"shard 5/5 is missing"},
		StartedAt: began, EndedAt: began.Add(time.Minute), Target: map[string]string{}, Configuration: map[string]string{},
		Shards: []harness.ShardResult{
			{Shard: "1/5", StartedAt: began, Verdict: harness.Pass, Phases: load(10), LagP99: map[string]float64{"a": 0.001, "b": 0.003},
				Clock: &harness.Clock{Offset: -1.25, Uncertainty: 0.004}, Generator: harness.Generator{GOMAXPROCS: 4, Watch: &harness.SelfWatch{CPU: 1.5}}},
			{Shard: "2/5", StartedAt: began.Add(time.Second), Verdict: harness.Pass, Phases: load(9.012), Clock: &harness.Clock{Uncertainty: 0.006}},
			{Shard: "3/5", StartedAt: began, Verdict: harness.Error, Phases: []harness.PhaseMark{{Name: "setup"}}},
			{Shard: "4/5", StartedAt: began, Verdict: harness.Invalid, Partial: true, Phases: load(10.001)},
		},
	}
}

func TestAShardsReportLeavesThresholdsToTheWhole(t *testing.T) {
	res := passed()
	res.Shard = "1/3"
	s := &res.Scenarios[0]
	s.Users = 10
	value := 0.5
	s.Thresholds = []harness.ThresholdResult{{Threshold: "echo: p(99)<1ms", Value: &value, Undecided: true, Message: "echo: p(99)<1ms is decided over all shards: here it is 500ms"}}
	var text, page, junit, markdown bytes.Buffer
	require.NoError(t, report.Text(&text, res, report.TextOptions{}))
	require.NoError(t, report.HTML(&page, res))
	require.NoError(t, report.Write(&junit, "junit", res))
	require.NoError(t, report.Write(&markdown, "markdown", res))
	assert.Contains(t, text.String(), s.Schedule+" in all shards, 10 users in 1/3, load on for ")
	assert.Contains(t, text.String(), "verdict     PASS: this shard has done its part; what all of them have done\n            together decides\n")
	for name, said := range map[string]string{"text": text.String(), "HTML": page.String(), "JUnit": junit.String(), "Markdown": markdown.String()} {
		assert.Contains(t, said, "decided over all shards", name)
		assert.NotContains(t, said, "BROKEN", name)
		assert.NotContains(t, said, "every threshold holds", name)
	}
	assert.Contains(t, junit.String(), "<skipped message=\"echo: p(99)&lt;1ms is decided over all shards")
	assert.NotContains(t, page.String(), `class="broken"`)
	assert.NotContains(t, junit.String(), "<failure")
}

func TestReportsSayWhichShardsARunIsMadeOf(t *testing.T) {
	var text, page bytes.Buffer
	require.NoError(t, report.Text(&text, merged(), report.TextOptions{}))
	assert.Contains(t, text.String(), "\nshards      4 of 5, whose loads began within 12ms of each other (their\n            clocks were compared to 6ms)\n")
	require.NoError(t, report.HTML(&page, merged()))
	for _, row := range []string{
		`<th scope="row">1/5</th><td>pass</td><td>&#43;0s</td><td>&#43;1.250 s, within 4ms</td><td>3ms</td><td>1.5 of 4</td>`,
		`<th scope="row">2/5</th><td>pass</td><td>&#43;12ms</td><td>&#43;0.000 s, within 6ms</td><td>0s</td><td>unknown</td>`,
		`<th scope="row">3/5</th><td>error</td><td>no load</td><td>not compared</td>`,
		`<th scope="row">4/5</th><td>partial</td><td>&#43;1ms</td>`,
	} {
		assert.Contains(t, page.String(), row)
	}
	whole := merged()
	whole.Shards = nil
	text.Reset()
	require.NoError(t, report.Text(&text, whole, report.TextOptions{}))
	assert.NotContains(t, text.String(), "shards ")
}
