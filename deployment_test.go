//go:build !scaletest

package scaletest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// deployment is somebody's: it is reached by its URL and a token.
type deployment struct {
	*codertest.Server
	client *coder.Client // the owner's
}

func deploy(t *testing.T, cfg codertest.Config) deployment {
	t.Helper()
	cfg.BuildTime = codertest.Fixed(time.Nanosecond)
	cfg.RateLimit = -1
	s := codertest.Start(t, cfg)
	client, err := coder.New(coder.Config{URL: s.URL(), Token: s.OwnerToken(), PollInterval: time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	_, err = client.BuildInfo(t.Context()) // it is there before another process comes
	require.NoError(t, err)
	return deployment{s, client}
}

// member is the token of a user who owns nothing.
func (d deployment) member(t *testing.T) (token string) {
	t.Helper()
	_, err := d.client.CreateUser(t.Context(), coder.CreateUserRequest{Username: "alice", Email: "alice@example.com", Password: "SomeSecurePassword!"})
	require.NoError(t, err)
	return d.token(t, "alice")
}

// token is one of a user.
func (d deployment) token(t *testing.T, user string) string {
	t.Helper()
	token, err := d.client.CreateToken(t.Context(), user, coder.CreateTokenRequest{})
	require.NoError(t, err)
	return token
}

// stop stops a workspace.
func (d deployment) stop(t *testing.T, name string) {
	t.Helper()
	all, err := d.client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	for _, w := range all {
		if w.Name == name {
			b, err := d.client.CreateBuild(t.Context(), w.ID, coder.CreateBuildRequest{Transition: coder.TransitionStop})
			require.NoError(t, err)
			_, err = d.client.WaitBuild(t.Context(), b.ID)
			require.NoError(t, err)
			return
		}
	}
	t.Fatalf("there is no workspace %s", name)
}

// live are the variables that point at a deployment.
func live(address, token string) []string {
	return []string{"CODER_URL=" + address, "CODER_SESSION_TOKEN=" + token}
}

// inFront is a proxy in front of a deployment. It passes on what instead does
// not answer itself.
func inFront(t *testing.T, of deployment, instead func(w http.ResponseWriter, r *http.Request) (answered bool)) string {
	t.Helper()
	target, err := url.Parse(of.URL())
	require.NoError(t, err)
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		s.Close()
		transport.CloseIdleConnections()
	})
	return s.URL
}

// refuseUpgrades is a proxy that lets no WebSocket through.
func refuseUpgrades(t *testing.T, to deployment, status int) string {
	return inFront(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html><body><h1>%d %s</h1></body></html>", status, http.StatusText(status))
		return true
	})
}

// refuseRights makes everybody somebody who may see workspaces and open none:
// a template admin or an auditor.
func refuseRights(t *testing.T, to deployment) string {
	return inFront(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v2/authcheck" {
			return false
		}
		var asked struct{ Checks map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		answer := map[string]bool{}
		for name := range asked.Checks {
			answer[name] = false
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
		return true
	})
}

// typing is a small scenario of terminals.
func typing(workspaces []runners.Workspace, d time.Duration) harness.Scenario {
	return harness.Scenario{
		Name:     "terminals",
		Runner:   runners.Terminal(workspaces, traffic.Constant(100, 20*time.Millisecond)),
		Schedule: harness.AllAtOnce(len(workspaces)).Hold(d),
		Thresholds: []harness.Threshold{
			harness.Rate("errors").Below(0.001),
		},
	}
}

// test is what a user's test does.
func test(tb *fakeTB) {
	target := scaletest.Connect(tb)
	scaletest.Run(tb, typing(target.Workspaces(tb), 100*time.Millisecond))
}
