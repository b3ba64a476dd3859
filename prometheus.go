package scaletest

import (
	"context"
	"errors"
	"net/url"
	"os"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
	"github.com/coderscale/scaletest/harness/promexport"
)

// metricNames keep the names of Coder's own utility where we measure what they
// mean there. Its read_latency and write_latency are not among them: they are
// the time that a call of Read or Write blocked, and nothing blocks here. The
// round trip is echo_seconds.
func metricNames(test string) promexport.Config {
	return promexport.Config{
		Namespace: "coderd_scaletest",
		Name:      test,
		Durations: []promexport.Duration{
			{
				Name: "echo_seconds", Help: "Round trip of what is typed or sent: from when it was meant to be sent until the last byte of its echo is back.",
				Actions: map[string]string{"echo": "terminal", "ssh_echo": "ssh", "app_echo": "app"},
				Errors:  "echo_errors_total", ErrorsHelp: "Echoes that are missing or wrong, or of what could not be sent.",
			},
			{
				Name: "dashboard_duration_seconds", Help: "How long a page of the dashboard took to load.", Service: true,
				Actions: map[string]string{
					"page_sign_in": "sign_in", "page_workspaces": "workspace_list", "page_workspace": "workspace_details",
					"page_terminal": "terminal", "page_templates": "template_list", "page_template": "template_details",
					"page_users": "user_list", "page_deployment": "deployment", "page_audit": "audit", "page_health": "health",
				},
				Errors: "dashboard_errors_total", ErrorsHelp: "Pages of the dashboard that did not load.",
			},
		},
		Counters: []promexport.Counter{
			{Name: "bytes_read_total", Help: "Payload that was received.", Counter: "bytes_received"},
			{Name: "bytes_written_total", Help: "Payload that was sent.", Counter: "bytes_sent"},
			{Name: "read_errors_total", Help: "Connections that broke while reading, and were made again.", Counter: "reconnects"},
		},
	}
}

// runMetrics are a run's numbers for Prometheus and OpenTelemetry. Nil is for
// nobody.
type runMetrics struct {
	cfg      Config
	exporter *promexport.Exporter // nil if only OpenTelemetry wants them
	server   *promexport.Server
	otlp     *otelexport.Metrics
}

// serveMetrics serves and sends what the plan will do, if the environment asks
// for it.
func (t *Target) serveMetrics(plan *harness.Plan, c *console) (*runMetrics, error) {
	otlp, err := t.sendMetrics(plan)
	if err != nil {
		return nil, err
	}
	m := &runMetrics{cfg: t.cfg, otlp: otlp}
	if t.cfg.PrometheusAddress == "" && t.cfg.PrometheusPushURL == nil {
		return m, nil
	}
	if m.exporter, err = promexport.New(metricNames(plan.Name)); err == nil && t.cfg.PrometheusAddress != "" {
		if m.server, err = m.exporter.Serve(t.cfg.PrometheusAddress); err != nil {
			err = errors.New("CODER_SCALETEST_PROMETHEUS_ADDRESS: " + err.Error())
		}
	}
	if err != nil {
		m.close()
		return nil, err
	}
	if m.server != nil {
		c.printf("metrics     %s\n", m.server.URL())
	}
	plan.OnSnapshot = chain(plan.OnSnapshot, m.exporter.Observe)
	plan.OnPhase = chain(plan.OnPhase, m.exporter.Phase)
	return m, nil
}

// pushTime bounds a push.
const pushTime = 30 * time.Second

// finish pushes the final numbers, and waits until they have been read: no
// longer than the configuration says, not beyond until (zero is never), and not
// when somebody has interrupted.
func (m *runMetrics) finish(ctx context.Context, res *harness.Result, until time.Time, interrupted <-chan struct{}, c *console) error {
	if m == nil {
		return nil
	}
	flushMetrics(ctx, m.otlp, res, c)
	if m.exporter == nil {
		return nil
	}
	m.exporter.Finish(res)
	var err error
	if address := m.cfg.PrometheusPushURL; address != nil {
		err = m.push(ctx, address)
	}
	wait := m.cfg.PrometheusWait
	if !until.IsZero() {
		wait = min(wait, time.Until(until))
	}
	if m.server == nil || wait <= 0 || ctx.Err() != nil {
		return err
	}
	c.printf("waiting for the last scrape of %s, at most %v\n", m.server.URL(), wait.Round(time.Second))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-m.exporter.Scraped():
	case <-timer.C:
	case <-ctx.Done():
	case <-interrupted:
	}
	return err
}

func (m *runMetrics) push(ctx context.Context, address *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return m.exporter.Push(ctx, address.String(), "coderd_scaletest", host)
}

// close frees the address for the next run.
func (m *runMetrics) close() {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = m.otlp.Shutdown(ctx) // there was no run; after one it does nothing
	if m.server != nil {
		_ = m.server.Close(ctx) // a scrape that hangs is cut
	}
}
