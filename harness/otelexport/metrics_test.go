package otelexport_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
)

// meters is a collector of metrics.
type meters struct {
	*httptest.Server
	mu       sync.Mutex
	code     int
	refuse   int // how many get that code; 0 is all
	paths    []string
	resource map[string]string
	exports  []map[string]*otlp.Metric // by name
	arrived  chan struct{}             // one for each
}

func collectMetrics(t *testing.T) *meters {
	t.Helper()
	r := &meters{code: http.StatusOK, resource: map[string]string{}, arrived: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body io.Reader = req.Body
		if req.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(req.Body); !assert.NoError(t, err) {
				return
			}
		}
		b, err := io.ReadAll(body)
		assert.NoError(t, err)
		var batch collector.ExportMetricsServiceRequest
		assert.NoError(t, proto.Unmarshal(b, &batch))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paths = append(r.paths, req.Method+" "+req.URL.Path+" "+req.Header.Get("Authorization"))
		export := map[string]*otlp.Metric{}
		for _, rm := range batch.ResourceMetrics {
			for _, a := range rm.Resource.Attributes {
				r.resource[a.Key] = a.Value.GetStringValue()
			}
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					export[m.Name] = m
				}
			}
		}
		r.exports = append(r.exports, export)
		if r.refuse == 0 || len(r.exports) <= r.refuse {
			w.WriteHeader(r.code)
		}
		r.arrived <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

// meter makes an exporter by these variables.
func meter(t *testing.T, set ...string) *otelexport.Metrics {
	t.Helper()
	environment(t, set...)
	m, err := otelexport.MetricsFromEnv(t.Context(), otelexport.Options{Name: "TestX", Attributes: map[string]string{"scaletest.version": "v2.37.0"}})
	require.NoError(t, err)
	return m
}

// runMetered is a run with one scenario.
func runMetered(t *testing.T, m *otelexport.Metrics, tr harness.Tracer) *harness.Result {
	t.Helper()
	run, err := harness.Start(t.Context(), harness.Plan{
		RunID: "ab12", Name: "TestX", Tracer: tr, MaxFailures: 1, MaxLag: time.Hour, OnSnapshot: m.Observe, OnPhase: m.Phase,
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.ConstantArrivals(100, 30*time.Millisecond, 1),
			Runner: func(int) (harness.Runner, error) { return person{}, nil },
		}},
	})
	require.NoError(t, err)
	res := run.Wait()
	m.Finish(res)
	return res
}

// with reports whether a point has these attributes, as key and value.
func with(of []*common.KeyValue, want ...string) bool {
	has := map[string]string{}
	for _, a := range of {
		has[a.Key] = a.Value.GetStringValue()
	}
	for i := 0; i < len(want); i += 2 {
		if has[want[i]] != want[i+1] {
			return false
		}
	}
	return true
}

// number is the point with these attributes.
func number(t *testing.T, m *otlp.Metric, want ...string) int64 {
	t.Helper()
	require.NotNil(t, m)
	for _, p := range m.GetSum().GetDataPoints() {
		if with(p.Attributes, want...) {
			return p.GetAsInt()
		}
	}
	require.Fail(t, "no point", "%v: %v", want, m)
	return 0
}

func powers(t *testing.T, m *otlp.Metric, want ...string) *otlp.ExponentialHistogramDataPoint {
	t.Helper()
	require.NotNil(t, m)
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		if with(p.Attributes, want...) {
			return p
		}
	}
	require.Fail(t, "no point", "%v: %v", want, m)
	return nil
}

func TestCollectorGetsTheNumbersOfTheRun(t *testing.T) {
	r := collectMetrics(t)
	m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=hunter2", "OTEL_RESOURCE_ATTRIBUTES=team=scale",
		"OTEL_METRIC_EXPORT_INTERVAL=3600000", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip")
	res := runMetered(t, m, nil)
	require.NoError(t, m.Shutdown(t.Context()))
	require.Equal(t, []string{"POST /v1/metrics hunter2"}, r.paths, "the end is sent without waiting for its turn")
	assert.Equal(t, "scaletest", r.resource["service.name"])
	assert.NotEmpty(t, r.resource["service.instance.id"], "or two generators would be one")
	assert.Equal(t, "v2.37.0", r.resource["scaletest.version"])
	assert.Equal(t, "scale", r.resource["team"])

	end := r.exports[0]
	for name, m := range end {
		assert.NotEmpty(t, m.Description, name)
		assert.NotEmpty(t, m.Unit, name)
	}
	assert.EqualValues(t, 1, number(t, end["scaletest.run.info"], "scaletest.run_id", "ab12", "test.case.name", "TestX", "scaletest.verdict", string(res.Verdict)))
	assert.EqualValues(t, 1, number(t, end["scaletest.run.phase"], "scaletest.phase", "done"))
	assert.EqualValues(t, 0, number(t, end["scaletest.run.phase"], "scaletest.phase", "load"))
	s := res.Scenarios[0]
	assert.EqualValues(t, 3, number(t, end["scaletest.iteration.started"], "scaletest.scenario", "people"))
	assert.EqualValues(t, 1, number(t, end["scaletest.iteration.ended"], "scaletest.result", "failed"))
	assert.EqualValues(t, 1, number(t, end["scaletest.action.failed"], "scaletest.action", "work", "scaletest.phase", "load"))
	assert.EqualValues(t, 1, number(t, end["scaletest.user.ready"]))
	assert.True(t, end["scaletest.iteration.started"].GetSum().IsMonotonic)
	assert.Equal(t, otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, end["scaletest.iteration.started"].GetSum().AggregationTemporality)
	assert.False(t, end["scaletest.user.ready"].GetSum().IsMonotonic)

	took := powers(t, end["scaletest.action.duration"], "scaletest.scenario", "people", "scaletest.phase", "load", "scaletest.action", "work")
	assert.Equal(t, s.Actions["work"].Count, took.Count)
	assert.Equal(t, s.Actions["work"].Response.Histogram.Max().Seconds(), took.GetMax(), "seconds")
	assert.Less(t, took.StartTimeUnixNano, took.TimeUnixNano)
	assert.Equal(t, "s", end["scaletest.action.duration"].Unit)
	assert.NotNil(t, powers(t, end["scaletest.lag.duration"]))
}

func TestNumbersGoOutWhileTheRunGoesOn(t *testing.T) {
	r := collectMetrics(t)
	m := meter(t, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="+r.URL+"/custom", "OTEL_METRIC_EXPORT_INTERVAL=1")
	m.Phase("setup")
	<-r.arrived
	require.NoError(t, m.Shutdown(t.Context()))
	assert.Equal(t, "POST /custom ", r.paths[0])
	assert.EqualValues(t, 1, number(t, r.exports[0]["scaletest.run.phase"], "scaletest.phase", "setup"))
}

func TestThereIsNothingToSendBeforeTheRun(t *testing.T) {
	r := collectMetrics(t)
	m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL)
	require.NoError(t, m.Shutdown(t.Context()))
	assert.Empty(t, r.paths)
}

func TestDeltasAddUpToTheSums(t *testing.T) {
	for _, preference := range []string{"delta", "lowmemory"} {
		r := collectMetrics(t)
		m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_METRIC_EXPORT_INTERVAL=1",
			"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="+preference)
		res := runMetered(t, m, nil)
		<-r.arrived
		require.NoError(t, m.Shutdown(t.Context()))
		var started, ready int64
		var count, starts uint64
		for _, e := range r.exports {
			if e["scaletest.iteration.started"] == nil {
				continue
			}
			started += number(t, e["scaletest.iteration.started"])
			ready = number(t, e["scaletest.user.ready"])
			assert.Equal(t, otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, e["scaletest.iteration.started"].GetSum().AggregationTemporality)
			assert.Equal(t, otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, e["scaletest.user.ready"].GetSum().AggregationTemporality)
			for _, p := range e["scaletest.action.duration"].GetExponentialHistogram().GetDataPoints() {
				if with(p.Attributes, "scaletest.phase", "load") {
					count += p.Count
					assert.Greater(t, p.StartTimeUnixNano, starts, "each begins where the last one ended")
					starts = p.StartTimeUnixNano
				}
			}
		}
		assert.EqualValues(t, 3, started)
		assert.Equal(t, res.Scenarios[0].Actions["work"].Count, count)
		assert.EqualValues(t, 1, ready, "what goes up and down is no delta")
	}
}

func TestCollectorsThatTakeNoPowersGetBounds(t *testing.T) {
	r := collectMetrics(t)
	m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram")
	res := runMetered(t, m, nil)
	require.NoError(t, m.Shutdown(t.Context()))
	points := r.exports[len(r.exports)-1]["scaletest.iteration.duration"].GetHistogram().GetDataPoints()
	require.Len(t, points, 1)
	assert.EqualValues(t, res.Scenarios[0].Iterations.Succeeded, points[0].Count)
	assert.Len(t, points[0].BucketCounts, len(points[0].ExplicitBounds)+1)
}

func TestExemplarsOfMetricsLeadToSpansThatWereExported(t *testing.T) {
	r := collectMetrics(t)
	m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL)
	spans := tracetest.NewInMemoryExporter()
	runMetered(t, m, otelexport.NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sdktrace.AlwaysSample()))))
	require.NoError(t, m.Shutdown(t.Context()))
	known := map[string]string{}
	for _, s := range spans.GetSpans() {
		known[s.SpanContext.SpanID().String()] = s.SpanContext.TraceID().String() + s.Name
	}
	took := powers(t, r.exports[len(r.exports)-1]["scaletest.action.duration"], "scaletest.phase", "load")
	require.NotEmpty(t, took.Exemplars)
	for _, e := range took.Exemplars {
		assert.Equal(t, hex.EncodeToString(e.TraceId)+"work", known[hex.EncodeToString(e.SpanId)])
	}
}

func TestExportsThatAreLostAreCounted(t *testing.T) {
	r := collectMetrics(t)
	r.code = http.StatusNotFound // a collector of traces alone
	m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_METRIC_EXPORT_INTERVAL=3600000")
	runMetered(t, m, nil)
	err := m.Shutdown(t.Context())
	require.ErrorContains(t, err, "export metrics: 1 of 1 exports were lost, the final one among them: ")
	require.ErrorContains(t, err, "404")
	require.ErrorContains(t, err, "set OTEL_METRICS_EXPORTER=none")
	require.NotContains(t, err.Error(), "\n")
}

func TestSumsThatArriveInTheEndAreWhole(t *testing.T) {
	for preference, want := range map[string]string{"cumulative": "but not the final one, which has all sums", "delta": "and what they had counted"} {
		r := collectMetrics(t)
		r.code, r.refuse = http.StatusBadRequest, 1
		m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_METRIC_EXPORT_INTERVAL=1",
			"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="+preference)
		m.Phase("setup")
		<-r.arrived
		<-r.arrived // so it knows what became of the first
		require.ErrorContains(t, m.Shutdown(t.Context()), want)
	}
}

func TestShutdownOfMetricsHasADeadline(t *testing.T) {
	for every, lost := range map[string]string{"3600000": "1 of 1", "1": "2 of 2"} {
		release, arrived := make(chan struct{}), make(chan struct{}, 10)
		hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-release
		}))
		m := meter(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+hangs.URL, "OTEL_METRIC_EXPORT_INTERVAL="+every)
		m.Phase("setup")
		if every == "1" {
			<-arrived // one is under way, which must not take all the time there is
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		assert.ErrorContains(t, m.Shutdown(ctx), "export metrics: "+lost+" exports were lost, the final one among them: ")
		cancel()
		assert.NoError(t, m.Shutdown(t.Context()), "it was said")
		close(release)
		hangs.Close()
	}
}

func TestNobodyAsksForMetrics(t *testing.T) {
	for _, c := range []struct {
		set    []string
		force  bool
		wanted bool
	}{
		{nil, false, false},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318"}, false, false},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_SDK_DISABLED=true"}, true, false},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_METRICS_EXPORTER=none"}, true, false},
		{[]string{"OTEL_METRICS_EXPORTER=prometheus"}, false, false},
		{[]string{"OTEL_METRICS_EXPORTER=otlp"}, false, true},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"}, false, true},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://localhost:4318"}, false, true},
		{nil, true, true},
	} {
		environment(t, c.set...)
		m, err := otelexport.MetricsFromEnv(t.Context(), otelexport.Options{Force: c.force})
		require.NoError(t, err, c.set)
		assert.Equal(t, c.wanted, m != nil, "%v", c.set)
		if m == nil { // a plan may have its methods all the same
			m.Observe(harness.Snapshot{})
			m.Phase("load")
			m.Finish(&harness.Result{})
		}
		assert.NoError(t, m.Shutdown(t.Context()), "there was nothing to send")
	}
}

func TestWhatMetricsCannotDoIsSaidAtOnce(t *testing.T) {
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc", "OTEL_METRICS_EXPORTER=console",
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=monthly", "OTEL_METRIC_EXPORT_INTERVAL=10s",
		"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=pie")
	_, err := otelexport.MetricsFromEnv(t.Context(), otelexport.Options{})
	require.Error(t, err)
	for _, want := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT is not a URL such as http://localhost:4318", `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL is "grpc", want http/protobuf`,
		`OTEL_METRICS_EXPORTER is "console", want otlp or none`, `_TEMPORALITY_PREFERENCE is "monthly", want one of cumulative, delta, lowmemory`,
		`OTEL_METRIC_EXPORT_INTERVAL is "10s", want milliseconds such as 10000`, `_AGGREGATION is "pie", want one of `,
	} {
		assert.ErrorContains(t, err, want)
	}
}
