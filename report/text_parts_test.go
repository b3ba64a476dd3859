package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/coderscale/scaletest/harness"
)

// tagged has actions with more tags than are shown, and with longer ones than fit.
func tagged(actions int) *harness.Result {
	res := mainJob()
	s := &res.Scenarios[0]
	s.Actions = map[string]harness.ActionResult{}
	for i := range actions {
		s.Actions[fmt.Sprintf("login%d", i)] = harness.ActionResult{
			Count: 50, Errors: 1, Response: spread(50, 20*time.Millisecond), Service: spread(50, 10*time.Millisecond),
			Tags: map[string]harness.ActionResult{
				"region=eu": {Count: 30, Errors: 1, Response: spread(30, 30*time.Millisecond)},
				"region=us": {Count: 20, Response: spread(20, 10*time.Millisecond)},
				"attempt=first,template=" + strings.Repeat("t", 64): {Count: 10, Response: spread(10, 10*time.Millisecond)},
			},
		}
	}
	return res
}

// watching is a generator on two cores.
func watching(w harness.SelfWatch) harness.Generator {
	w.Seconds, w.Wake = 10, spread(50, 2*time.Millisecond)
	return harness.Generator{CPUs: 2, GOMAXPROCS: 2, Watch: &w}
}

func TestSummaryOfTagsAndOfTheGeneratorReadsWell(t *testing.T) {
	res := tagged(1)
	res.Generator = watching(harness.SelfWatch{CPU: 1.93, CPUPeak: 2, LateWakes: 3, GCShare: 0.31, OwnErrors: 1, SnapshotsMissed: 2})
	golden(t, "text_parts.txt", summary(t, res, "result.json")+summary(t, tagged(3), "result.json"))
}

func TestSummaryWithTagsFitsATerminal(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		res := tagged(n)
		res.Generator = watching(harness.SelfWatch{CPU: 1.93, CPUPeak: 2, LateWakes: 3_000_000, GCShare: 0.31, OwnErrors: 1_000_000, SnapshotsMissed: 2_000_000})
		for line := range strings.SplitSeq(summary(t, res, "result.json"), "\n") {
			assert.LessOrEqual(t, len([]rune(line)), 76, "with the 4 that go test puts in front, more than 80: %s", line)
			assert.Equal(t, strings.TrimRight(line, " "), line, "blanks at the end")
		}
	}
}

func TestSummaryShowsEightSetsOfTagsAndCountsTheOthers(t *testing.T) {
	text := summary(t, tagged(3), "result.json")
	assert.Equal(t, 8, strings.Count(text, "{"))
	assert.Contains(t, text, "  and 1 more, in the result\n")
	text = summary(t, tagged(2), "result.json")
	assert.Equal(t, 6, strings.Count(text, "{"))
	assert.NotContains(t, text, "more, in the result")
}

func TestSummarySpeaksOfTheGeneratorOnlyWhenItIsNotable(t *testing.T) {
	for _, tt := range []struct {
		watch harness.SelfWatch
		want  string
	}{
		{harness.SelfWatch{}, ""},
		{harness.SelfWatch{CPU: 1.79, CPUPeak: 2, GCShare: 0.249, SamplesDropped: 1}, ""},
		{harness.SelfWatch{CPU: 1.8, CPUPeak: 1.9}, "used 1.8 of its 2 cores (1.9 in the busiest second)\n"},
		{harness.SelfWatch{LateWakes: 1}, "woken too late 1 of 50 times"},
		{harness.SelfWatch{GCShare: 0.25}, "25 % of its CPU for garbage collection"},
		{harness.SelfWatch{OwnErrors: 1}, "1 failure for want of something of this machine"},
		{harness.SelfWatch{SnapshotsMissed: 2}, "2 snapshots missed"},
	} {
		res := mainJob()
		res.Generator = watching(tt.watch)
		text := strings.Join(strings.Fields(summary(t, res, "result.json")), " ")
		assert.Equal(t, tt.want != "", strings.Contains(text, " generator used "), "%+v", tt.watch)
		assert.Contains(t, text, strings.TrimSpace(tt.want))
	}
	res := mainJob()
	res.Generator = harness.Generator{GOMAXPROCS: 2} // of a result of before
	assert.NotContains(t, summary(t, res, "result.json"), "\ngenerator ")
}
