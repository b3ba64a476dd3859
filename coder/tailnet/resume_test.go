package tailnet_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/tailnet"
)

// The deployment knows a node again by its resume token, and a token that it does
// not take keeps nobody out.
func TestALostCoordinationIsResumedAndARefusedTokenIsForgotten(t *testing.T) {
	server, inside := deploy(t, codertest.Config{Workspaces: 1})
	to, err := url.Parse(server.URL())
	require.NoError(t, err)
	var mu sync.Mutex
	var tokens []string
	spoil := false
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		if !strings.HasSuffix(r.In.URL.Path, "/tailnet") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		q := r.Out.URL.Query()
		tokens = append(tokens, q.Get("resume_token"))
		if spoil && q.Get("resume_token") != "" {
			q.Set("resume_token", "nonsense")
			r.Out.URL.RawQuery = q.Encode()
		}
	}}
	front := httptest.NewServer(proxy)
	defer transport.CloseIdleConnections()
	defer front.Close()
	client, err := coder.New(coder.Config{URL: front.URL, Token: server.OwnerToken()})
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	a := startAgent(t, server, inside, "admin/scaletest-0", 0)
	a.serve(t, 7, echo)
	n, err := tailnet.Open(t.Context(), tailnet.Config{Client: client})
	require.NoError(t, err)
	defer n.Close()
	c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	seen := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), tokens...)
	}
	require.Equal(t, []string{""}, seen())

	// The token comes right after the beginning; until then there is nothing to
	// resume with.
	require.Eventually(t, func() bool {
		roundTrip(t, c, 100)
		server.DropCoordination()
		all := seen()
		return all[len(all)-1] != ""
	}, 30*time.Second, 100*time.Millisecond)
	roundTrip(t, c, 1000)

	mu.Lock()
	spoil = true
	mu.Unlock()
	before := len(seen())
	server.DropCoordination()
	require.Eventually(t, func() bool {
		all := seen()[before:]
		return len(all) >= 2 && all[0] != "" && all[1] == ""
	}, 30*time.Second, time.Millisecond, "it is tried once with the token, and then without")
	again, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	roundTrip(t, again, 1000)
}
