package promexport_test

import (
	"bufio"
	"bytes"
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
	"github.com/coderscale/scaletest/harness/promexport"
)

const (
	asProtobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	asOpenMetrics = "application/openmetrics-text;version=1.0.0"
)

// tracedRun is a run with spans, scraped when it is over, and the spans of its
// actions by trace ID. The action takes a moment, and once longer than all
// buckets.
func tracedRun(t *testing.T, sampler sdktrace.Sampler) (s *promexport.Server, spans map[string]sdktrace.ReadOnlySpan) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sampler))
	e, err := promexport.New(promexport.Config{Buckets: []float64{1e-9, .01, 1}})
	require.NoError(t, err)
	s, err = e.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
	run, err := harness.Start(t.Context(), harness.Plan{
		Tracer: otelexport.NewTracer(provider), OnSnapshot: e.Observe, MaxLag: time.Hour,
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.AllAtOnce(3),
			Runner: func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
					return rec.Do(ctx, work, func(context.Context) error { return nil })
				}), nil
			},
		}},
	})
	require.NoError(t, err)
	e.Finish(run.Wait())
	spans = map[string]sdktrace.ReadOnlySpan{}
	for _, span := range exporter.GetSpans().Snapshots() {
		if span.Name() == "work" {
			spans[span.SpanContext().TraceID().String()] = span
		}
	}
	return s, spans
}

func TestExemplarsInOpenMetricsLeadToSpansThatWereExported(t *testing.T) {
	s, spans := tracedRun(t, sdktrace.AlwaysSample())
	require.Len(t, spans, 3)
	_, body := fetch(t, "GET", s.URL(), asOpenMetrics)
	found := 0
	line := regexp.MustCompile(`^scaletest_action_seconds_bucket\{action="work",phase="load",scenario="people",le="([^"]+)"\} (\d+) # \{trace_id="([0-9a-f]{32})",span_id="([0-9a-f]{16})"\} (\S+) (\S+)$`)
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		found++
		require.Contains(t, spans, m[3], "a trace that nobody has")
		assert.Equal(t, m[4], spans[m[3]].SpanContext().SpanID().String())
		bound, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		v, err := strconv.ParseFloat(m[5], 64)
		require.NoError(t, err)
		assert.LessOrEqual(t, v, bound, "it is in its bucket")
	}
	assert.NotZero(t, found, "no bucket has an exemplar")
	assert.True(t, bytes.HasSuffix(body, []byte("# EOF\n")), "an answer that is not whole is refused")
}

func TestExemplarsInProtobufAreThoseOfNativeHistogramsToo(t *testing.T) {
	s, spans := tracedRun(t, sdktrace.AlwaysSample())
	_, body := fetch(t, "GET", s.URL(), asProtobuf)
	seen := map[string]bool{}
	for in := bytes.NewReader(body); in.Len() > 0; {
		var f dto.MetricFamily
		require.NoError(t, protodelim.UnmarshalFrom(in, &f))
		for _, m := range f.Metric {
			h := m.GetHistogram()
			seen[f.GetName()] = seen[f.GetName()] || len(h.GetExemplars()) > 0
			for _, e := range h.GetExemplars() {
				require.Contains(t, spans, e.Label[0].GetValue(), "a trace that nobody has")
				require.NotNil(t, e.Timestamp, "or Prometheus drops it")
			}
		}
	}
	assert.True(t, seen["scaletest_action_seconds"])
	assert.True(t, seen["scaletest_action_service_seconds"])
	assert.False(t, seen["scaletest_lag_seconds"], "lag is nobody's span")
}

func TestSpansThatNobodyWillSeeAreNoExemplars(t *testing.T) {
	s, spans := tracedRun(t, sdktrace.NeverSample())
	require.Empty(t, spans)
	for _, format := range []string{asOpenMetrics, asProtobuf} {
		_, body := fetch(t, "GET", s.URL(), format)
		assert.False(t, strings.Contains(string(body), "trace_id"))
	}
}

func TestPlainTextHasNoExemplars(t *testing.T) {
	s, _ := tracedRun(t, sdktrace.AlwaysSample())
	_, body := fetch(t, "GET", s.URL(), "text/plain")
	assert.False(t, strings.Contains(string(body), "trace_id"), "its parsers refuse them")
}
