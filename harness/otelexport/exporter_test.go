package otelexport_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a collector.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	code     int
	paths    []string
	resource map[string]string
	spans    []*otlp.Span
}

func collect(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{code: http.StatusOK, resource: map[string]string{}}
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
		var batch collector.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(b, &batch))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paths = append(r.paths, req.Method+" "+req.URL.Path+" "+req.Header.Get("Authorization"))
		if r.code == http.StatusOK {
			for _, rs := range batch.ResourceSpans {
				for _, a := range rs.Resource.Attributes {
					r.resource[a.Key] = a.Value.GetStringValue()
				}
				for _, ss := range rs.ScopeSpans {
					r.spans = append(r.spans, ss.Spans...)
				}
			}
		}
		w.WriteHeader(r.code)
	}))
	t.Cleanup(r.Close)
	return r
}

// environment unsets what OpenTelemetry reads, and sets some of it.
func environment(t *testing.T, set ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for _, kv := range set {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

var (
	work      = harness.NewAction("work")
	errBroken = errors.New("it is broken")
)

// person works; the second iteration is in vain.
type person struct{}

func (person) Setup(context.Context, *harness.Recorder) error { return nil }

func (person) Run(ctx context.Context, rec *harness.Recorder) error {
	return rec.Do(ctx, work, func(context.Context) error {
		if rec.Iteration() == 1 {
			return errBroken
		}
		return nil
	})
}

func (person) Cleanup(context.Context) error { return nil }

func runTraced(t *testing.T, tr harness.Tracer) *harness.Result {
	t.Helper()
	run, err := harness.Start(t.Context(), harness.Plan{
		RunID: "ab12", Name: "TestX", Tracer: tr, MaxFailures: 1, MaxLag: time.Hour,
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.ConstantArrivals(100, 30*time.Millisecond, 1),
			Runner: func(int) (harness.Runner, error) { return person{}, nil },
		}},
	})
	require.NoError(t, err)
	return run.Wait()
}

func attributesOf(s *otlp.Span) map[string]*common.AnyValue {
	out := map[string]*common.AnyValue{}
	for _, a := range s.Attributes {
		out[a.Key] = a.Value
	}
	return out
}

func TestCollectorGetsTheWholeRun(t *testing.T) {
	r := collect(t)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=hunter2", "OTEL_RESOURCE_ATTRIBUTES=team=scale")
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{Attributes: map[string]string{"scaletest.version": "v2.37.0"}})
	require.NoError(t, err)
	res := runTraced(t, e.Tracer())
	require.NoError(t, e.Shutdown(t.Context()))

	assert.Equal(t, "POST /v1/traces hunter2", r.paths[0])
	assert.Equal(t, "scaletest", r.resource["service.name"])
	assert.Equal(t, "v2.37.0", r.resource["scaletest.version"])
	assert.Equal(t, "scale", r.resource["team"])
	byName := map[string][]*otlp.Span{}
	for _, s := range r.spans {
		byName[s.Name] = append(byName[s.Name], s)
		assert.Equal(t, "ab12", attributesOf(s)["scaletest.run_id"].GetStringValue())
	}
	require.Len(t, byName["run TestX"], 1)
	require.Len(t, byName["scenario people"], 1)
	require.Len(t, byName["setup people"], 1)
	require.Len(t, byName["iteration people"], 3)
	require.Len(t, byName["work"], 3)
	require.Len(t, byName["cleanup people"], 1)
	root, scenario := byName["run TestX"][0], byName["scenario people"][0]
	assert.Empty(t, root.ParentSpanId)
	assert.Equal(t, root.SpanId, scenario.ParentSpanId)
	assert.Equal(t, root.TraceId, scenario.TraceId)

	traces := map[string]bool{string(root.TraceId): true}
	for _, s := range append(byName["iteration people"], byName["setup people"][0]) {
		assert.Empty(t, s.ParentSpanId)
		assert.False(t, traces[string(s.TraceId)], "a sampler can't choose it alone")
		traces[string(s.TraceId)] = true
		require.Len(t, s.Links, 1)
		assert.Equal(t, scenario.SpanId, s.Links[0].SpanId)
	}
	assert.Equal(t, root.SpanId, byName["cleanup people"][0].Links[0].SpanId)

	for _, s := range byName["iteration people"] {
		at := attributesOf(s)
		assert.Equal(t, "people", at["scaletest.scenario"].GetStringValue())
		assert.EqualValues(t, 0, at["scaletest.user"].GetIntValue())
		assert.Contains(t, at, "scaletest.lag_seconds")
		failed := at["scaletest.iteration"].GetIntValue() == 1
		if !failed {
			assert.Equal(t, otlp.Status_STATUS_CODE_UNSET, s.GetStatus().GetCode())
			continue
		}
		assert.Equal(t, otlp.Status_STATUS_CODE_ERROR, s.Status.Code)
		assert.Equal(t, "it is broken", s.Status.Message)
		require.Len(t, s.Events, 1)
		require.Len(t, res.Scenarios[0].Failures, 1)
		var id trace.TraceID
		copy(id[:], s.TraceId)
		assert.Contains(t, res.Scenarios[0].Failures[0].Log, "trace "+id.String()+", span ", "a failed run leads to its trace")
	}
	for _, s := range byName["work"] {
		parents := 0
		for _, p := range byName["iteration people"] {
			if string(p.SpanId) == string(s.ParentSpanId) && string(p.TraceId) == string(s.TraceId) {
				parents++
			}
		}
		assert.Equal(t, 1, parents)
	}
}

func TestInterruptedSpansAreNoErrors(t *testing.T) {
	r := collect(t)
	environment(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+r.URL+"/custom")
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	_, s := e.Tracer().Start(t.Context(), harness.SpanInfo{Kind: harness.SpanIteration, Name: "x"})
	s.End(errBroken, true)
	require.NoError(t, e.Shutdown(t.Context()))
	require.Len(t, r.spans, 1)
	assert.True(t, strings.HasPrefix(r.paths[0], "POST /custom"))
	assert.NotEqual(t, otlp.Status_STATUS_CODE_ERROR, r.spans[0].GetStatus().GetCode())
	assert.True(t, attributesOf(r.spans[0])["scaletest.interrupted"].GetBoolValue())
}

func TestSamplerDecidesForEachIteration(t *testing.T) {
	r := collect(t)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0")
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	res := runTraced(t, e.Tracer())
	require.NoError(t, e.Shutdown(t.Context()))
	assert.Empty(t, r.spans)
	assert.NotContains(t, res.Scenarios[0].Failures[0].Log, "trace ", "nobody will find it")

	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5")
	e, err = otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	tr := e.Tracer()
	ctx, of := tr.Start(t.Context(), harness.SpanInfo{Kind: harness.SpanScenario, Name: "s"})
	const many = 1000
	for range many {
		_, s := tr.Start(ctx, harness.SpanInfo{Kind: harness.SpanIteration, Name: "s", Of: of})
		s.End(nil, false)
	}
	require.NoError(t, e.Shutdown(t.Context()))
	assert.InDelta(t, many/2, len(r.spans), many/5, "half of them, whatever became of the run's own span")
}

func TestNobodyAsksForSpans(t *testing.T) {
	for _, c := range []struct {
		set   []string
		force bool
	}{
		{nil, false},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_SDK_DISABLED=true"}, true},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_TRACES_EXPORTER=none"}, true},
		{[]string{"OTEL_TRACES_SAMPLER=nonsense"}, false},
	} {
		environment(t, c.set...)
		e, err := otelexport.FromEnv(t.Context(), otelexport.Options{Force: c.force})
		require.NoError(t, err, c.set)
		assert.Nil(t, e, c.set)
		assert.Nil(t, e.Tracer(), "a plan would call it")
		assert.NoError(t, e.Shutdown(t.Context()))
	}
	environment(t)
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{Force: true})
	require.NoError(t, err)
	require.NotNil(t, e, "somebody asks, without an endpoint")
	assert.NoError(t, e.Shutdown(t.Context()), "there was nothing to send")
}

func TestWhatCannotBeDoneIsSaidAtOnce(t *testing.T) {
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_TRACES_EXPORTER=zipkin",
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=2")
	_, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.Error(t, err)
	for _, want := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT is not a URL such as http://localhost:4318", `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", want http/protobuf`,
		`OTEL_TRACES_EXPORTER is "zipkin", want otlp or none`, `OTEL_TRACES_SAMPLER_ARG is "2", want a number from 0 to 1`,
	} {
		assert.ErrorContains(t, err, want)
	}
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_TRACES_SAMPLER=sometimes")
	_, err = otelexport.FromEnv(t.Context(), otelexport.Options{})
	assert.ErrorContains(t, err, `OTEL_TRACES_SAMPLER is "sometimes", want one of always_on, `)
}

func TestSpansThatAreLostAreCounted(t *testing.T) {
	r := collect(t)
	r.code = http.StatusBadRequest
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL)
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	runTraced(t, e.Tracer())
	err = e.Shutdown(t.Context())
	require.ErrorContains(t, err, "export traces: 10 of 10 spans were lost: ")
	require.ErrorContains(t, err, "400")
}

func TestShutdownHasADeadline(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hangs.Close()
	defer close(release)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+hangs.URL)
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	_, s := e.Tracer().Start(t.Context(), harness.SpanInfo{Kind: harness.SpanRun, Name: "x"})
	s.End(nil, false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, e.Shutdown(ctx), "export traces: 1 of 1 spans were lost: ")
}

func TestQueueThatOverflowsIsNoSecret(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+slow.URL, "OTEL_BSP_MAX_QUEUE_SIZE=1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=1")
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	tr := e.Tracer()
	for range 100 {
		_, s := tr.Start(t.Context(), harness.SpanInfo{Kind: harness.SpanRun, Name: "x"})
		s.End(nil, false)
	}
	close(release)
	assert.ErrorContains(t, e.Shutdown(t.Context()), "raise OTEL_BSP_MAX_QUEUE_SIZE")
}

func TestRequestsCarryTheSpan(t *testing.T) {
	r := collect(t)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL)
	h := http.Header{}
	otelexport.Inject(t.Context(), h)
	assert.Empty(t, h, "there is no span")
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	ctx, s := e.Tracer().Start(t.Context(), harness.SpanInfo{Kind: harness.SpanRun, Name: "x"})
	otelexport.Inject(ctx, h)
	s.End(nil, false)
	require.NoError(t, e.Shutdown(t.Context()))
	assert.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, h.Get("Traceparent"))
	parts := strings.Split(h.Get("Traceparent"), "-")
	assert.Equal(t, "trace "+parts[1]+", span "+parts[2], s.ID())
}

func TestShutdownClosesItsConnections(t *testing.T) {
	r := collect(t)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_TIMEOUT=20000")
	e, err := otelexport.FromEnv(t.Context(), otelexport.Options{})
	require.NoError(t, err)
	runTraced(t, e.Tracer())
	require.NoError(t, e.Shutdown(t.Context()))
	require.Len(t, r.paths, 1)
	require.Eventually(t, func() bool {
		all := make([]byte, 1<<20)
		return !strings.Contains(string(all[:runtime.Stack(all, true)]), "persistConn")
	}, 10*time.Second, time.Millisecond, "a test that looks for goroutines finds them")
}
