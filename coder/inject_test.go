package coder_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// traceKey is what a caller's context carries.
type traceKey struct{}

// refusing answers every request with a status, and remembers what was asked.
type refusing struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func refuse(t *testing.T, status int) *refusing {
	t.Helper()
	r := &refusing{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, req)
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

// waysToAsk are all ways in which a client asks a deployment for something.
func waysToAsk(t *testing.T, base string) map[string]func(context.Context, *coder.Client) {
	t.Helper()
	app, err := url.Parse(base + "/@me/w.a/apps/x/")
	require.NoError(t, err)
	header := coder.AppOptions{TokenHeader: true}
	return map[string]func(context.Context, *coder.Client){
		"call":         func(ctx context.Context, c *coder.Client) { _ = c.Get(ctx, "/api/v2/experiments", nil) },
		"isolated":     func(ctx context.Context, c *coder.Client) { _ = c.Isolated().Get(ctx, "/api/v2/experiments", nil) },
		"terminal":     func(ctx context.Context, c *coder.Client) { _, _ = c.PTY(ctx, uuid.New(), coder.PTYOptions{}) },
		"watch":        func(ctx context.Context, c *coder.Client) { readOne(c.WatchWorkspace(ctx, uuid.New())) },
		"metadata":     func(ctx context.Context, c *coder.Client) { readOne(c.WatchAgentMetadata(ctx, uuid.New())) },
		"build's logs": func(ctx context.Context, c *coder.Client) { readOne(c.FollowBuildLogs(ctx, uuid.New(), 0)) },
		"metrics":      func(ctx context.Context, c *coder.Client) { _, _ = c.MetricsStream(ctx) },
		"app's socket": func(ctx context.Context, c *coder.Client) { _, _ = c.AppSession(app, header).Dial(ctx) },
		"app's page": func(ctx context.Context, c *coder.Client) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, app.String(), nil)
			require.NoError(t, err)
			if resp, err := c.AppSession(app, header).HTTPClient().Do(req); err == nil {
				require.NoError(t, resp.Body.Close())
			}
		},
		"clock":      func(ctx context.Context, c *coder.Client) { _, _ = c.ClockOffset(ctx) },
		"rate limit": func(ctx context.Context, c *coder.Client) { _, _ = c.RateLimit(ctx) },
	}
}

// forEverybody are requests whose answer does not depend on who asks.
func forEverybody(r *http.Request) bool {
	return r.URL.Path == "/healthz" || strings.HasSuffix(r.URL.Path, "/buildinfo")
}

// during are the requests that f makes.
func (r *refusing) during(f func()) []*http.Request {
	r.mu.Lock()
	r.requests = nil
	r.mu.Unlock()
	f()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

func TestEveryRequestAndUpgradeCarriesWhatIsInjected(t *testing.T) {
	d := refuse(t, http.StatusTeapot)
	c, err := coder.New(coder.Config{URL: d.URL, Token: "mine", MaxRetries: -1, Inject: func(ctx context.Context, h http.Header) {
		h.Set("Traceparent", ctx.Value(traceKey{}).(string))
		h.Set("Coder-Session-Token", "another one") // the client's own wins
	}})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	for what, ask := range waysToAsk(t, d.URL) {
		asked := d.during(func() { ask(context.WithValue(t.Context(), traceKey{}, what), c) })
		require.NotEmpty(t, asked, what)
		for _, r := range asked {
			assert.Equal(t, what, r.Header.Get("Traceparent"), "%s: %s", what, r.URL.Path)
			if token := r.Header.Get("Coder-Session-Token"); !forEverybody(r) {
				assert.Equal(t, "mine", token, "%s: the token is not the client's", what)
			}
		}
	}
}

func readOne[T any](seq func(yield func(T, error) bool)) {
	for range seq {
		return
	}
}

func TestRepeatedRequestIsInjectedAgain(t *testing.T) {
	d := refuse(t, http.StatusServiceUnavailable)
	n := 0
	c, err := coder.New(coder.Config{URL: d.URL, Token: "mine", MaxRetries: 1, Inject: func(_ context.Context, h http.Header) {
		n++
		h.Set("Attempt", strings.Repeat("I", n))
	}})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	require.Error(t, c.Get(t.Context(), "/api/v2/experiments", nil))
	require.Len(t, d.requests, 2)
	assert.Equal(t, "I", d.requests[0].Header.Get("Attempt"))
	assert.Equal(t, "II", d.requests[1].Header.Get("Attempt"))
}

func TestOtherHostsGetNothingInjected(t *testing.T) {
	other, d := refuse(t, http.StatusOK), refuse(t, http.StatusOK)
	c, err := coder.New(coder.Config{URL: d.URL, Token: "mine", Inject: func(_ context.Context, h http.Header) { h.Set("Traceparent", "x") }})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	app, err := url.Parse(d.URL + "/@me/w.a/apps/x/")
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL, nil)
	require.NoError(t, err)
	resp, err := c.AppSession(app, coder.AppOptions{}).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, other.requests, 1)
	assert.Empty(t, other.requests[0].Header.Get("Traceparent"))

	h := http.Header{}
	c.Inject(t.Context(), h)
	assert.Equal(t, "x", h.Get("Traceparent"), "for requests of one's own")
}
