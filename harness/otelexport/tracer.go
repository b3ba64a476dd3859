package otelexport

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/coderscale/scaletest/harness"
)

// scope is what spans say they were made by.
const scope = "github.com/coderscale/scaletest/harness/otelexport"

// NewTracer makes spans with a provider of one's own.
func NewTracer(provider trace.TracerProvider) harness.Tracer {
	return tracer{provider.Tracer(scope)}
}

type tracer struct{ trace.Tracer }

// Start implements [harness.Tracer].
func (t tracer) Start(ctx context.Context, info harness.SpanInfo) (context.Context, harness.Span) {
	name := string(info.Kind) + " " + info.Name
	if info.Kind == harness.SpanAction {
		name = info.Name
	}
	var options []trace.SpanStartOption
	if of, ok := info.Of.(span); ok {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: of.SpanContext()}))
	}
	ctx, s := t.Tracer.Start(ctx, name, options...)
	if s.IsRecording() { // or nobody looks at them
		s.SetAttributes(attributes(info)...)
	}
	return ctx, span{s}
}

func attributes(info harness.SpanInfo) []attribute.KeyValue {
	list := []attribute.KeyValue{attribute.String("scaletest.run_id", info.RunID)}
	if info.Kind == harness.SpanRun {
		list = append(list, attribute.String("test.case.name", info.Name))
	}
	if info.Scenario != "" {
		list = append(list, attribute.String("scaletest.scenario", info.Scenario))
	}
	if info.User >= 0 {
		list = append(list, attribute.Int("scaletest.user", info.User))
	}
	if info.Iteration >= 0 {
		list = append(list, attribute.Int("scaletest.iteration", info.Iteration))
	}
	if !info.Intended.IsZero() {
		list = append(list, attribute.Float64("scaletest.lag_seconds", time.Since(info.Intended).Seconds()))
	}
	return list
}

type span struct{ trace.Span }

// End implements [harness.Span].
func (s span) End(err error, interrupted bool) {
	switch {
	case interrupted:
		s.SetAttributes(attribute.Bool("scaletest.interrupted", true))
	case err != nil:
		s.RecordError(err)
		s.SetStatus(codes.Error, err.Error())
	}
	s.Span.End()
}

// ID implements [harness.Span].
func (s span) ID() string {
	c := s.SpanContext()
	if !c.IsSampled() {
		return ""
	}
	return "trace " + c.TraceID().String() + ", span " + c.SpanID().String()
}

// TraceIDs implements [harness.IdentifiedSpan].
func (s span) TraceIDs() (trace [16]byte, id [8]byte, sampled bool) {
	c := s.SpanContext()
	return c.TraceID(), c.SpanID(), c.IsSampled()
}

// Inject puts the context's span on the headers of a request, as W3C's Trace
// Context has it, so that the server's spans become part of the trace. Without a
// span it puts nothing.
func Inject(ctx context.Context, h http.Header) {
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
}
