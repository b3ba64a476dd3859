package scaletest

import (
	"context"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
)

// trace has the plan's spans sent, if the environment asks for them. What it
// returns sends what is left; it is never nil.
func (t *Target) trace(tb TB, plan *harness.Plan, c *console) (flush func(), err error) {
	tb.Helper()
	exporter, err := otelexport.FromEnv(tb.Context(), otelexport.Options{Force: t.cfg.Trace, Attributes: t.attributes()})
	if err != nil {
		return func() {}, err
	}
	if exporter == nil {
		if t.cfg.TracePropagate {
			tb.Logf("CODER_SCALETEST_TRACE_PROPAGATE is set, but there are no spans to propagate: set CODER_SCALETEST_TRACE=true or OTEL_EXPORTER_OTLP_ENDPOINT")
		}
		return func() {}, nil
	}
	if plan.Tracer == nil { // or the test has one of its own
		plan.Tracer = announcer{exporter.Tracer(), c}
	}
	return func() {
		tb.Helper()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), flushTime)
		defer cancel()
		if err := exporter.Shutdown(ctx); err != nil {
			// The run's numbers are whole without its spans.
			tb.Logf("%v", err)
		}
	}, nil
}

// attributes are what OpenTelemetry is told of the target.
func (t *Target) attributes() map[string]string {
	about := map[string]string{}
	for name, value := range t.info() {
		about["scaletest.target."+name] = value
	}
	return about
}

// announcer says where to find the run among the traces.
type announcer struct {
	harness.Tracer
	console *console
}

func (a announcer) Start(ctx context.Context, info harness.SpanInfo) (context.Context, harness.Span) {
	ctx, span := a.Tracer.Start(ctx, info)
	if info.Kind == harness.SpanRun {
		if id := span.ID(); id != "" {
			a.console.printf("spans       %s\n", id)
		}
	}
	return ctx, span
}

// flushTime bounds the sending of the last spans.
const flushTime = 10 * time.Second

// propagate is what the clients of a target put on their requests.
func (c Config) propagate(cfg coder.Config) coder.Config {
	if c.TracePropagate {
		cfg.Inject = otelexport.Inject
	}
	return cfg
}
