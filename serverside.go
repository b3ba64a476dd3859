package scaletest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/coderdmetrics"
	"github.com/coderscale/scaletest/harness"
)

// ServerMetrics says how the deployment is looked at from its own side while a run
// goes on. The zero value reads GET /api/v2/debug/metrics with the token, which is
// one request at a time, and which only an owner may; without the right to, the
// result has a note and nothing else changes.
type ServerMetrics struct {
	// Off looks at nothing: CODER_SCALETEST_SERVER_METRICS=off.
	Off bool

	// URLs are where coderd's replicas serve Prometheus, such as
	// http://10.0.0.7:2112: CODER_SCALETEST_SERVER_METRICS, separated by commas. None
	// means the API.
	URLs []string

	// Interval is the time between two looks: CODER_SCALETEST_SERVER_INTERVAL. 0
	// means 5s, and 1s for the embedded deployment.
	Interval time.Duration
}

// The intervals that nobody asked for.
const (
	liveInterval     = 5 * time.Second
	embeddedInterval = time.Second
)

// serverMetrics reads the variables.
func (p *envParser) serverMetrics() ServerMetrics {
	const name = "SERVER_METRICS"
	m := ServerMetrics{Interval: p.positiveDuration("SERVER_INTERVAL")}
	v := p.text(name)
	if strings.EqualFold(v, "off") {
		m.Off = true
		return m
	}
	if v == "" {
		return m
	}
	for address := range strings.SplitSeq(v, ",") {
		address = strings.TrimRight(strings.TrimSpace(address), "/")
		if err := checkURL(address); err != nil {
			p.fail("%s%s has %q in it, want off, or the addresses at which coderd serves Prometheus, separated by commas, such as http://10.0.0.7:2112: %w", prefix, name, redactURL(address), err)
			return ServerMetrics{}
		}
		m.URLs = append(m.URLs, address)
	}
	if err := (coderdmetrics.Config{URLs: m.URLs}).Validate(); err != nil {
		p.fail("%s%s is not a list of addresses: %s", prefix, name, oneLine(err))
		return ServerMetrics{}
	}
	if p.env["CODER_URL"] == "" {
		p.fail("%s%s has addresses of a deployment, but CODER_URL is not set: want both, or neither for the embedded deployment, which has its own metrics", prefix, name)
	}
	return m
}

// watchServer has the plan's run look at the deployment from its own side, unless
// it has an observer of its own, nobody wants it, or it is a benchmark, whose runs
// should cost the deployment the same each time. What it returns ends that; it is
// never nil.
func (t *Target) watchServer(plan *harness.Plan, c *console) (end func(), err error) {
	m := t.cfg.Server
	if m.Off || c.quiet || plan.Shard.Index > 0 || // the first shard's look is enough
		plan.Observer != nil || t.embedded != nil && t.replicas > 1 {
		// An embedded deployment of several replicas is there to lose one: what looks
		// at it takes turns with the load's connections, which would no longer be
		// spread evenly.
		return func() {}, nil
	}
	cfg := coderdmetrics.Config{URLs: m.URLs, Client: t.client}
	watcher, err := coderdmetrics.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("watch the deployment's metrics: %w", err)
	}
	every := liveInterval
	if t.embedded != nil {
		every = embeddedInterval
	}
	plan.Observer = &serverSide{watcher: watcher, embedded: t.embedded != nil}
	plan.ObserveEvery = or(m.Interval, or(plan.ObserveEvery, every))
	return watcher.Close, nil
}

// serverSide is a watcher as the engine's observer.
type serverSide struct {
	watcher  *coderdmetrics.Watcher
	embedded bool // which has no settings that a note could name
}

// Observe reads the metrics once.
func (s *serverSide) Observe(ctx context.Context) (harness.Observation, error) {
	reading, err := s.watcher.Scrape(ctx)
	seen := harness.Observation{Facts: reading.Facts}
	if !s.embedded {
		seen.Notes = reading.Notes
	}
	for _, v := range reading.Values {
		seen.Values = append(seen.Values, harness.Value{Series: v.Series, Of: v.Of, Unit: v.Unit, Value: v.Value})
	}
	return seen, advised(err)
}

// Describe says what the series are.
func (s *serverSide) Describe() (out []harness.Description) {
	for _, d := range coderdmetrics.Describe() {
		out = append(out, harness.Description{Series: d.Series, Means: d.Means})
	}
	return out
}

// advised says by which variable a refusal is got around.
func advised(err error) error {
	switch {
	case errors.Is(err, coderdmetrics.ErrRefused):
		return fmt.Errorf("%w; %sSERVER_METRICS takes such addresses, and off if nobody wants to know", err, prefix)
	case coder.IsUnauthorized(err):
		return fmt.Errorf("%w; %sSERVER_METRICS=off asks for no metrics", err, prefix)
	}
	return err
}
