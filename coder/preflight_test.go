package coder_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// deployment answers what a preflight asks; the zero value is in order.
type deployment struct {
	buildinfo, me, roles, authcheck func() (*http.Response, error)
}

func (d deployment) answer(req *http.Request) (*http.Response, error) {
	for suffix, a := range map[string]struct {
		set, or func() (*http.Response, error)
	}{
		"/buildinfo":      {d.buildinfo, says(200, `{"version":"v2.37.0"}`)},
		"/users/me":       {d.me, says(200, `{"username":"alice","roles":[]}`)},
		"/users/me/roles": {d.roles, says(200, `{"roles":["template-admin"]}`)},
		"/authcheck":      {d.authcheck, says(200, `{"create workspace":true,"delete user":false}`)},
	} {
		if strings.HasSuffix(req.URL.Path, suffix) {
			if a.set != nil {
				return a.set()
			}
			return a.or()
		}
	}
	return says(404, `{"message":"Route not found."}`)()
}

func TestPreflightSaysInOneSentenceWhatIsWrong(t *testing.T) {
	need := []coder.Permission{{Action: "create", ResourceType: "workspace"}}
	noMark := []string{"X-Coder-Build-Version", ""}
	for name, tc := range map[string]struct {
		d       deployment
		need    []coder.Permission
		problem coder.PreflightProblem
		says    string
	}{
		"another server":   {deployment{buildinfo: says(404, "<title>404 Not Found</title>", noMark...)}, nil, coder.ProblemNotCoder, "is not Coder"},
		"another API":      {deployment{buildinfo: says(200, `{"hello":1}`, noMark...)}, nil, coder.ProblemNotCoder, "is not Coder"},
		"a web page":       {deployment{buildinfo: says(200, "<title>Welcome to nginx!</title>", noMark...)}, nil, coder.ProblemNotCoder, "Welcome to nginx"},
		"proxy is up only": {deployment{buildinfo: says(502, "<title>502 Bad Gateway</title>", noMark...)}, nil, coder.ProblemProxy, "a proxy answers instead"},
		"proxy with login": {deployment{buildinfo: says(302, "", append(noMark, "Location", "https://sso.test/login?rd=x")...)}, nil, coder.ProblemProxy, "redirects to https://sso.test/login;"},
		"plain to TLS":     {deployment{buildinfo: says(400, "Client sent an HTTP request to an HTTPS server.", noMark...)}, nil, coder.ProblemTLS, "use https://"},
		"Coder is ill":     {deployment{buildinfo: says(500, `{"message":"Internal error."}`)}, nil, coder.ProblemServer, "Internal error"},
		"expired":          {deployment{me: says(401, `{"message":"You are signed out or your session has expired.","detail":"API key is invalid."}`)}, nil, coder.ProblemToken, "invalid or expired: API key is invalid; make a new one"},
		"suspended":        {deployment{me: says(401, `{"message":"User is not active (status = \"suspended\")."}`)}, nil, coder.ProblemToken, "suspended"},
		"401 of a proxy":   {deployment{me: says(401, "login first", noMark...)}, nil, coder.ProblemProxy, "proxy refuses"},
		"missing right":    {deployment{}, append(need, coder.Permission{Action: "delete", ResourceType: "user"}), coder.ProblemPermission, "the token of alice may not delete user;"},
		"unreachable":      {deployment{buildinfo: fails(&net.OpError{Op: "dial", Err: errReset.Err})}, nil, coder.ProblemUnreachable, "reset"},
		"unknown name":     {deployment{buildinfo: fails(&net.DNSError{Name: "codr.test", IsNotFound: true})}, nil, coder.ProblemName, "codr.test does not resolve"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := fakeClient(t, coder.Config{MaxRetries: -1}, tc.d.answer)
			_, err := c.Preflight(t.Context(), coder.PreflightOptions{Need: tc.need})
			var p *coder.PreflightError
			require.ErrorAs(t, err, &p)
			assert.Equal(t, tc.problem, p.Problem, "%v", err)
			assert.ErrorContains(t, err, tc.says)
			assert.Contains(t, err.Error(), "http://coder.test/base can't be tested: ")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestPreflightTellsWhoIsThere(t *testing.T) {
	c, f := fakeClient(t, coder.Config{}, deployment{}.answer)
	p, err := c.Preflight(t.Context(), coder.PreflightOptions{Need: []coder.Permission{{Action: "create", ResourceType: "workspace"}}})
	require.NoError(t, err)
	assert.Equal(t, "alice", p.User.Username)
	assert.Equal(t, []string{"template-admin"}, p.Roles)
	assert.False(t, p.Owner)
	assert.Empty(t, f.requests[0].Header.Get("Coder-Session-Token"), "the token goes to nobody who has not said that it is Coder")
}

func TestPreflightOnRealSockets(t *testing.T) {
	coderd := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Coder-Build-Version", "v2.37.0")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"version":"v2.37.0"}`))
	})
	secure := httptest.NewUnstartedServer(coderd)
	secure.Config.ErrorLog = discardLog()
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(coderd)
	defer plain.Close()
	closed := httptest.NewServer(coderd)
	closed.Close()
	for name, tc := range map[string]struct {
		url     string
		problem coder.PreflightProblem
		says    string
	}{
		"unknown authority": {secure.URL, coder.ProblemTLS, "certificate does not verify"},
		"TLS to plain HTTP": {strings.Replace(plain.URL, "http:", "https:", 1), coder.ProblemTLS, "use http://"},
		"plain HTTP to TLS": {strings.Replace(secure.URL, "https:", "http:", 1), coder.ProblemTLS, "use https://"},
		"refused":           {closed.URL, coder.ProblemUnreachable, "connection refused"},
		"no token":          {plain.URL, coder.ProblemNoToken, "no token"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := coder.New(coder.Config{URL: tc.url, MaxRetries: -1})
			require.NoError(t, err)
			defer c.CloseIdleConnections()
			_, err = c.Preflight(t.Context(), coder.PreflightOptions{})
			var p *coder.PreflightError
			require.ErrorAs(t, err, &p)
			assert.Equal(t, tc.problem, p.Problem, "%v", err)
			assert.ErrorContains(t, err, tc.says)
		})
	}
	t.Run("trusted", func(t *testing.T) {
		roots := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		c, err := coder.New(coder.Config{URL: secure.URL, TLS: &tls.Config{RootCAs: roots}})
		require.NoError(t, err)
		defer c.CloseIdleConnections()
		info, err := c.BuildInfo(context.Background())
		require.NoError(t, err)
		assert.True(t, info.Has(coder.FeatureUserRateLimit))
	})
}

func TestFeaturesFollowTheVersion(t *testing.T) {
	for _, tc := range []struct {
		version, api string
		want         string
		ok           bool
	}{
		{"v2.37.0-devel+c9a1e2bce", "1.18", "2.37.0", true},
		{"v2.26.3", "1.9", "2.26.3", true},
		{"v0.0.0-devel", "1.4", "2.22.0", true},
		{"v0.0.0-devel", "1.1", "2.17.0", true},
		{"v0.0.0-devel", "2.1", "0.0.0", false},
		{"", "", "0.0.0", false},
		{"2.x.1", "1.18", "2.37.0", true},
	} {
		v, ok := coder.BuildInfo{Version: tc.version, ProvisionerAPIVersion: tc.api}.Semver()
		assert.Equal(t, tc.want, v.String(), tc.version)
		assert.Equal(t, tc.ok, ok, tc.version)
	}
	old := coder.BuildInfo{Version: "v2.26.0", ProvisionerAPIVersion: "1.9"}
	assert.True(t, old.Has(coder.FeatureWatchSockets))
	assert.True(t, old.Has(coder.FeatureExpectStatus))
	assert.False(t, old.Has(coder.FeatureUserRateLimit))
	assert.False(t, old.Has(coder.FeatureGraphStage))
	assert.False(t, old.Has(coder.Feature(99)))
}
