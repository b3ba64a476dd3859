package harness_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
	"github.com/coderscale/scaletest/traffic/histogram"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample is a run with something of everything.
func sample(t *testing.T) *harness.Result {
	t.Helper()
	var res *harness.Result
	bubble(t, func(t *testing.T) {
		p := &pump{}
		plan := planOf(harness.Arrivals{Shape: traffic.Every(700 * time.Millisecond), Duration: 3 * time.Second, VirtualUsers: 4}, fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				if rec.User() == 0 {
					rec.Observe(p)
				}
				return rec.Do(ctx, second, func(context.Context) error { time.Sleep(20 * time.Millisecond); return nil })
			},
			run: func(ctx context.Context, rec *harness.Recorder) error {
				rec.Warn("a remark about the numbers")
				if rec.Intended().Sub(p.begun()) == 1400*time.Millisecond {
					rec.Logf("about to fail")
					return errBroken
				}
				p.send(100, 5*time.Millisecond)
				return takes(250*time.Millisecond).Run(ctx, rec)
			},
			cleanup: func(context.Context) error { return nil },
		}, harness.P99("work").Below(time.Second), harness.P99("never").Below(time.Second), harness.Rate("errors").Below(0.01))
		plan.Name, plan.MaxFailures = "a sample", 0
		plan.Scenarios[0].SetupAtATime = 4
		plan.Target = map[string]string{"version": "v2.37.0"}
		plan.Configuration = map[string]string{"CONNS": "4"}
		plan.OnPhase = func(phase string) {
			if phase == "load" {
				p.epoch = time.Now()
			}
		}
		res = run(t, plan)
	})
	return res
}

// normalise replaces what differs from machine to machine.
func normalise(t *testing.T, res *harness.Result) []byte {
	t.Helper()
	res.Generator = harness.Generator{Go: "go1.26", OS: "linux", Arch: "amd64", CPUs: 2, GOMAXPROCS: 2}
	for i := range res.Scenarios {
		s := &res.Scenarios[i]
		for j := range s.Timeline {
			s.Timeline[j].CPU = 0
		}
		for j := range s.Failures {
			s.Failures[j].User = 0 // whoever was free
			s.Failures[j].Iteration = 0
		}
	}
	path := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, res.WriteFile(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

func TestResultIsTheGoldenOne(t *testing.T) {
	got := normalise(t, sample(t))
	golden := filepath.Join("testdata", "result.golden.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run with -update, and think of the schema version")
}

func TestNothingInAResultIsNull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, planOf(harness.AllAtOnce(1), fake{setup: func(context.Context, *harness.Recorder) error { return errBroken }}))
		text, err := json.Marshal(wait(t, r))
		require.NoError(t, err)
		require.NotContains(t, string(text), "null")
	})
}

func TestDistributionOfNothingIsZeroWithoutAHistogram(t *testing.T) {
	require.Equal(t, harness.Distribution{}, harness.Distribute(&histogram.Histogram{}))
}

func TestDistributionHoldsTheUsualPercentilesInSeconds(t *testing.T) {
	var h histogram.Histogram
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	d := harness.Distribute(&h)
	for want, got := range map[float64]float64{0.001: d.Min, 0.5: d.P50, 0.9: d.P90, 0.95: d.P95, 0.99: d.P99, 0.999: d.P999, 1: d.Max, 0.5005: d.Mean} {
		within(t, want, got, 0.01, "%v", want)
	}
	require.EqualValues(t, 1000, d.Count)
}

func TestErrorsOfAResultAreThoseOfTheThreshold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(10).Hold(10*time.Second), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if rec.User() < 2 { // without an action
				_ = sleep(ctx, time.Second)
				return errBroken
			}
			return rec.Do(ctx, work, func(ctx context.Context) error {
				_ = sleep(ctx, time.Second)
				if rec.User() < 5 {
					return errBroken
				}
				return nil
			})
		}), harness.Count("errors").AtLeast(0), harness.Count("errors").In(harness.WarmUp).AtLeast(0))
		p.Scenarios[0].WarmUp = 4500 * time.Millisecond
		s := run(t, p).Scenarios[0]
		require.EqualValues(t, s.Errors, *s.Thresholds[0].Value)
		require.EqualValues(t, s.WarmUp.Errors, *s.Thresholds[1].Value)
		require.EqualValues(t, 5*10, s.Errors+s.WarmUp.Errors)
		require.Greater(t, s.Errors, s.WarmUp.Errors)
	})
}
