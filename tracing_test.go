//go:build !scaletest

package scaletest_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
)

// spanCollector takes spans by OTLP over HTTP.
type spanCollector struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	names  []string
	traces map[string]bool // by ID, in hexadecimal
	about  map[string]string
}

func collectSpans(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{status: http.StatusOK, traces: map[string]bool{}, about: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" { // the same variable sends metrics
			return
		}
		b, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var batch collector.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(b, &batch))
		c.mu.Lock()
		defer c.mu.Unlock()
		w.WriteHeader(c.status)
		for _, rs := range batch.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				c.about[a.Key] = a.Value.GetStringValue()
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					c.names = append(c.names, s.Name)
					c.traces[hex.EncodeToString(s.TraceId)] = true
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

func TestSpansGoWhereOpenTelemetrysVariablesSay(t *testing.T) {
	for _, propagate := range []bool{false, true} {
		c := collectSpans(t)
		var mu sync.Mutex
		parents := map[string]int{} // trace IDs of requests
		d := deploy(t, codertest.Config{Workspaces: 1})
		front := inFront(t, d, func(_ http.ResponseWriter, r *http.Request) bool {
			if parent := r.Header.Get("Traceparent"); parent != "" {
				mu.Lock()
				parents[strings.Split(parent, "-")[1]]++
				mu.Unlock()
			}
			return false
		})
		set := append(live(front, d.OwnerToken()), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)
		if propagate {
			set = append(set, p+"TRACE_PROPAGATE=true")
		}
		environment(t, set...)
		tb := attempt(t, nil, test)
		require.Empty(t, tb.fatal)
		require.Empty(t, tb.errors)
		for _, name := range []string{"run " + t.Name(), "scenario terminals", "setup terminals", "terminal_open", "iteration terminals"} {
			assert.Contains(t, c.names, name)
		}
		assert.Regexp(t, `(?m)^spans       trace [0-9a-f]{32}, span [0-9a-f]{16}$`, tb.output.String(), "where to find it")
		assert.Equal(t, "v2.37.0", c.about["scaletest.target.version"])
		assert.Equal(t, propagate, len(parents) > 0, "only when it is asked for")
		for id := range parents {
			assert.True(t, c.traces[id], "the deployment was told of a trace that nobody has")
		}
	}
}

func TestNoSpansUnlessSomebodyAsks(t *testing.T) {
	c := collectSpans(t)
	environment(t, p+"TRACE_PROPAGATE=true")
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
	})
	require.Empty(t, tb.errors)
	assert.Empty(t, c.names)
	assert.Contains(t, strings.Join(tb.log, "\n"), "there are no spans to propagate: set CODER_SCALETEST_TRACE=true or OTEL_EXPORTER_OTLP_ENDPOINT")
}

func TestCollectorThatIsBrokenDoesNotFailTheTest(t *testing.T) {
	c := collectSpans(t)
	c.status = http.StatusBadRequest
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
	})
	assert.Empty(t, tb.errors)
	assert.Contains(t, strings.Join(tb.log, "\n"), "export traces: 4 of 4 spans were lost: ")
}

func TestTraceVariablesThatMakeNoSenseAreSaidBeforeTheRun(t *testing.T) {
	collectSpans(t)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_TRACES_SAMPLER=x")
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
		t.Error("it went on")
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`)
	assert.Contains(t, tb.fatal[0], `OTEL_TRACES_SAMPLER is "x"`)
	assert.NotContains(t, tb.fatal[0], "\n")
	assert.NotContains(t, tb.output.String(), "getting ready")
}
