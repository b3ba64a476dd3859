package compare_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/compare"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write what the golden files should hold")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	assert.Equal(t, string(want), got, "if that is better, -update")
}

// runs are n results whose echo takes about so long.
func runs(n int, version string, echo time.Duration, seed uint64) (out []*harness.Result) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		var h histogram.Histogram
		around := float64(echo) * (0.98 + 0.04*rng.Float64())
		for range 2000 {
			h.Record(time.Duration(around * (0.5 + rng.ExpFloat64()/4)))
		}
		errors := int64(rng.IntN(3))
		out = append(out, &harness.Result{
			Name: "TestTerminals", RunID: fmt.Sprintf("%s-%d", version, i), Verdict: harness.Pass, StartedAt: time.Date(2026, 11, 25, 8, i, 0, 0, time.UTC),
			Target: map[string]string{"version": version}, Configuration: map[string]string{"CODER_SCALETEST_DURATION": "1m", "CODER_SCALETEST_SEED": fmt.Sprint(i)},
			Generator: harness.Generator{OS: "linux", Arch: "amd64", CPUs: 2, GOMAXPROCS: 2, Go: "go1.26"},
			Scenarios: []harness.ScenarioResult{{
				Name: "terminals", Schedule: "200 users at once for 1m0s", Users: 200, LoadSeconds: 60, Errors: errors,
				Iterations:  harness.Iterations{Started: 200, Succeeded: 200},
				Actions:     map[string]harness.ActionResult{"echo": {Count: h.Count(), Errors: errors, Response: harness.Distribute(&h), Service: harness.Distribute(&h)}, "reconnect": {}},
				Setup:       map[string]harness.ActionResult{"terminal_open": {Count: h.Count(), Response: harness.Distribute(&h)}},
				Throughput:  &harness.Throughput{BytesIntended: 100, BytesAchieved: 100, Ratio: 1},
				Connections: &harness.Connections{Count: 200},
			}},
		})
	}
	return out
}

func gates(t *testing.T, texts ...string) (out []compare.Gate) {
	t.Helper()
	for _, text := range texts {
		g, err := compare.ParseGate(text)
		require.NoError(t, err)
		out = append(out, g)
	}
	return out
}

func compared(t *testing.T, old, now []*harness.Result, o compare.Options) *compare.Comparison {
	t.Helper()
	c, err := compare.Compare(old, now, o)
	require.NoError(t, err)
	return c
}

func text(t *testing.T, c *compare.Comparison) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.Text(&b))
	return b.String()
}

func TestComparisonsReadWell(t *testing.T) {
	slower := runs(6, "v2.37.0", 26*time.Millisecond, 2)
	slower[0].Configuration["CODER_SCALETEST_TARGET_WORKSPACES"] = "0:200"
	c := compared(t, runs(6, "v2.26.0", 20*time.Millisecond, 1), slower, compare.Options{Gates: gates(t, "p99 > +10%", "echo p50 > +100ms", "errors > +0.5")})
	golden(t, "slower.txt", text(t, c))
	var md bytes.Buffer
	require.NoError(t, c.Markdown(&md))
	golden(t, "slower.md", md.String())
	c = compared(t, runs(2, "v2.26.0", 20*time.Millisecond, 1), runs(3, "v2.37.0", 26*time.Millisecond, 2), compare.Options{Gates: gates(t, "p99 > +10%")})
	golden(t, "few.txt", text(t, c))
	for line := range strings.SplitSeq(text(t, c), "\n") {
		assert.LessOrEqual(t, len([]rune(line)), 76)
	}
}

func TestADifferenceIsFoundAndTripsItsGateOnly(t *testing.T) {
	old, now := runs(6, "a", 20*time.Millisecond, 1), runs(6, "b", 26*time.Millisecond, 2)
	for gate, want := range map[string]compare.Outcome{
		"p99 > +10%": compare.Tripped, "p99 > +60%": compare.Holds, "echo p50 > +2ms": compare.Tripped, "terminals/echo p50 > +20ms": compare.Holds,
		"p99 < -10%": compare.Holds, "errors > +50%": compare.Holds, "throughput < -1%": compare.Holds, "rate < -1%": compare.Holds,
		"other/p99 > +10%":               compare.Tripped, // there is nothing of it, which must not pass for good
		"terminal_open setup p99 > +10%": compare.Tripped,
	} {
		c := compared(t, old, now, compare.Options{Gates: gates(t, gate)})
		assert.Equal(t, want, c.Gates[0].Outcome, "%s: %s", gate, c.Gates[0].Message)
		assert.Equal(t, want == compare.Tripped, c.Err() != nil)
		if want == compare.Tripped {
			require.ErrorIs(t, c.Err(), compare.ErrTripped)
		}
	}
	c := compared(t, now, old, compare.Options{Gates: gates(t, "p99 < -10%")})
	require.ErrorIs(t, c.Err(), compare.ErrTripped)
	for _, r := range c.Rows {
		assert.Equal(t, r.Metric.Unit == compare.Seconds, r.Improved(), r.Metric)
		assert.False(t, r.Worse())
	}
}

func TestTooFewRunsAreNoGuess(t *testing.T) {
	for _, n := range []struct {
		old, now int
		enough   bool
	}{{1, 1, false}, {3, 3, false}, {3, 4, false}, {4, 4, true}, {3, 5, true}, {2, 5, false}, {2, 8, true}, {1, 30, false}} {
		c := compared(t, runs(n.old, "a", 20*time.Millisecond, 1), runs(n.now, "b", 200*time.Millisecond, 2), compare.Options{Gates: gates(t, "p99 > +10%")})
		assert.Equal(t, n.enough, c.Enough(), "%+v", n)
		if n.enough {
			assert.Equal(t, compare.Tripped, c.Gates[0].Outcome, "%+v", n)
			continue
		}
		require.ErrorIs(t, c.Err(), compare.ErrUndecided, "%+v", n)
		for _, r := range c.Rows {
			assert.False(t, r.Differs)
			assert.False(t, r.Worse())
		}
		assert.Contains(t, text(t, c), fmt.Sprintf("not enough runs: %d old and %d new", n.old, n.now))
		assert.Equal(t, 4, c.Wanted())
	}
}

func TestTheSameRunsDifferAsOftenAsAlphaSays(t *testing.T) {
	differs, all := 0, 0
	for seed := range uint64(150) {
		c := compared(t, runs(6, "a", 20*time.Millisecond, 2*seed+100), runs(6, "a", 20*time.Millisecond, 2*seed+101), compare.Options{})
		for _, r := range c.Rows {
			if r.Metric.String() == "echo p50" || r.Metric.String() == "errors" {
				all++
				if r.Differs {
					differs++
				}
			}
		}
	}
	assert.Less(t, float64(differs)/float64(all), 0.09, "%d of %d", differs, all)
}

func TestRunsThatSayNothingAreLeftOut(t *testing.T) {
	old, now := runs(6, "a", 20*time.Millisecond, 1), runs(6, "b", 20*time.Millisecond, 2)
	old[2].Verdict, now[0].Verdict, now[1].Verdict = harness.Invalid, harness.Interrupted, harness.Fail
	c := compared(t, old, now, compare.Options{})
	assert.Len(t, c.Old, 5)
	assert.Len(t, c.New, 5, "a broken threshold is a number like any other")
	assert.Len(t, c.Warnings, 2)
	assert.Contains(t, c.Warnings[0], "old run a-2 is left out: its verdict is invalid")
	assert.Len(t, compared(t, old, now, compare.Options{Doubtful: true}).Old, 6)
	for _, r := range old {
		r.Verdict = harness.Error
	}
	_, err := compare.Compare(old, now, compare.Options{})
	require.ErrorContains(t, err, "there is no old run whose numbers say something")
	_, err = compare.Compare(nil, now, compare.Options{Alpha: 2, Confidence: -1})
	require.ErrorContains(t, err, "Alpha is 2")
	require.ErrorContains(t, err, "Confidence is -1")
}

func TestWhatChangedIsToldAndNoiseIsNot(t *testing.T) {
	old, now := runs(4, "a", 20*time.Millisecond, 1), runs(4, "b", 20*time.Millisecond, 2)
	now[0].Configuration["CODER_SCALETEST_DURATION"] = "2m"
	for _, r := range now {
		r.Scenarios[0].Users = 400
		r.Generator.CPUs = 4
		r.Server = &harness.ServerResult{Facts: map[string]string{"replicas": "3"}}
	}
	var lines []string
	for _, c := range compared(t, old, now, compare.Options{}).Changes {
		lines = append(lines, c.String())
	}
	assert.Equal(t, []string{
		"CODER_SCALETEST_DURATION: 1m → 1m or 2m",
		"generator: linux/amd64, 2 CPUs, GOMAXPROCS 2, go1.26 → linux/amd64, 4 CPUs, GOMAXPROCS 2, go1.26",
		"server replicas: unset → 3",
		"target version: a → b",
		"users of terminals: 200 → 400",
	}, lines)
}

func TestScenariosOfOneSideOnlyAreWarnings(t *testing.T) {
	old, now := runs(4, "a", 20*time.Millisecond, 1), runs(4, "b", 20*time.Millisecond, 2)
	for _, r := range now {
		r.Scenarios[0].Name = "others"
	}
	c := compared(t, old, now, compare.Options{})
	assert.Empty(t, c.Rows)
	assert.Equal(t, []string{
		"the old runs have a scenario terminals, and no new one has", "the new runs have a scenario others, and no old one has",
		"nothing can be compared: the two sides have no scenario in common in which something was done",
	}, c.Warnings)
}

func TestGatesThatMakeNoSenseAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "want a metric, > + or < -, and a limit",
		"p99":              "want a metric",
		"p99 > 10%":        "want a metric, > + or < -",
		"p98 > +10%":       "want one of the metrics p50, ",
		"p99 > +10":        "want a share such as 10%, or a time such as 5ms",
		"errors > +5ms":    "want errors without a unit of time",
		"p99 > +1.2.3%":    "want a number for the limit",
		"p99 > -10%":       "want a metric",
		"a b c p99 > +10%": "want a metric",
	} {
		_, err := compare.ParseGate(text)
		require.ErrorContains(t, err, want, text)
	}
	for _, text := range []string{"p99 > +10%", "terminals/echo p99.9 < -5ms", "errors > +0.001", "login setup p50 > +1s", "terminals/iterations < -10%"} {
		g, err := compare.ParseGate(text)
		require.NoError(t, err)
		assert.Equal(t, text, g.String())
	}
	assert.Equal(t, "a/echo p99 > +10%", compare.Gate{Scenario: "a", Action: "echo", Metric: "p99", More: true, Limit: 0.1, Relative: true}.String())
	assert.Equal(t, "p50 < -5ms", compare.Gate{Metric: "p50", Limit: 0.005}.String())
}

func TestAPageOfAComparisonShowsBothSides(t *testing.T) {
	old, now := runs(6, "v2.26.0", 20*time.Millisecond, 1), runs(6, "v2.37.0", 26*time.Millisecond, 2)
	now[0].Configuration["<script>"] = "</script>"
	var b bytes.Buffer
	require.NoError(t, compared(t, old, now, compare.Options{Gates: gates(t, "p99 > +10%")}).HTML(&b))
	page := b.String()
	for _, want := range []string{"Percentiles of echo", `"label":"old"`, `"label":"new"`, "v2.26.0", "tripped", "worse", "target version", `<figure data-chart="s0-c0">`} {
		assert.Contains(t, page, want)
	}
	assert.Equal(t, 2, strings.Count(page, "</script>"))
}

func ExampleCompare() {
	before, after := runs(6, "v2.26.0", 20*time.Millisecond, 1), runs(6, "v2.37.0", 26*time.Millisecond, 2)
	gate, err := compare.ParseGate("p99 > +10%")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := compare.Compare(before, after, compare.Options{Gates: []compare.Gate{gate}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range c.Rows {
		if r.Worse() {
			fmt.Println(r.Metric, "is worse")
		}
	}
	fmt.Println(c.Gates[0].Outcome)
	// Output:
	// echo p50 is worse
	// echo p90 is worse
	// echo p99 is worse
	// echo p99.9 is worse
	// terminal_open setup p50 is worse
	// terminal_open setup p99 is worse
	// tripped
}

func FuzzParseGate(f *testing.F) {
	for _, text := range []string{"p99 > +10%", "terminals/echo p99.9 < -5ms", "errors > +0.001", "a/b setup p50 > +1s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := compare.ParseGate(text)
		if err != nil {
			return
		}
		again, err := compare.ParseGate(g.String())
		require.NoError(t, err)
		require.Equal(t, g, again)
	})
}
