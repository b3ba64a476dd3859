package coder

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// DeploymentStats are the server's own numbers, collected every 30 seconds.
type DeploymentStats struct {
	AggregatedFrom time.Time `json:"aggregated_from"`
	CollectedAt    time.Time `json:"collected_at"`
	NextUpdateAt   time.Time `json:"next_update_at"`
	Workspaces     struct {
		Pending  int `json:"pending"`
		Building int `json:"building"`
		Running  int `json:"running"`
		Failed   int `json:"failed"`
		Stopped  int `json:"stopped"`
		Latency  struct {
			P50 float64 `json:"P50"`
			P95 float64 `json:"P95"`
		} `json:"connection_latency_ms"` // milliseconds
		RxBytes int64 `json:"rx_bytes"`
		TxBytes int64 `json:"tx_bytes"`
	} `json:"workspaces"`
	SessionCount struct {
		VSCode          int `json:"vscode"`
		SSH             int `json:"ssh"`
		JetBrains       int `json:"jetbrains"`
		ReconnectingPTY int `json:"reconnecting_pty"`
	} `json:"session_count"`
}

// DeploymentStats reads the server's own numbers. Until they are first
// collected the error is [IsInvalid].
//
// GET /api/v2/deployment/stats
func (c *Client) DeploymentStats(ctx context.Context) (DeploymentStats, error) {
	var out DeploymentStats
	err := c.get(ctx, "read the statistics of the deployment", api("deployment", "stats"), nil, &out)
	return out, err
}

// Region is a place from which workspaces are reached: the deployment itself
// or a workspace proxy.
type Region struct {
	ID               uuid.UUID `json:"id"`
	Name             string    `json:"name"`
	DisplayName      string    `json:"display_name"`
	Healthy          bool      `json:"healthy"`
	PathAppURL       string    `json:"path_app_url"`
	WildcardHostname string    `json:"wildcard_hostname"`
}

// Regions lists the regions.
//
// GET /api/v2/regions
func (c *Client) Regions(ctx context.Context) ([]Region, error) {
	var out struct {
		Regions []Region `json:"regions"`
	}
	err := c.get(ctx, "list regions", api("regions"), nil, &out)
	return out.Regions, err
}

// Experiments lists the experiments that are on.
//
// GET /api/v2/experiments
func (c *Client) Experiments(ctx context.Context) ([]string, error) {
	var out []string
	err := c.get(ctx, "list experiments", api("experiments"), nil, &out)
	return out, err
}

// Health is the server's report on itself as JSON. Only an owner may read it.
// Force makes the server look now, which takes up to 30 seconds.
//
// GET /api/v2/debug/health
func (c *Client) Health(ctx context.Context, force bool) (json.RawMessage, error) {
	query := url.Values{}
	if force {
		query.Set("force", "true")
	}
	var out json.RawMessage
	err := c.get(ctx, "read the health of the deployment", api("debug", "health"), query, &out)
	return out, err
}

// Metrics reads the Prometheus metrics of the replica that answers, as text.
// Only an owner may, and only newer servers have it ([IsUnsupported], or
// status 400 on those in between). Others serve metrics on a port of their
// own.
//
// GET /api/v2/debug/metrics
func (c *Client) Metrics(ctx context.Context) (string, error) {
	var out string
	err := c.get(ctx, "read the metrics of the deployment", api("debug", "metrics"), nil, &out)
	return out, err
}

// MetricsStream is [Client.Metrics] for deployments whose metrics have tens of
// megabytes: they can be read as they come. They are asked for once, whatever the
// answer is, and over a connection of their own, so that a balancer may choose
// another replica each time. Close it.
//
// GET /api/v2/debug/metrics
func (c *Client) MetricsStream(ctx context.Context) (io.ReadCloser, error) {
	const action = "read the metrics of the deployment"
	u, err := c.resolve(api("debug", "metrics"), nil)
	if err != nil {
		return nil, err
	}
	if err := c.SignIn(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, c.transportError(action, err)
	}
	maps.Copy(req.Header, c.shared.header.Clone())
	c.Inject(ctx, req.Header)
	c.authorize(req.Header)
	req.Close = true
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(action, err)
	}
	resp.Request = req // a RoundTripper may leave it out
	if resp.StatusCode != http.StatusOK {
		return nil, c.responseError(action, resp)
	}
	return resp.Body, nil
}
