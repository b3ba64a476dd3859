package codertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// openApp dials the WebSocket of an app. The token goes into the cookie, as a
// browser sends it.
func openApp(t testing.TB, base, path, token string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(base, "http")+path,
		http.Header{"Cookie": {"coder_session_token=" + token}})
	if ws != nil {
		t.Cleanup(func() { _ = ws.Close() })
		require.NoError(t, ws.SetReadDeadline(time.Now().Add(20*time.Second)))
	}
	return ws, resp, err
}

func mustOpenApp(t testing.TB, s *Server, slug string) *websocket.Conn {
	t.Helper()
	ws, _, err := openApp(t, s.URL(), "/@admin/scaletest-0/apps/"+slug+"/", s.OwnerToken())
	require.NoError(t, err)
	return ws
}

// staying follows no redirects.
var staying = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// ends requires that a connection ends without a close frame.
func ends(t testing.TB, ws *websocket.Conn) {
	t.Helper()
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				require.Equal(t, websocket.CloseAbnormalClosure, closed.Code)
			}
			var timeout net.Error
			require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
			return
		}
	}
}

func TestAnAppOfSomebodyElseOrOfNobodyIsNotOpened(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, Users: 2, RateLimit: -1, Apps: []App{
		{Slug: "private", Subdomain: true}, {Slug: "shared", Sharing: "authenticated", Subdomain: true}, {Slug: "public", Sharing: "public", Subdomain: true},
	}, AppHost: "*.apps.example.test"})
	const first, second = "scaletest-user-0", "scaletest-user-1"
	mine := memberToken(t, s, first)
	get := func(token, host, path string) (int, string) {
		req, err := http.NewRequest("GET", s.URL()+path, nil)
		require.NoError(t, err)
		req.Host = host
		req.Close = true
		if token != "" {
			req.Header.Set("Coder-Session-Token", token)
		}
		resp, err := staying.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	name := func(slug, workspace, user string) string {
		return slug + "--main--" + workspace + "--" + user + ".apps.example.test"
	}
	for _, c := range []struct {
		what, token, host, path string
		status                  int
	}{
		{"one's own, by path", mine, "", "/@" + first + "/scaletest-0/apps/private/", 200},
		{"another's, by path", mine, "", "/@" + second + "/scaletest-1/apps/private/", 404},
		{"another's shared one, by path", mine, "", "/@" + second + "/scaletest-1/apps/shared/", 404},
		{"another's, by the owner of the deployment", s.OwnerToken(), "", "/@" + first + "/scaletest-0/apps/private/", 404},
		{"without a token", "", "", "/@" + first + "/scaletest-0/apps/private/", 303},
		{"one's own, by name", mine, name("private", "scaletest-0", first), "/x", 200},
		{"another's, by name", mine, name("private", "scaletest-1", second), "/x", 404},
		{"another's shared one, by name", mine, name("shared", "scaletest-1", second), "/x", 200},
		{"any, by the owner of the deployment, by name", s.OwnerToken(), name("private", "scaletest-1", second), "/x", 200},
		{"a public one without a token, by name", "", name("public", "scaletest-1", second), "/x", 200},
		{"without a token, by name", "", name("shared", "scaletest-1", second), "/x", 303},
		{"none that exists, by name", mine, name("nosuch", "scaletest-1", second), "/x", 404},
		{"a port where nothing listens", mine, name("8080", "scaletest-0", first), "/x", 502},
		{"a name that means nothing", mine, "what.apps.example.test", "/x", 400},
	} {
		status, to := get(c.token, c.host, c.path)
		require.Equal(t, c.status, status, c.what)
		if status == http.StatusSeeOther {
			require.True(t, strings.HasPrefix(to, s.URL()), "%s: %s", c.what, to)
		}
	}
	var w struct {
		LatestBuild struct {
			Resources []struct{ Agents []struct{ Apps []appJSON } }
		} `json:"latest_build"`
	}
	ask(t, s, mine, "GET", "/api/v2/users/me/workspace/scaletest-0", "").into(t, 200, &w)
	apps := w.LatestBuild.Resources[0].Agents[0].Apps
	require.Len(t, apps, 3)
	require.Equal(t, "private--main--scaletest-0--scaletest-user-0", apps[0].SubdomainName)
	var host struct{ Host string }
	ask(t, s, mine, "GET", "/api/v2/applications/host", "").into(t, 200, &host)
	require.Equal(t, "*.apps.example.test"+s.URL()[strings.LastIndexByte(s.URL(), ':'):], host.Host)
}

func TestAnEchoKeepsMessagesWholeAndOfTheirKind(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	ws := mustOpenApp(t, s, "wsec")
	var sum int
	for _, n := range []int{0, 1, 125, 126, 4096, 65535, 65536, 300_000} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			want := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			written := make(chan error, 1)
			go func() { written <- ws.WriteMessage(kind, want) }()
			got, b, err := ws.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, kind, got)
			require.True(t, bytes.Equal(want, b), "%d bytes came back as %d", n, len(b))
			require.NoError(t, <-written)
			sum += n
		}
	}
	st := s.Stats()
	require.EqualValues(t, 1, st.AppSockets)
	require.EqualValues(t, sum, st.AppBytesIn)
	require.EqualValues(t, sum, st.AppBytesOut)
	require.NoError(t, ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "")))
	_, _, err := ws.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 1000), "%v", err)
	until(t, "the socket is forgotten", func() bool { return s.Stats().AppSockets == 0 })
	require.EqualValues(t, sum, s.Stats().AppBytesOut)
}

func TestAnEchoAnswersAFragmentedMessageWithAPingInside(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	ws := mustOpenApp(t, s, "wsec")
	pongs := make(chan string, 1)
	ws.SetPongHandler(func(s string) error { pongs <- s; return nil })
	mask := []byte{0, 0, 0, 0}
	frames := append(append([]byte{0x02, 0x83}, mask...), "abc"...)
	frames = append(append(frames, append([]byte{0x89, 0x81}, mask...)...), "p"...)
	frames = append(append(frames, append([]byte{0x80, 0x82}, mask...)...), "de"...)
	for i := range frames { // byte by byte
		_, err := ws.NetConn().Write(frames[i : i+1])
		require.NoError(t, err)
	}
	_, b, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "abcde", string(b))
	require.Equal(t, "p", <-pongs)
}

func TestAFloodIsHeldBackByWhoTakesNothing(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	ws := mustOpenApp(t, s, "wsra")
	var before int64
	until(t, "the flood stands still", func() bool { // for as long as a tick is
		now := s.Stats().AppBytesOut
		still := now == before && now > 0
		before = now
		return still
	})
	for range 10_000 {
		kind, b, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, websocket.BinaryMessage, kind)
		require.Len(t, b, 512)
	}
	require.NoError(t, ws.Close())
	until(t, "the flood ends with its client", func() bool { return s.Stats().AppSockets == 0 })
}

func TestADiscardingAppOnlyReads(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	ws := mustOpenApp(t, s, "wsdi")
	for range 100 {
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, make([]byte, 1000)))
	}
	until(t, "all is read", func() bool { return s.Stats().AppBytesIn == 100_000 })
	require.Zero(t, s.Stats().AppBytesOut)
}

func TestAnAppEchoesBodiesAndSeesWhoLeaksTheToken(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	const path = "/@admin/scaletest-0/apps/wsec/"
	body := strings.Repeat("large ", 1<<20) // more than the API takes
	require.Equal(t, body, string(ask(t, s, s.OwnerToken(), "POST", path, body).body))
	require.EqualValues(t, 1, s.AppSawSessionToken())

	req, err := http.NewRequest("GET", s.URL()+path, nil)
	require.NoError(t, err)
	req.Close = true
	req.AddCookie(&http.Cookie{Name: "coder_session_token", Value: s.OwnerToken()})
	req.AddCookie(&http.Cookie{Name: "mine", Value: "kept"})
	a, err := send(req)
	require.NoError(t, err)
	require.Contains(t, string(a.body), "Cookie: mine=kept\n")
	require.NotContains(t, string(a.body), s.OwnerToken())
	require.EqualValues(t, 1, s.AppSawSessionToken(), "a cookie is stripped")

	signed := (&http.Response{Header: a.header}).Cookies()
	req.Header.Del("Cookie")
	for _, c := range signed {
		req.AddCookie(c)
	}
	a, err = send(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status, "the signed cookie is enough")
	req.URL.Path = "/@admin/scaletest-0/apps/wsdi/"
	resp, err := staying.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusSeeOther, resp.StatusCode, "but only for its app")
}

func TestAppSocketsEndWithTheirAgentOrHangAsOldVersionsDo(t *testing.T) {
	for version, hangs := range map[string]bool{"v2.37.0": false, "v2.26.0": true} {
		s := Start(t, Config{Workspaces: 2, RateLimit: -1, Version: version, BuildTime: Fixed(time.Millisecond)})
		killed, _, err := openApp(t, s.URL(), "/@admin/scaletest-1/apps/wsec/", s.OwnerToken())
		require.NoError(t, err)
		require.NoError(t, s.KillAgent("admin/scaletest-1"))
		ends(t, killed)
		_, resp, err := openApp(t, s.URL(), "/@admin/scaletest-1/apps/wsec/", s.OwnerToken())
		require.Error(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Contains(t, string(b), "Application Unavailable")
		require.Equal(t, hangs, resp.StatusCode == http.StatusBadGateway)

		stopped := mustOpenApp(t, s, "wsec")
		flooded := mustOpenApp(t, s, "wsra")
		id := agentOf(s, "admin/scaletest-0").build.workspace.id.String()
		ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+id+"/builds", `{"transition":"stop"}`).into(t, 201, &struct{}{})
		if !hangs {
			ends(t, stopped)
			ends(t, flooded)
			continue
		}
		until(t, "the workspace is stopped", func() bool {
			s.state.mu.RLock()
			defer s.state.mu.RUnlock()
			return s.state.byFullName["admin/scaletest-0"].latest().workspaceStatus() == "stopped"
		})
		require.NoError(t, stopped.WriteMessage(websocket.BinaryMessage, []byte("anybody?")))
		until(t, "it was read", func() bool { return s.Stats().AppBytesIn == 8 })
		require.EqualValues(t, 2, s.Stats().AppSockets)
		require.NoError(t, stopped.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, _, err = stopped.ReadMessage()
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout(), "%v", err)
	}
}

func TestAFrozenAgentsAppsGoOnWhenItThaws(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	ws := mustOpenApp(t, s, "wsec")
	require.NoError(t, s.FreezeAgent("admin/scaletest-0"))
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte("late")))
	answered := make(chan answer, 1)
	go func() {
		a, _ := try(t.Context(), s, s.OwnerToken(), "GET", "/@admin/scaletest-0/apps/wsec/", "") // its status tells
		answered <- a
	}()
	until(t, "the request has come", func() bool { return s.Stats().AppRequests == 2 })
	require.Zero(t, s.Stats().AppBytesOut)
	require.NoError(t, s.ThawAgent("admin/scaletest-0"))
	_, b, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "late", string(b))
	require.Equal(t, http.StatusOK, (<-answered).status)
}

func TestAWorkspaceProxyServesAppsAndTerminalsOnly(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1, WorkspaceProxy: true})
	on := func(token, method, path, body string) answer {
		req, err := http.NewRequest(method, s.ProxyURL()+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Close = true
		if token != "" {
			req.Header.Set("Coder-Session-Token", token)
		}
		a, err := send(req)
		require.NoError(t, err)
		return a
	}
	on(s.OwnerToken(), "GET", "/api/v2/users/me", "").says(t, 404, "Route not found.")
	on(s.OwnerToken(), "POST", "/api/v2/users/login", "{}").says(t, 404, "Route not found.")
	var info buildInfoJSON
	on("", "GET", "/api/v2/buildinfo", "").into(t, 200, &info)
	require.True(t, info.WorkspaceProxy)
	require.Equal(t, s.URL(), info.DashboardURL)
	on(s.OwnerToken(), "GET", "/@admin/scaletest-0/apps/wsec/", "").says(t, 200, "echo GET /")
	ws, _, err := openApp(t, s.ProxyURL(), "/@admin/scaletest-0/apps/wsec/", s.OwnerToken())
	require.NoError(t, err)
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("hi")))
	_, b, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "hi", string(b))

	agent := agentOf(s, "admin/scaletest-0").id.String()
	pty := "/api/v2/workspaceagents/" + agent + "/pty"
	const mint = "/api/v2/applications/reconnecting-pty-signed-token"
	at := func(base string) string {
		return `{"url":"ws` + strings.TrimPrefix(base, "http") + pty + `","agentID":"` + agent + `"}`
	}
	ask(t, s, s.OwnerToken(), "POST", mint, at(s.URL())).says(t, 400, "must be that of a workspace proxy")
	ask(t, s, s.OwnerToken(), "POST", mint, "{").says(t, 400, "valid JSON")
	var token struct {
		SignedToken string `json:"signed_token"`
	}
	ask(t, s, s.OwnerToken(), "POST", mint, at(s.ProxyURL())).into(t, 200, &token)
	const session = "?reconnect=7a1f7f0a-8d8e-4f5e-9d3c-0f3a3f1f2f10&command=echo+ok&"
	dial := func(token string) (*websocket.Conn, error) {
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.ProxyURL(), "http")+pty+session+signedQuery+"="+token, nil)
		return ws, err
	}
	_, err = dial(token.SignedToken + "x")
	require.Error(t, err)
	ws, err = dial(token.SignedToken)
	require.NoError(t, err)
	defer ws.Close()
	_, b, err = ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "ok\r\n", string(b))
}

func TestAnEchoedMessageAllocatesNothingOfItsOwn(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	ws := mustOpenApp(t, s, "wsec")
	frame := append([]byte{0x82, 0xfe, 4096 >> 8, 0, 0, 0, 0, 0}, make([]byte, 4096)...)
	back := make([]byte, 4+4096)
	conn := ws.NetConn()
	round := func() {
		_, err := conn.Write(frame)
		if err == nil {
			_, err = io.ReadFull(conn, back)
		}
		require.NoError(t, err)
	}
	round()
	// The race detector makes pools forget at random.
	require.Less(t, testing.AllocsPerRun(1000, round), 2.0)
}
