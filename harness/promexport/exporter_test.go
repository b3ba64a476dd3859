package promexport_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/promexport"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	work       = harness.NewAction("work")
	dial       = harness.NewAction("dial")
	moved      = harness.NewCounter("moved")
	errRefused = errors.New("refused")
)

// everything is a configuration that uses all there is.
var everything = promexport.Config{
	Namespace: "x", Name: "TestX",
	Durations: []promexport.Duration{{
		Name: "work_seconds", Help: "Work.", Actions: map[string]string{"work": "w", "unheard_of": "u"},
		Service: true, Errors: "work_errors_total", ErrorsHelp: "Work in vain.",
	}},
	Counters: []promexport.Counter{{Name: "moved_things_total", Help: "Things.", Counter: "moved"}},
}

// person works, and every fourth time in vain.
type person struct{}

func (person) Setup(ctx context.Context, rec *harness.Recorder) error {
	return rec.Do(ctx, dial, func(context.Context) error { return nil })
}

func (person) Run(ctx context.Context, rec *harness.Recorder) error {
	rec.Add(moved, 3)
	return rec.Do(ctx, work, func(ctx context.Context) error {
		time.Sleep(100 * time.Millisecond) // of a bubble
		if rec.Iteration()%4 == 3 {
			return errRefused
		}
		return nil
	})
}

func plan(users int, observe func(harness.Snapshot)) harness.Plan {
	return harness.Plan{
		RunID: "ab12", Name: "TestX", OnSnapshot: observe, MaxFailures: 1 << 30,
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.ConstantArrivals(10, 4*time.Second, users),
			Runner: func(int) (harness.Runner, error) { return person{}, nil },
		}},
	}
}

func gather(t *testing.T, c prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(c))
	families, err := r.Gather()
	require.NoError(t, err)
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}

// value is that of the series with these label values, in the order of the
// labels' names.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) *dto.Metric {
	t.Helper()
	require.Contains(t, families, name)
series:
	for _, m := range families[name].Metric {
		require.Len(t, m.Label, len(labels), name)
		for i, l := range m.Label {
			if l.GetValue() != labels[i] {
				continue series
			}
		}
		return m
	}
	require.Fail(t, "no series", "%s%v: %v", name, labels, families[name])
	return nil
}

func TestScrapesSeeTheRunAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := promexport.New(everything)
		require.NoError(t, err)
		assert.Empty(t, gather(t, e), "there is nothing yet")
		var done []float64
		run, err := harness.Start(t.Context(), plan(5, func(s harness.Snapshot) {
			e.Observe(s)
			now := gather(t, e)
			assert.EqualValues(t, 1, value(t, now, "x_run_info", "TestX", "ab12", "running").GetGauge().GetValue())
			assert.EqualValues(t, 5, value(t, now, "x_users_ready", "people").GetGauge().GetValue())
			done = append(done, value(t, now, "x_iterations_total", "succeeded", "people").GetCounter().GetValue())
		}))
		require.NoError(t, err)
		res := run.Wait()
		require.GreaterOrEqual(t, len(done), 4)
		for i := 1; i < len(done); i++ {
			assert.GreaterOrEqual(t, done[i], done[i-1], "a counter that goes down is a restart")
		}
		e.Finish(res)
		e.Observe(harness.Snapshot{RunID: "late"}) // changes nothing any more
		end, s := gather(t, e), res.Scenarios[0]
		assert.EqualValues(t, 1, value(t, end, "x_run_info", "TestX", "ab12", string(res.Verdict)).GetGauge().GetValue())
		assert.Zero(t, value(t, end, "x_users", "people").GetGauge().GetValue())
		assert.EqualValues(t, 40, value(t, end, "x_iterations_started_total", "people").GetCounter().GetValue())
		assert.EqualValues(t, s.Iterations.Failed, value(t, end, "x_iterations_total", "failed", "people").GetCounter().GetValue())
		assert.EqualValues(t, s.Actions["work"].Errors, value(t, end, "x_action_errors_total", "work", "load", "people").GetCounter().GetValue())
		assert.EqualValues(t, s.Actions["work"].Errors, value(t, end, "x_work_errors_total", "w", "people").GetCounter().GetValue())
		assert.EqualValues(t, 120, value(t, end, "x_counted_total", "moved", "people").GetCounter().GetValue())
		assert.EqualValues(t, 120, value(t, end, "x_moved_things_total", "people").GetCounter().GetValue())
		assert.EqualValues(t, 5, value(t, end, "x_action_seconds", "dial", "setup", "people").GetHistogram().GetSampleCount())
		h := value(t, end, "x_work_seconds", "w", "people").GetHistogram()
		assert.Equal(t, s.Actions["work"].Count, h.GetSampleCount())
		assert.InEpsilon(t, 0.1*float64(h.GetSampleCount()), h.GetSampleSum(), 0.01, "seconds")
	})
}

func TestMetricsCostTheSameForAnyNumberOfUsers(t *testing.T) {
	var series []int
	for _, users := range []int{2, 200} {
		synctest.Test(t, func(t *testing.T) {
			e, err := promexport.New(everything)
			require.NoError(t, err)
			run, err := harness.Start(t.Context(), plan(users, e.Observe))
			require.NoError(t, err)
			e.Finish(run.Wait())
			n := 0
			for _, f := range gather(t, e) {
				n += len(f.Metric)
			}
			series = append(series, n)
		})
	}
	assert.Equal(t, series[0], series[1])
}

// recorded is the result of a scenario with one action of these durations.
func recorded(durations ...time.Duration) *harness.Result {
	var h histogram.Histogram
	for _, d := range durations {
		h.Record(d)
	}
	a := harness.ActionResult{Count: h.Count(), Errors: 2, Response: harness.Distribute(&h), Service: harness.Distribute(&h)}
	return &harness.Result{RunID: "ab12", Name: "TestX", Verdict: harness.Pass, Scenarios: []harness.ScenarioResult{{
		Name: "s", Iteration: a, Actions: map[string]harness.ActionResult{"work": a}, Setup: map[string]harness.ActionResult{"dial": a},
		Counters: map[string]int64{"moved": 7}, Lag: harness.Distribute(&h),
		Throughput: &harness.Throughput{BytesIntended: 10, BytesAchieved: 9, Ratio: 0.9},
	}}}
}

func TestMetricsAreAsPrometheusWantsThem(t *testing.T) {
	e, err := promexport.New(everything)
	require.NoError(t, err)
	e.Phase("load")
	e.Phase("disruption lose-replica")
	res := recorded(time.Millisecond)
	res.Scenarios[0].Connections = &harness.Connections{Count: 3, Lost: 2, Restored: 1}
	e.Finish(res)
	var families []*dto.MetricFamily
	for _, f := range gather(t, e) {
		families = append(families, f)
		assert.NotEmpty(t, f.GetHelp(), f.GetName())
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestBucketsHoldWhatWasMeasured(t *testing.T) {
	durations := []time.Duration{0, 5 * time.Nanosecond, 900 * time.Nanosecond, 99 * time.Microsecond, 101 * time.Microsecond,
		time.Millisecond / 2, 3 * time.Millisecond, 3 * time.Millisecond, 70 * time.Millisecond, 4 * time.Second, 11 * time.Minute}
	e, err := promexport.New(promexport.Config{})
	require.NoError(t, err)
	e.Finish(recorded(durations...))
	h := value(t, gather(t, e), "scaletest_action_seconds", "work", "load", "s").GetHistogram()
	assert.EqualValues(t, len(durations), h.GetSampleCount())
	sum := 0.0
	for _, d := range durations {
		sum += d.Seconds()
	}
	assert.InEpsilon(t, sum, h.GetSampleSum(), 0.004)

	require.Len(t, h.Bucket, len(promexport.DefaultBuckets))
	for _, b := range h.Bucket {
		var below uint64
		for _, d := range durations {
			if d.Seconds() <= b.GetUpperBound() {
				below++
			}
		}
		assert.Equal(t, below, b.GetCumulativeCount(), "up to %v s", b.GetUpperBound())
	}

	assert.EqualValues(t, 3, h.GetSchema())
	assert.EqualValues(t, 2, h.GetZeroCount())
	assert.InDelta(t, 8e-9, h.GetZeroThreshold(), 0)
	// The buckets, spelled out: spans say where, deltas how many.
	got := map[int]int64{}
	at, count, next := 0, int64(0), 0
	for _, span := range h.PositiveSpan {
		at += int(span.GetOffset())
		for range span.GetLength() {
			count += h.PositiveDelta[next]
			next++
			if count > 0 {
				got[at] = count
			}
			at++
		}
	}
	want := map[int]int64{}
	for _, d := range durations[2:] {
		want[int(math.Ceil(math.Log2(d.Seconds())*8))]++
	}
	assert.Equal(t, want, got)
}

func TestClassicBucketsCanBeLeftOut(t *testing.T) {
	e, err := promexport.New(promexport.Config{Buckets: []float64{}})
	require.NoError(t, err)
	e.Finish(recorded(time.Second))
	h := value(t, gather(t, e), "scaletest_lag_seconds", "s").GetHistogram()
	assert.Empty(t, h.Bucket)
	assert.NotEmpty(t, h.PositiveSpan)
}

func TestEverythingWrongWithAConfigurationIsSaid(t *testing.T) {
	_, err := promexport.New(promexport.Config{
		MaxNames: -1, Namespace: "Coder!", Buckets: []float64{0, 1, 1, math.NaN()},
		Durations: []promexport.Duration{{Name: "users", Help: "h", Actions: map[string]string{"a": "x", "b": "x"}}, {Name: "d_seconds"}},
		Counters:  []promexport.Counter{{Name: "c-total", Help: "h", Counter: "c"}, {Name: "n_total", Help: "h"}, {Name: "n_total", Help: "h", Counter: "c"}},
	})
	require.Error(t, err)
	for _, want := range []string{
		"MaxNames is -1", `Namespace is "Coder!"`, "Buckets[0] is 0", "Buckets[2] is 1", "Buckets[3] is NaN", `two metrics are named "users"`,
		`the duration "users" has two actions with the same label`, `a duration "d_seconds" has no Help`, `the duration "d_seconds" has no Actions`,
		`a counter is named "c-total"`, `the counter "n_total" is made of no Counter`, `two metrics are named "n_total"`,
	} {
		assert.ErrorContains(t, err, want)
	}
}
