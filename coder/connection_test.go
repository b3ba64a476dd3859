package coder_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// countingServer counts the connections that it gets.
func countingServer(t *testing.T, tls bool, h http.HandlerFunc) (*httptest.Server, func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = discardLog()
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			n++
			mu.Unlock()
		}
	}
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestEachSimulatedUserHasConnectionsOfItsOwn(t *testing.T) {
	for name, hc := range map[string]*http.Client{"own": nil, "given": {Transport: &http.Transport{}}} {
		t.Run(name, func(t *testing.T) {
			s, connections := countingServer(t, false, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
			c, err := coder.New(coder.Config{URL: s.URL + "/", Token: testToken, HTTPClient: hc})
			require.NoError(t, err)
			ask := func(c *coder.Client) {
				for range 3 {
					_, err := c.User(t.Context(), coder.Me)
					require.NoError(t, err)
				}
			}
			ask(c)
			ask(c.WithToken("another-token"))
			assert.Equal(t, 1, connections(), "the control plane shares")
			one, two := c.Isolated(), c.Isolated()
			ask(one)
			ask(two)
			assert.Equal(t, 3, connections())
			for _, c := range []*coder.Client{c, one, two} {
				c.CloseIdleConnections()
			}
		})
	}
}

func TestEverythingSpeaksHTTP1EvenWhereTheServerOffersMore(t *testing.T) {
	s, connections := countingServer(t, true, func(w http.ResponseWriter, req *http.Request) {
		assert.Equal(t, 1, req.ProtoMajor)
		if req.Header.Get("Upgrade") != "" {
			conn, err := (&websocket.Upgrader{EnableCompression: true}).Upgrade(w, req, nil)
			if assert.NoError(t, err) {
				_ = conn.Close()
			}
			return
		}
		reply(w, 200, `{}`)
	})
	given := s.Client().Transport.(*http.Transport)
	c, err := coder.New(coder.Config{URL: s.URL, Token: testToken, HTTPClient: &http.Client{Transport: given.Clone()}})
	require.NoError(t, err)
	iso := c.Isolated()
	_, err = iso.User(t.Context(), coder.Me)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	require.NoError(t, err)
	resp, err := iso.Transport().RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 1, connections())
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	u.Scheme = "wss"
	conn, _, err := c.Dialer().DialContext(t.Context(), u.String(), nil)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	iso.CloseIdleConnections()
	c.CloseIdleConnections()
}

func TestAppsAreWhereTheServerHasThem(t *testing.T) {
	c, err := coder.New(coder.Config{URL: "https://coder.test:8443/base/"})
	require.NoError(t, err)
	w := coder.Workspace{Name: "w", OwnerName: "alice"}
	a := coder.Agent{Name: "main", Apps: []coder.App{{Slug: "web", Subdomain: true}}}
	app, ok := a.App("web")
	require.True(t, ok)
	_, ok = a.App("nosuch")
	require.False(t, ok)
	for name, tc := range map[string]struct {
		app  coder.App
		host string
		want string
		err  string
	}{
		"path":            {coder.App{Slug: "x y"}, "", "https://coder.test:8443/base/@alice/w.main/apps/x%20y/", ""},
		"own label":       {coder.App{Subdomain: true, SubdomainName: "web--w--alice"}, "*.apps.test", "https://web--w--alice.apps.test:8443/", ""},
		"four-part label": {app, "*.apps.test", "https://web--main--w--alice.apps.test:8443/", ""},
		"suffix and port": {app, "*--apps.test:99", "https://web--main--w--alice--apps.test:99/", ""},
		"no host":         {app, "", "", "no app host"},
		"odd host":        {app, "apps.test", "", "asterisk"},
		"external":        {coder.App{Slug: "docs", External: true, URL: "https://docs.test?k=1"}, "", "", "a link to https://docs.test,"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := c.AppURL(w, a, tc.app, tc.host)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, u.String())
		})
	}
	u, err := c.PortURL(w, a, 8080, "*.apps.test")
	require.NoError(t, err)
	assert.Equal(t, "https://8080--main--w--alice.apps.test:8443/", u.String())
	_, err = c.PortURL(w, a, 8, "*.apps.test")
	require.Error(t, err)
	_, err = c.SubdomainURL("*.apps.test", coder.SubdomainLabel("a-very-long-application-slug", "a-long-agent-name", "a-long-workspace", "owner"))
	require.ErrorContains(t, err, "63")
	mine := c.URL()
	mine.Host = "changed"
	assert.Equal(t, "https://coder.test:8443/base", c.URL().String(), "the URL is a copy")
}
