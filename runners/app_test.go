package runners_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

func TestAnAppsEchoIsComparedAndNoTokenReachesIt(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			server, ws := deployment(t, codertest.Config{Workspaces: 10, Version: version})
			s, res := play(t, harness.Scenario{
				Runner:   runners.App(ws, "wsec", traffic.Constant(4000, 20*time.Millisecond)),
				Schedule: harness.AllAtOnce(10).Hold(time.Second),
			})
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			echo := s.Actions["app_echo"]
			require.Zero(t, echo.Errors)
			require.InDelta(t, 10*50, int(echo.Count), 40)
			require.EqualValues(t, echo.Count*4000, s.Counters["bytes_received"])
			require.Equal(t, 1.0, s.Throughput.Ratio)
			require.Zero(t, server.AppSawSessionToken())
			require.EqualValues(t, 10, server.Stats().AppSocketsOpened)
			require.Eventually(t, func() bool { return server.Stats().AppSockets == 0 }, 10*time.Second, 10*time.Millisecond)
		})
	}
}

func TestTheTokenReachesAnAppOnlyWhenAskedFor(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	_, res := play(t, harness.Scenario{
		Runner:   runners.AppConfig{Workspaces: ws, Slug: "wsec", Load: small, TokenHeader: true}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(100 * time.Millisecond),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Positive(t, server.AppSawSessionToken())
}

func TestAnAppThatOnlySendsIsRead(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 2})
	s, res := play(t, harness.Scenario{
		Runner:   runners.AppConfig{Workspaces: ws, Slug: "wsra"}.Runner(),
		Schedule: harness.AllAtOnce(2).Hold(200 * time.Millisecond),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Positive(t, s.Counters["bytes_received"])
	require.Zero(t, s.Counters["bytes_sent"])
}

func TestAnAppThatSendsNothingIsASuccess(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 2})
	s, res := play(t, harness.Scenario{
		Runner:   runners.App(ws, "wsdi", small),
		Schedule: harness.AllAtOnce(2).Hold(500 * time.Millisecond),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Positive(t, s.Counters["bytes_sent"])
	require.Zero(t, s.Counters["bytes_received"])
	require.Eventually(t, func() bool { return server.Stats().AppBytesIn == s.Counters["bytes_sent"] },
		10*time.Second, 10*time.Millisecond, "all that was counted as sent has arrived")
}

func TestRequestsToAnAppAreMeasuredFromTheirTick(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 2, Routes: []codertest.RouteFault{{Path: "/*/*/apps/wsec", Latency: codertest.Fixed(100 * time.Millisecond)}}})
	s, res := play(t, harness.Scenario{
		Runner:   runners.AppConfig{Workspaces: ws, Slug: "wsec", Mode: runners.AppHTTPMode, Load: traffic.Constant(100, 50*time.Millisecond)}.Runner(),
		Schedule: harness.AllAtOnce(2).Hold(time.Second),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	r := s.Actions["app_request"]
	require.GreaterOrEqual(t, r.Count, uint64(4))
	require.GreaterOrEqual(t, r.Service.P50, 0.099)
	require.Greater(t, r.Response.Max, 2*r.Service.P50, "the server is slower than the ticks, so they wait")
}

func TestAppsAreReachedByNameAndThroughAProxy(t *testing.T) {
	server, ws := deployment(t, codertest.Config{
		Workspaces: 2, AppHost: "*.apps.example.test", WorkspaceProxy: true,
		Apps: []codertest.App{{Slug: "wsec", Mode: codertest.AppEcho, Subdomain: true}, {Slug: "bypath", Mode: codertest.AppEcho}},
	})
	at, err := url.Parse(server.URL())
	require.NoError(t, err)
	// Names under apps.example.test lead to the deployment.
	c, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken(), DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.Contains(address, "apps.example.test") {
			address = at.Host
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}})
	require.NoError(t, err)
	defer c.CloseIdleConnections()
	for i := range ws {
		ws[i].Client = c
	}
	proxy, err := url.Parse(server.ProxyURL())
	require.NoError(t, err)
	for _, cfg := range []runners.AppConfig{
		{Slug: "wsec"},
		{Slug: "bypath"},
		{Slug: "bypath", ProxyURL: proxy},
	} {
		cfg.Workspaces, cfg.Load = ws, small
		s, res := play(t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(2).Hold(200 * time.Millisecond)})
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Positive(t, s.Actions["app_echo"].Count)
		require.Zero(t, s.Actions["app_echo"].Errors)
		require.Zero(t, server.AppSawSessionToken())
	}
}

func TestTerminalsGoThroughAProxy(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 2, WorkspaceProxy: true})
	proxy, err := url.Parse(server.ProxyURL())
	require.NoError(t, err)
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small, ProxyURL: proxy}, 2, 200*time.Millisecond, nil)
	require.Empty(t, s.Failures)
	require.Positive(t, s.Actions["echo"].Count)
}

func TestAnAppsLostConnectionIsMadeAgain(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 3})
	s, res := playDuring(t, harness.Scenario{
		Runner:   runners.App(ws, "wsec", small),
		Schedule: harness.AllAtOnce(3).Hold(3 * time.Second),
	}, func() { server.DropConnections(1) })
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 3, s.Counters["reconnects"])
	require.EqualValues(t, 3, s.Actions["reconnect"].Count)
	require.Zero(t, s.Counters["echoes_corrupt"])
	require.Positive(t, s.Actions["app_echo"].Count)
}

func TestAnAppThatCanNotBeReachedSaysWhy(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			server, ws := deployment(t, codertest.Config{Workspaces: 1, Version: version, AgentTimeout: 50 * time.Millisecond})
			s, _ := play(t, harness.Scenario{
				Runner: runners.App(ws, "nope", small), Schedule: harness.AllAtOnce(1).Hold(50 * time.Millisecond),
			})
			require.Contains(t, s.Failures[0].Error, "has no app nope: it has")

			require.NoError(t, server.KillAgent(ws[0].Name))
			require.Eventually(t, func() bool {
				_, err := ws[0].Client.AppSession(mustAppURL(t, ws[0]), coder.AppOptions{}).Dial(t.Context())
				return coder.IsAgentUnreachable(err)
			}, 10*time.Second, 20*time.Millisecond)
			s, _ = play(t, harness.Scenario{
				Runner: runners.App(ws, "wsec", small), Schedule: harness.AllAtOnce(1).Hold(50 * time.Millisecond),
			})
			require.NotEmpty(t, s.Failures)
		})
	}
}

func mustAppURL(t *testing.T, w runners.Workspace) *url.URL {
	t.Helper()
	who, name, _ := strings.Cut(w.Name, "/")
	return w.Client.PathAppURL(who, name, w.Agent.Name, "wsec")
}

func TestAnUpgradeFollowsTheRedirectOfAMissingSlash(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	u := mustAppURL(t, ws[0])
	u.Path = strings.TrimSuffix(u.Path, "/")
	conn, err := ws[0].Client.AppSession(u, coder.AppOptions{}).Dial(t.Context())
	require.NoError(t, err)
	_, err = conn.Write([]byte("hello"))
	require.NoError(t, err)
	buf := make([]byte, 16)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]))
	require.NoError(t, conn.Close())
}

func TestTheSignedCookieOfAnAppIsKept(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	session := ws[0].Client.AppSession(mustAppURL(t, ws[0]), coder.AppOptions{})
	get := func() *http.Response {
		resp, err := session.HTTPClient().Get(session.URL().String())
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		return resp
	}
	signed := func(resp *http.Response) bool {
		for _, c := range resp.Cookies() {
			if c.Name == "coder_signed_app_token" {
				return true
			}
		}
		return false
	}
	require.True(t, signed(get()), "the first answer signs")
	require.False(t, signed(get()), "the second finds the cookie")
}

func TestTheConfigurationOfAppsIsChecked(t *testing.T) {
	_, err := runners.AppConfig{Mode: "x", MessageBytes: 3, DrainTimeout: -1}.Runner()(0)
	for _, want := range []string{"there is no slug", `the mode is "x"`, "MessageBytes is less than 16", "a timeout is negative"} {
		require.ErrorContains(t, err, want)
	}
}
