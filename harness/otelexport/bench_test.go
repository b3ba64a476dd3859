package otelexport_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
)

// BenchmarkIteration is what spans cost: of an iteration with one action,
// without a tracer, with a sampler that takes none, and with one that takes all.
// Nothing is sent.
func BenchmarkIteration(b *testing.B) {
	tracer := func(s sdktrace.Sampler) harness.Tracer {
		return otelexport.NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSampler(s)))
	}
	for _, c := range []struct {
		name   string
		tracer harness.Tracer
	}{
		{"tracer=none", nil},
		{"tracer=otel/sampler=never", tracer(sdktrace.NeverSample())},
		{"tracer=otel/sampler=always", tracer(sdktrace.AlwaysSample())},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			loop := harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				b.ResetTimer()
				for range b.N {
					span := harness.Span(nil)
					inner := ctx
					if c.tracer != nil {
						inner, span = c.tracer.Start(ctx, harness.SpanInfo{Kind: harness.SpanIteration, Name: "s", Scenario: "s"})
					}
					if err := rec.Do(inner, work, func(context.Context) error { return nil }); err != nil {
						return err
					}
					if span != nil {
						span.End(nil, false)
					}
				}
				b.StopTimer()
				return nil
			})
			run, err := harness.Start(b.Context(), harness.Plan{Tracer: c.tracer, Scenarios: []harness.Scenario{{
				Name: "s", Schedule: harness.AllAtOnce(1), Runner: func(int) (harness.Runner, error) { return loop, nil },
			}}})
			if err != nil {
				b.Fatal(err)
			}
			run.Wait()
		})
	}
}
