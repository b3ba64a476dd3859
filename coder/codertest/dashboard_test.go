package codertest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// follow opens a WebSocket of the API.
func follow(t testing.TB, s *Server, token, path string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+path, http.Header{"Coder-Session-Token": {token}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(20*time.Second)))
	return ws
}

func TestPagesForAdminsAreRefusedToMembers(t *testing.T) {
	s := Start(t, Config{Users: 1, Workspaces: 1, RateLimit: -1})
	token := memberToken(t, s, "scaletest-user-0")
	const period = "?start_time=2026-01-01T00:00:00Z&end_time=2026-01-08T00:00:00Z&template_ids="
	for _, path := range []string{
		"/debug/health", "/debug/metrics", "/deployment/config", "/insights/templates" + period,
		"/insights/user-latency" + period, "/insights/user-activity" + period, "/organizations/default/provisionerjobs",
	} {
		ask(t, s, token, "GET", "/api/v2"+path, "").says(t, http.StatusForbidden, "Forbidden")
		require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "GET", "/api/v2"+path, "").status, path)
	}
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/insights/templates", "").says(t, 400, "start_time")
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/organizations/default/provisionerjobs?limit=x", "").says(t, 400, "limit")
	for _, path := range []string{"/tasks", "/templates/examples", "/regions", "/users/roles", "/notifications/inbox"} {
		require.Equal(t, http.StatusOK, ask(t, s, token, "GET", "/api/v2"+path, "").status, path)
	}
	for _, path := range []string{"/appearance", "/entitlements", "/groups", "/workspaceproxies"} {
		ask(t, s, s.OwnerToken(), "GET", "/api/v2"+path, "").says(t, 404, "Route not found.")
	}
	for _, page := range []string{"/", "/workspaces", "/templates", "/@scaletest-user-0/scaletest-0"} {
		a := ask(t, s, "", "GET", page, "")
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.header.Get("Content-Type"), "text/html")
	}
}

func TestMetricsAreWhatTheServerCounts(t *testing.T) {
	s := Start(t, Config{Workspaces: 3, RateLimit: -1})
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/me", "")
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	text := string(ask(t, s, s.OwnerToken(), "GET", "/api/v2/debug/metrics", "").body)
	for _, line := range []string{
		`coderd_api_requests_processed_total{code="200",method="GET",path="/api/v2/users/{user}"} 1`,
		`coderd_api_workspace_latest_build{status="succeeded"} 3`,
		`coderd_agents_connections{status="connected"} 2`,
		`coderd_agents_connections{status="disconnected"} 1`,
		`# TYPE coderd_provisionerd_num_daemons gauge`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestWatchesTellAtOnceWhatHasHappened(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1, BuildTime: Fixed(10 * time.Millisecond)})
	w := agentOf(s, "admin/scaletest-0").build.workspace
	at := "/api/v2/workspaces/" + w.id.String()
	events := follow(t, s, s.OwnerToken(), at+"/agent-connection-watch")
	next := func() (e connectionEventJSON) {
		require.NoError(t, events.ReadJSON(&e))
		return e
	}
	require.Equal(t, &buildUpdateJSON{"start", "succeeded"}, next().Build)
	require.Equal(t, "ready", next().Agent.Lifecycle)
	ask(t, s, s.OwnerToken(), "POST", at+"/builds", `{"transition":"stop"}`).into(t, 201, &struct{}{})
	for {
		e := next()
		require.NotNil(t, e.Build, "a stopped workspace has no agent")
		require.Equal(t, "stop", e.Build.Transition)
		if e.Build.JobStatus == "succeeded" {
			break
		}
	}
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaces/x/agent-connection-watch", "").says(t, 400, "Invalid UUID")
}

func TestMetadataTellsWhenItWasCollected(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	a := agentOf(s, "admin/scaletest-0")
	s.state.mu.Lock()
	a.created = now().Add(50*time.Millisecond - 2*metadataInterval) // so that it is soon collected anew
	s.state.mu.Unlock()
	ws := follow(t, s, s.OwnerToken(), "/api/v2/workspaceagents/"+a.id.String()+"/watch-metadata-ws")
	var first, second struct{ Data []agentMetadataJSON }
	require.NoError(t, ws.ReadJSON(&first))
	require.NoError(t, ws.ReadJSON(&second))
	collected, err := time.Parse(time.RFC3339Nano, second.Data[0].Result.Value)
	require.NoError(t, err)
	require.WithinDuration(t, second.Data[0].Result.CollectedAt, collected, 0)
	require.Equal(t, metadataInterval, collected.Sub(first.Data[0].Result.CollectedAt))
	before := first.Data[0].Result
	require.NotEqual(t, before.Value, second.Data[0].Result.Value)

	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	last, lives := a.collected(now().Add(time.Hour))
	require.False(t, lives)
	require.WithinDuration(t, collected, last, metadataInterval, "a dead agent collects nothing more")
}

func TestAgentLogsFollowTheStartupScript(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	a := agentOf(s, "admin/scaletest-0")
	s.state.mu.Lock()
	a.ready, a.firstConnected = nil, nil
	s.state.mu.Unlock()
	ws := follow(t, s, s.OwnerToken(), "/api/v2/workspaceagents/"+a.id.String()+"/logs?follow&after=0")
	var lines []agentLogJSON
	require.NoError(t, ws.ReadJSON(&lines))
	require.Empty(t, lines, "the first message always comes")
	s.state.mu.Lock()
	a.connect(now())
	s.changed(a.build)
	s.state.mu.Unlock()
	require.NoError(t, ws.ReadJSON(&lines))
	require.Len(t, lines, 2)
}

func TestTheInboxOfThoseWhoManageUsersTellsWhatBecameOfThem(t *testing.T) {
	s := Start(t, Config{Users: 1, RateLimit: -1})
	ws := follow(t, s, s.OwnerToken(), "/api/v2/notifications/inbox/watch?read_status=unread")
	ask(t, s, s.OwnerToken(), "PUT", "/api/v2/users/scaletest-user-0/status/suspend", "").says(t, 200, "suspended")
	var got struct {
		Notification notificationJSON
		UnreadCount  int `json:"unread_count"`
	}
	require.NoError(t, ws.ReadJSON(&got))
	require.Equal(t, `User account "scaletest-user-0" suspended`, got.Notification.Title)
	require.Positive(t, got.UnreadCount)
	var all struct{ Notifications []notificationJSON }
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/notifications/inbox", "").into(t, 200, &all)
	require.NotEmpty(t, all.Notifications)
}

func TestAFormOfParametersIsEvaluatedWithEachInput(t *testing.T) {
	s := Start(t, Config{RateLimit: -1})
	var templates []templateJSON
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates", "").into(t, 200, &templates)
	at := "/api/v2/templateversions/" + templates[0].ActiveVersionID.String() + "/dynamic-parameters"
	ask(t, s, s.OwnerToken(), "POST", at+"/evaluate", "{").says(t, 400, "valid JSON")
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/templateversions/"+s.deploymentID.String()+"/dynamic-parameters/evaluate", "{}").says(t, 404, "not found")
	var form dynamicJSON
	ask(t, s, s.OwnerToken(), "POST", at+"/evaluate", `{"id":5,"inputs":{"size":"huge"}}`).into(t, 200, &form)
	problems := map[string]int{}
	for _, p := range form.Parameters {
		problems[p.Name] = len(p.Diagnostics)
	}
	require.Equal(t, map[string]int{"greeting": 0, "size": 1, "delay": 0}, problems)
	ws := follow(t, s, s.OwnerToken(), at)
	require.NoError(t, ws.ReadJSON(&form))
	require.Equal(t, -1, form.ID)
	for id, part := range []string{`{"id":`, `0,"inputs":{"greeting":"hi"}}`, `{"id":1,"inputs":{}}`} {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(part)))
		if id == 0 {
			continue
		}
		require.NoError(t, ws.ReadJSON(&form))
		require.Equal(t, id-1, form.ID)
	}
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`"no object"`)))
	_, _, err := ws.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 1003), "%v", err)
}
