package runners_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

func TestWhatIsInjectedIsOnTheRequestsThatRunnersMakeThemselves(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 1, RateLimit: -1})
	to, err := url.Parse(server.URL())
	require.NoError(t, err)
	var with, without atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(to)
	transport := &http.Transport{}
	proxy.Transport = transport
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			with.Add(1)
		} else if r.URL.Path != "/latency-check" { // a region's, which may be elsewhere
			without.Add(1)
			t.Logf("without: %s %s", r.Method, r.URL.Path)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	defer transport.CloseIdleConnections()
	c, err := coder.New(coder.Config{URL: front.URL, Token: server.OwnerToken(), Inject: func(_ context.Context, h http.Header) { h.Set("Traceparent", "x") }})
	require.NoError(t, err)
	defer c.CloseIdleConnections()
	person := me(t, c)
	for name, runner := range map[string]func(int) (harness.Runner, error){
		"api":       runners.API([]runners.Person{person}, runners.APICall{Path: "/api/v2/workspaces"}),
		"dashboard": runners.DashboardConfig{People: []runners.Person{person}, Interval: 100 * time.Millisecond}.Runner(),
	} {
		with.Store(0)
		_, res := play(t, harness.Scenario{Name: name, Runner: runner, Schedule: harness.AllAtOnce(1).Hold(500 * time.Millisecond)})
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Positive(t, with.Load(), name)
		require.Zero(t, without.Load(), name)
	}
}
