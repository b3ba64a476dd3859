package harness_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestTextShowsTheEdgeWithItsEvidence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := find(t, harness.Search{Of: "arrivals/s", From: 1, To: 1000, Step: 0.5, Plan: func(load float64) (harness.Plan, error) {
			p := one(harness.ConstantArrivals(load, 20*time.Second, 200), doing(newDesk(5, 100*time.Millisecond).serve), harness.P99("work").Below(time.Second/2))
			p.Scenarios[0].Thresholds = append(p.Scenarios[0].Thresholds, harness.Rate("errors").Below(0.1))
			return p, nil
		}})
		require.Equal(t, ""+
			"limit       between 49.5 and 51.5 arrivals/s, 92 % certain\n"+
			"            found: the edge is as narrow as was asked for\n"+
			"holds       49.5 arrivals/s: 5 of 5 probes held\n"+
			"            s: work: p(99)<500ms: 100ms\n"+
			"breaks      51.5 arrivals/s: 5 of 5 probes broke, recovered within 10s\n"+
			"            s: work: p(99)<500ms: 696ms\n"+
			"searched    19 probes and 6 checks of the recovery in 11m24s\n", l.Text())

		// Without a side that broke, all thresholds are evidence.
		l.Breaks, l.Stopped, l.Reason = 0, harness.StopBudget, "the budget is spent"
		require.Contains(t, l.Text(), "s: errors: rate<0.1: 0\n")
	})
}

func TestTextFitsATerminal(t *testing.T) {
	l := harness.Limit{Of: "users", From: 1, To: 9, Stopped: harness.StopNotRecovered, Reason: strings.Repeat("it does not recover ", 20)}
	require.Contains(t, l.Text(), "not known: no load of 1 to 9 users")
	for line := range strings.Lines(l.Text()) {
		require.LessOrEqual(t, len(line), 77)
	}
}

func TestConfidenceIsNotRoundedUp(t *testing.T) {
	l := harness.Limit{Of: "users", Holds: 5, Confidence: 0.9999}
	require.Equal(t, "at least 5 users, 99 % certain", l.String())
	l.Confidence = 0.29 // times 100 that is a little less than 29
	require.Equal(t, "at least 5 users, 29 % certain", l.String())
}

func TestTextShowsARangeAndWhatHadNoSamples(t *testing.T) {
	low, high := 0.0123, 0.25
	probe := func(n int, value *float64) harness.Probe {
		return harness.Probe{Number: n, Load: 7, Outcome: harness.Held, Thresholds: []harness.ProbeThreshold{{
			Scenario: "s", ThresholdResult: harness.ThresholdResult{Threshold: "work: p(99)<250ms", Value: value, Passed: true},
		}}}
	}
	l := harness.Limit{Of: "users", Holds: 7, Probes: []harness.Probe{probe(1, &high), probe(2, nil), probe(3, &low)}}
	require.Contains(t, l.Text(), "s: work: p(99)<250ms: 12.3ms to 250ms, or no samples\n")
	l.Probes = l.Probes[1:2]
	require.Contains(t, l.Text(), "s: work: p(99)<250ms: no samples\n")
}

func TestLimitIsWrittenWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "limit.json")
	bubble(t, func(t *testing.T) {
		l := find(t, fragile(300, time.Minute).search(10, 5000))
		require.NoError(t, l.WriteFile(path))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var read harness.Limit
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, l.Text(), read.Text())
		require.Equal(t, len(l.Probes), len(read.Probes))
		require.Contains(t, string(text), `"threshold": "errors: rate<0.01"`)
		require.NotContains(t, string(text), "null", "a reader has to know absent lists")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	})
	require.ErrorContains(t, (&harness.Limit{}).WriteFile(filepath.Join(path, "x")), "write limit: ")
}
