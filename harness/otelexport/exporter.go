package otelexport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/coderscale/scaletest/harness"
)

// Options configure [FromEnv] and [MetricsFromEnv]. The zero value is useful.
type Options struct {
	// Name of the run, for metrics. Spans have the plan's.
	Name string

	// Force exports also where no OTEL_* variable names an endpoint: to a
	// collector on this machine, http://localhost:4318.
	Force bool

	// ServiceName is the service.name of what is sent, unless OTEL_SERVICE_NAME or
	// OTEL_RESOURCE_ATTRIBUTES has one. "" means "scaletest".
	ServiceName string

	// Attributes are added to the resource, such as the version of what is
	// tested.
	Attributes map[string]string
}

// Exporter sends spans to a collector, by OTLP over HTTP. Nil sends none.
type Exporter struct {
	provider *sdktrace.TracerProvider
	counts   *counts
	client   *http.Client // nil where it is the SDK's
}

// FromEnv makes an exporter by the standard variables: OTEL_EXPORTER_OTLP_*
// (with _TRACES_ or without), OTEL_TRACES_SAMPLER and its _ARG, OTEL_BSP_*,
// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. It returns nil if nobody asks
// for spans: without an endpoint and without Force, with OTEL_SDK_DISABLED=true
// or with OTEL_TRACES_EXPORTER=none. What a variable asks for and can't be done
// is an error. Nothing is sent yet.
func FromEnv(ctx context.Context, o Options) (*Exporter, error) {
	wanted, err := wanted(o)
	if err != nil || !wanted {
		return nil, err
	}
	var options []otlptracehttp.Option
	if !traces.hasEndpoint() {
		options = append(options, otlptracehttp.WithEndpointURL("http://localhost:4318/v1/traces"))
	}
	client := newClient(traces)
	if client != nil {
		options = append(options, otlptracehttp.WithHTTPClient(client))
	}
	sender, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	about, err := about(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("export traces: %w", err), sender.Shutdown(ctx))
	}
	c := &counts{}
	var queueOptions []sdktrace.BatchSpanProcessorOption
	if os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE") == "" {
		queueOptions = append(queueOptions, sdktrace.WithMaxQueueSize(queueSize))
	}
	queue := sdktrace.NewBatchSpanProcessor(countingSender{sender, c}, queueOptions...)
	return &Exporter{
		provider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(countingQueue{queue, c}), sdktrace.WithResource(about)),
		counts:   c,
		client:   client,
	}, nil
}

// queueSize is how many spans wait for the next batch, unless
// OTEL_BSP_MAX_QUEUE_SIZE says otherwise: more than the SDK's 2048, because a load
// test has many at a time.
const queueSize = 16384

// wanted reports whether somebody wants spans, and what can't be done.
func wanted(o Options) (bool, error) {
	if traces.unwanted() || !o.Force && !traces.hasEndpoint() {
		return false, nil
	}
	errs := traces.problems()
	samplers := []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	sampler := strings.ToLower(env("OTEL_TRACES_SAMPLER"))
	if sampler != "" && !slices.Contains(samplers, sampler) {
		errs = append(errs, fmt.Errorf("OTEL_TRACES_SAMPLER is %q, want one of %s", sampler, strings.Join(samplers, ", ")))
	}
	if arg := env("OTEL_TRACES_SAMPLER_ARG"); arg != "" && strings.HasSuffix(sampler, "traceidratio") {
		if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			errs = append(errs, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q, want a number from 0 to 1", arg))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	return true, nil
}

// Tracer is for [harness.Plan]. It is nil for a nil exporter.
func (e *Exporter) Tracer() harness.Tracer {
	if e == nil {
		return nil
	}
	return NewTracer(e.provider)
}

// Shutdown sends what is left, until ctx is done. The error says how many spans
// were lost since the beginning, and why.
func (e *Exporter) Shutdown(ctx context.Context) error {
	if e == nil {
		return nil
	}
	err := e.provider.Shutdown(ctx)
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	e.counts.mu.Lock()
	defer e.counts.mu.Unlock()
	lost, ended := e.counts.ended-e.counts.sent, e.counts.ended
	switch {
	case lost == 0 && err == nil:
		return nil
	case e.counts.err != nil:
		err = e.counts.err
	case err == nil:
		err = errors.New("they came faster than they could be sent: raise OTEL_BSP_MAX_QUEUE_SIZE, or keep fewer by OTEL_TRACES_SAMPLER=traceidratio")
	}
	return fmt.Errorf("export traces: %d of %d spans were lost: %w", lost, ended, err)
}

// counts hold what became of spans.
type counts struct {
	mu          sync.Mutex
	ended, sent int
	err         error // the first
}

// countingQueue counts the spans that somebody wants to see.
type countingQueue struct {
	sdktrace.SpanProcessor
	*counts
}

func (q countingQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		q.mu.Lock()
		q.ended++
		q.mu.Unlock()
	}
	q.SpanProcessor.OnEnd(s)
}

// countingSender counts the spans that arrived. It keeps errors to itself,
// because the SDK would print each of them into a test's output.
type countingSender struct {
	sdktrace.SpanExporter
	*counts
}

func (s countingSender) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.sent += len(spans)
	case s.err == nil:
		s.err = err
	}
	return nil
}
