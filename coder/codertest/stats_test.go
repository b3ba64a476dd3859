package codertest

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTerminalsAreCountedWhileTheyAreOpenAndAfterwards(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	const typed = `{"data":"abc"}`
	c.send(typed)
	c.expect("abc")
	check := func() {
		t.Helper()
		st := s.Stats()
		require.EqualValues(t, 1, st.MessagesIn)
		require.EqualValues(t, len(typed), st.BytesIn)
		require.EqualValues(t, 1, st.MessagesOut)
		require.EqualValues(t, 3, st.BytesOut)
		require.EqualValues(t, 1, st.TerminalsOpened)
	}
	require.EqualValues(t, 1, s.Stats().Terminals)
	until(t, "the message is counted", func() bool { return s.Stats().MessagesOut == 1 })
	check()
	require.NoError(t, c.ws.Close())
	until(t, "the terminal is gone", func() bool { return s.Stats().Terminals == 0 && s.Stats().Connections == 0 })
	check()
}

func TestRequestsAreCountedByRouteAndAnswer(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, Routes: []RouteFault{{Path: "/api/v2/templates", ErrorRate: 1, ErrorStatus: -1}}})
	for _, name := range []string{"admin/scaletest-0", "admin/scaletest-1"} {
		agentStatus(t, s, name)
		openTTY(t, s, name, uuid.New(), dd)
	}
	ask(t, s, "", "GET", "/api/v2/workspaceagents/"+uuid.NewString(), "")
	ask(t, s, "", "GET", "/healthz", "")
	_, err := try(t.Context(), s, s.OwnerToken(), "GET", "/api/v2/templates", "")
	require.Error(t, err)
	const agent = "GET /api/v2/workspaceagents/{agent}"
	want := map[RouteCode]int64{
		{agent, http.StatusOK}: 2, {agent, http.StatusUnauthorized}: 1, {agent + "/pty", http.StatusSwitchingProtocols}: 2,
		{"GET /healthz", http.StatusOK}: 1, {"GET /api/v2/templates", 0}: 1,
	}
	st := s.Stats()
	require.Equal(t, want, st.Routes)
	require.EqualValues(t, 7, st.Requests)
	st.Routes[RouteCode{}] = 1 // it is the caller's own
	require.Equal(t, want, s.Stats().Routes)
}
