//go:build !scaletest

package scaletest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest"
)

// metricCollector takes metrics by OTLP over HTTP.
type metricCollector struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	last   map[string]*otlp.Metric // of the last export
	about  map[string]string
}

func collectMetrics(t *testing.T) *metricCollector {
	t.Helper()
	c := &metricCollector{status: http.StatusOK, about: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var batch collector.ExportMetricsServiceRequest
		assert.NoError(t, proto.Unmarshal(b, &batch))
		c.mu.Lock()
		defer c.mu.Unlock()
		w.WriteHeader(c.status)
		c.last = map[string]*otlp.Metric{}
		for _, rm := range batch.ResourceMetrics {
			for _, a := range rm.Resource.Attributes {
				c.about[a.Key] = a.Value.GetStringValue()
			}
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					c.last[m.Name] = m
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	return c
}

func TestNumbersGoWhereOpenTelemetrysVariablesSay(t *testing.T) {
	c := collectMetrics(t)
	environment(t, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="+c.URL)
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
	})
	require.Empty(t, tb.fatal)
	require.Empty(t, tb.errors)
	assert.Equal(t, "true", c.about["scaletest.target.embedded"])
	require.Contains(t, c.last, "scaletest.run.info")
	said := map[string]string{}
	for _, a := range c.last["scaletest.run.info"].GetSum().DataPoints[0].Attributes {
		said[a.Key] = a.Value.GetStringValue()
	}
	assert.Equal(t, "pass", said["scaletest.verdict"], "the final numbers")
	assert.Equal(t, t.Name(), said["test.case.name"])
	assert.Contains(t, c.last, "scaletest.action.duration")
	assert.NotContains(t, tb.output.String(), "exports were lost")
}

func TestCollectorThatTakesNoMetricsDoesNotFailTheTest(t *testing.T) {
	c := collectMetrics(t)
	c.status = http.StatusNotFound
	environment(t, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="+c.URL)
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
	})
	assert.Empty(t, tb.errors)
	assert.Contains(t, tb.output.String(), "export metrics: 1 of 1 exports were lost, ")
	assert.Contains(t, tb.output.String(), "set OTEL_METRICS_EXPORTER=none")
}

func TestMetricVariablesThatMakeNoSenseAreSaidBeforeTheRun(t *testing.T) {
	collectMetrics(t)
	environment(t, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://localhost:4317", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc")
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
		t.Error("it went on")
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL is "grpc"`)
	assert.NotContains(t, tb.output.String(), "getting ready")
}
