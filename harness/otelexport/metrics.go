package otelexport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
)

// Metrics sends a run's numbers to a collector, by OTLP over HTTP. It belongs to
// one run. Nil sends none, and all its methods may be called.
type Metrics struct {
	run      *progress.Run
	producer *producer
	sender   sdkmetric.Exporter
	client   *http.Client // nil where it is the SDK's
	resource *resource.Resource

	interval, timeout time.Duration

	cancel context.CancelFunc // of an export that is under way
	quit   chan struct{}
	idle   chan struct{} // closed when the regular exports are over
	once   sync.Once

	// These belong to the goroutine of the regular exports, and to Shutdown when
	// that has ended.
	all, failed int
	last, first error // of the last export, and the first of all
}

// interval is the time between two exports, unless OTEL_METRIC_EXPORT_INTERVAL
// says otherwise: less than the SDK's minute, which a load test may not last.
const interval = 10 * time.Second

// MetricsFromEnv makes an exporter of metrics by the standard variables:
// OTEL_EXPORTER_OTLP_* (with _METRICS_ or without), among them
// _METRICS_TEMPORALITY_PREFERENCE and _METRICS_DEFAULT_HISTOGRAM_AGGREGATION,
// OTEL_METRIC_EXPORT_INTERVAL (10 s by default) and _TIMEOUT,
// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. It returns nil if nobody asks
// for metrics: without an endpoint, OTEL_METRICS_EXPORTER=otlp or Force, with
// OTEL_SDK_DISABLED=true or with OTEL_METRICS_EXPORTER=none. What a variable asks
// for and can't be done is an error. The numbers are those of the latest snapshot;
// there are none to send before the first.
func MetricsFromEnv(ctx context.Context, o Options) (*Metrics, error) {
	if metrics.unwanted() || !o.Force && !metrics.hasEndpoint() && env(metrics.exporter()) != "otlp" {
		return nil, nil
	}
	if err := errors.Join(append(metrics.problems(), metricProblems()...)...); err != nil {
		return nil, err
	}
	var options []otlpmetrichttp.Option
	if !metrics.hasEndpoint() {
		options = append(options, otlpmetrichttp.WithEndpointURL("http://localhost:4318/v1/metrics"))
	}
	client := newClient(metrics)
	if client != nil {
		options = append(options, otlpmetrichttp.WithHTTPClient(client))
	}
	sender, err := otlpmetrichttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	about, err := about(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("export metrics: %w", err), sender.Shutdown(ctx))
	}
	run := progress.New(progress.DefaultMaxNames)
	m := &Metrics{
		run: run, producer: newProducer(run, o.Name), sender: sender, client: client, resource: about,
		interval: milliseconds(exportInterval, interval), timeout: milliseconds(exportTimeout, 30*time.Second),
		quit: make(chan struct{}), idle: make(chan struct{}),
	}
	m.producer.deltas = sender.Temporality(sdkmetric.InstrumentKindCounter) == metricdata.DeltaTemporality
	m.producer.explicit = strings.EqualFold(env(aggregation), explicitBuckets)
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go m.regularly(ctx)
	return m, nil
}

const (
	temporality     = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
	aggregation     = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
	exportInterval  = "OTEL_METRIC_EXPORT_INTERVAL"
	exportTimeout   = "OTEL_METRIC_EXPORT_TIMEOUT"
	explicitBuckets = "explicit_bucket_histogram"
)

// metricProblems are what the SDK would ignore.
func metricProblems() (errs []error) {
	oneOf := func(name string, values ...string) {
		if v := strings.ToLower(env(name)); v != "" && !slices.Contains(values, v) {
			errs = append(errs, fmt.Errorf("%s is %q, want one of %s", name, v, strings.Join(values, ", ")))
		}
	}
	oneOf(temporality, "cumulative", "delta", "lowmemory")
	oneOf(aggregation, "base2_exponential_bucket_histogram", explicitBuckets)
	for _, name := range []string{exportInterval, exportTimeout} {
		if v := env(name); v != "" && milliseconds(name, 0) == 0 {
			errs = append(errs, fmt.Errorf("%s is %q, want milliseconds such as 10000", name, v))
		}
	}
	return errs
}

func milliseconds(name string, otherwise time.Duration) time.Duration {
	if ms, err := strconv.ParseInt(env(name), 10, 32); err == nil && ms > 0 {
		return time.Duration(ms) * time.Millisecond
	}
	return otherwise
}

// Observe takes a snapshot's sums. It is what [harness.Plan.OnSnapshot] wants.
func (m *Metrics) Observe(s harness.Snapshot) {
	if m != nil {
		m.run.Observe(s)
	}
}

// Phase takes the phase that begins. It is what [harness.Plan.OnPhase] wants.
func (m *Metrics) Phase(name string) {
	if m != nil {
		m.run.Phase(name)
	}
}

// Finish takes the final numbers and the verdict; Shutdown sends them.
func (m *Metrics) Finish(res *harness.Result) {
	if m != nil {
		m.run.Finish(res)
	}
}

// regularly exports until quit. The SDK's own reader would print each failure
// into a test's output, and cut short an export that is under way at the end.
func (m *Metrics) regularly(ctx context.Context) {
	defer close(m.idle)
	ticker := time.NewTicker(m.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			select {
			case <-m.quit: // both are true when an export took long
				return
			default:
			}
			m.export(ctx)
		case <-m.quit:
			return
		}
	}
}

func (m *Metrics) export(ctx context.Context) {
	list := m.producer.produce()
	if len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	err := m.sender.Export(ctx, &metricdata.ResourceMetrics{
		Resource: m.resource, ScopeMetrics: []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: scope}, Metrics: list}},
	})
	m.all++
	m.last = err
	if err != nil {
		m.failed++
		if m.first == nil {
			m.first = err
		}
	}
}

// Shutdown sends the numbers a last time, until ctx is done. The error says how
// often they could not be sent, and why. Only the first call does anything.
func (m *Metrics) Shutdown(ctx context.Context) (err error) {
	if m == nil {
		return nil
	}
	m.once.Do(func() { err = m.shutdown(ctx) })
	return err
}

func (m *Metrics) shutdown(ctx context.Context) error {
	close(m.quit)
	m.settle(ctx)
	m.export(ctx)
	err := m.sender.Shutdown(ctx)
	if m.client != nil {
		m.client.CloseIdleConnections()
	}
	which := "but not the final one, which has all sums"
	switch {
	case m.failed == 0 && err != nil:
		return fmt.Errorf("export metrics: %w", err)
	case m.failed == 0:
		return nil
	case m.last != nil:
		which = "the final one among them"
	case m.producer.deltas:
		which = "and what they had counted"
	}
	return fmt.Errorf("export metrics: %d of %d exports were lost, %s: %w: set OTEL_METRICS_EXPORTER=none if the collector takes no metrics", m.failed, m.all, which, m.first)
}

// settle waits for an export that is under way, for half of the time: the final
// one needs some too.
func (m *Metrics) settle(ctx context.Context) {
	defer m.cancel()
	if deadline, ok := ctx.Deadline(); ok {
		half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
		ctx = half
	}
	select {
	case <-m.idle:
	case <-ctx.Done():
		m.cancel()
		<-m.idle
	}
}
