package codertest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

const memberName, strangerName = "scaletest-user-0", "scaletest-user-1"

// startWithMembers has two members with two workspaces each.
func startWithMembers(t testing.TB) (s *Server, member string) {
	s = Start(t, Config{Users: 2, Workspaces: 4, RateLimit: -1, BuildTime: Fixed(1)})
	return s, memberToken(t, s, memberName)
}

func userID(s *Server, name string) string {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	return s.state.findUser(name).id.String()
}

func TestAMemberSeesNoWorkspaceOfOthers(t *testing.T) {
	s, member := startWithMembers(t)
	var list struct {
		Count      int
		Workspaces []seenWorkspace
	}
	ask(t, s, member, "GET", "/api/v2/workspaces", "").into(t, http.StatusOK, &list)
	require.Equal(t, 2, list.Count)
	for _, w := range list.Workspaces {
		require.Equal(t, memberName, w.Owner)
	}
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaces?q=owner:"+strangerName, "").into(t, http.StatusOK, &list)
	require.Len(t, list.Workspaces, 2)
	w := list.Workspaces[0]
	at, agent := "/api/v2/workspaces/"+w.ID.String(), "/api/v2/workspaceagents/"+agentOf(s, w.Owner+"/"+w.Name).id.String()
	build := "/api/v2/workspacebuilds/" + w.Build.ID.String()
	for _, r := range [][2]string{
		{"GET", at}, {"GET", at + "/builds"}, {"POST", at + "/builds"}, {"PUT", at + "/ttl"}, {"PUT", at + "/dormant"},
		{"PATCH", at}, {"PUT", at + "/favorite"}, {"POST", at + "/usage"}, {"GET", at + "/watch"}, {"GET", at + "/watch-ws"},
		{"GET", build}, {"GET", build + "/logs"}, {"GET", build + "/resources"}, {"PATCH", build + "/cancel"},
		{"GET", agent}, {"GET", agent + "/logs"}, {"GET", agent + "/pty"}, {"GET", agent + "/connection"}, {"GET", agent + "/listening-ports"},
		{"GET", "/api/v2/users/" + strangerName + "/workspace/" + w.Name},
		{"GET", "/api/v2/users/" + strangerName + "/workspace/" + w.Name + "/builds/1"},
	} {
		a := ask(t, s, member, r[0], r[1], `{"transition":"delete"}`)
		require.Equal(t, http.StatusNotFound, a.status, "%s %s: %s", r[0], r[1], a.body)
	}
	ask(t, s, member, "GET", "/api/v2/workspaces?q=owner:"+strangerName, "").into(t, http.StatusOK, &list)
	require.Zero(t, list.Count)
}

func TestAMemberUsesTheirOwnWorkspacesAndTerminals(t *testing.T) {
	s, member := startWithMembers(t)
	dial := func(workspace string) (*websocket.Conn, *http.Response, error) {
		q := url.Values{"reconnect": {uuid.NewString()}, "command": {dd}}
		u := "ws" + strings.TrimPrefix(s.URL(), "http") + "/api/v2/workspaceagents/" + agentOf(s, workspace).id.String() + "/pty?" + q.Encode()
		return websocket.DefaultDialer.Dial(u, http.Header{"Coder-Session-Token": {member}})
	}
	_, resp, err := dial(strangerName + "/scaletest-1")
	require.Error(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	ws, _, err := dial(memberName + "/scaletest-0")
	require.NoError(t, err)
	defer ws.Close()
	c := &tty{t, ws}
	c.send(`{"data":"x"}`)
	c.expect("x")
	w := newWorkspace(t, s, member, "mine")
	require.Equal(t, memberName, w.Owner)
	require.Equal(t, "running", ended(t, s, w.Build.ID).Status)
	require.Equal(t, http.StatusCreated, ask(t, s, member, "POST", "/api/v2/workspaces/"+w.ID.String()+"/builds", `{"transition":"delete"}`).status)
	ask(t, s, member, "POST", "/api/v2/users/"+strangerName+"/workspaces", `{"template_id":"`+templateID(t, s)+`","name":"theirs"}`).
		says(t, http.StatusForbidden, "Unauthorized to create workspace.")
}

func TestAMemberKnowsAndChangesNoOtherUser(t *testing.T) {
	s, member := startWithMembers(t)
	var list struct {
		Count int
		Users []struct{ Username string }
	}
	ask(t, s, member, "GET", "/api/v2/users", "").into(t, http.StatusOK, &list)
	require.Equal(t, 1, list.Count)
	require.Equal(t, memberName, list.Users[0].Username)
	for _, other := range []string{strangerName, "admin", userID(s, strangerName)} {
		for _, r := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"GET", "/roles"}, {"PUT", "/status/suspend"}, {"PUT", "/status/activate"},
			{"POST", "/keys"}, {"POST", "/keys/tokens"}, {"GET", "/keys/tokens"}, {"GET", "/keys/x"}, {"DELETE", "/keys/x"}} {
			a := ask(t, s, member, r[0], "/api/v2/users/"+other+r[1], "{}")
			require.Contains(t, []int{http.StatusNotFound, http.StatusForbidden}, a.status, "%s %s%s: %s", r[0], other, r[1], a.body)
		}
	}
	for _, status := range []string{"suspend", "activate"} {
		require.Contains(t, []int{http.StatusForbidden, http.StatusBadRequest}, ask(t, s, member, "PUT", "/api/v2/users/me/status/"+status, "").status, status)
	}
	require.Equal(t, http.StatusForbidden, ask(t, s, member, "POST", "/api/v2/users", "{}").status)
	require.Equal(t, http.StatusOK, ask(t, s, member, "GET", "/api/v2/users/me", "").status)
}

func TestAMembersTokensAreTheirOwn(t *testing.T) {
	s, member := startWithMembers(t)
	keyID, _, _ := strings.Cut(s.OwnerToken(), "-")
	for _, method := range []string{"GET", "DELETE"} {
		require.Equal(t, http.StatusNotFound, ask(t, s, member, method, "/api/v2/users/me/keys/"+keyID, "").status)
	}
	var made struct{ Key string }
	ask(t, s, member, "POST", "/api/v2/users/me/keys/tokens", `{"token_name":"mine"}`).into(t, http.StatusCreated, &made)
	var list []struct {
		Name string `json:"token_name"`
		User string `json:"user_id"`
	}
	ask(t, s, member, "GET", "/api/v2/users/me/keys/tokens", "").into(t, http.StatusOK, &list)
	require.Len(t, list, 1)
	require.Equal(t, "mine", list[0].Name)
	require.Equal(t, userID(s, memberName), list[0].User)
	keyID, _, _ = strings.Cut(made.Key, "-")
	require.Equal(t, http.StatusOK, ask(t, s, made.Key, "GET", "/api/v2/users/me", "").status)
	require.Equal(t, http.StatusNoContent, ask(t, s, member, "DELETE", "/api/v2/users/me/keys/"+keyID, "").status)
	require.Equal(t, http.StatusUnauthorized, ask(t, s, made.Key, "GET", "/api/v2/users/me", "").status)
}

func TestASuspendedMemberIsLockedOut(t *testing.T) {
	s, member := startWithMembers(t)
	require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "PUT", "/api/v2/users/"+memberName+"/status/suspend", "").status)
	ask(t, s, member, "GET", "/api/v2/users/me", "").says(t, http.StatusUnauthorized, "User is not active")
	require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "PUT", "/api/v2/users/"+memberName+"/status/activate", "").status)
	require.Equal(t, http.StatusOK, ask(t, s, member, "GET", "/api/v2/users/me", "").status)
}
