package codertest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func setRole(t *testing.T, s *Server, user, role string) string {
	t.Helper()
	token := memberToken(t, s, user)
	ask(t, s, s.OwnerToken(), "PUT", "/api/v2/users/"+user+"/roles", `{"roles":["`+role+`","member"]}`).into(t, http.StatusOK, &struct{}{})
	return token
}

func TestRolesAreRefusedThatNobodyMayGive(t *testing.T) {
	s := Start(t, Config{Users: 3, RateLimit: -1})
	admin := setRole(t, s, "scaletest-user-0", roleUserAdmin)
	member := memberToken(t, s, "scaletest-user-1")
	const other, roles = "/api/v2/users/scaletest-user-2", "/api/v2/users/scaletest-user-2/roles"
	ask(t, s, member, "PUT", roles, `{"roles":["owner"]}`).says(t, 404, "not found")
	ask(t, s, admin, "PUT", roles, `{"roles":["owner"]}`).says(t, 403, "Forbidden")
	ask(t, s, admin, "PUT", "/api/v2/users/admin/roles", `{"roles":[]}`).says(t, 403, "Forbidden")
	ask(t, s, admin, "PUT", "/api/v2/users/me/roles", `{"roles":[]}`).says(t, 400, "your own roles")
	ask(t, s, s.OwnerToken(), "PUT", roles, `{"roles":["emperor"]}`).says(t, 400, `\"emperor\" is not a valid`)
	ask(t, s, s.OwnerToken(), "PUT", roles, `{`).says(t, 400, "valid JSON")
	ask(t, s, admin, "PUT", roles, `{"roles":["auditor"]}`).says(t, 200, "Auditor")
	ask(t, s, admin, "POST", other+"/keys", "").says(t, 403, "Forbidden")
	ask(t, s, admin, "DELETE", "/api/v2/users/admin", "").says(t, 403, "Forbidden")
	ask(t, s, admin, "DELETE", other, "").says(t, 200, "deleted")
	var all []struct {
		Name       string
		Assignable bool
	}
	ask(t, s, admin, "GET", "/api/v2/users/roles", "").into(t, 200, &all)
	require.Len(t, all, 4)
	require.False(t, all[0].Assignable, "a user admin makes no owners")
}

func TestATemplateAdminSeesWorkspacesAndChangesOnlyTemplates(t *testing.T) {
	s := Start(t, Config{Users: 2, Workspaces: 2, RateLimit: -1})
	admin := setRole(t, s, "scaletest-user-0", roleTemplateAdmin)
	w := agentOf(s, "scaletest-user-1/scaletest-1").build.workspace
	at := "/api/v2/workspaces/" + w.id.String()
	ask(t, s, admin, "GET", at, "").says(t, 200, "scaletest-1")
	ask(t, s, admin, "POST", at+"/builds", `{"transition":"stop"}`).says(t, 403, "Forbidden")
	ask(t, s, admin, "PUT", at+"/ttl", `{"ttl_ms":null}`).says(t, 403, "Forbidden")
	ask(t, s, admin, "GET", "/api/v2/workspaceagents/"+agentOf(s, "scaletest-user-1/scaletest-1").id.String()+"/pty?reconnect=x", "").says(t, 404, "Application Not Found")
	var may map[string]bool
	ask(t, s, admin, "POST", "/api/v2/authcheck", `{"checks":{
		"templates":{"object":{"resource_type":"template","organization_id":"`+s.state.organization.id.String()+`"},"action":"update"},
		"others":{"object":{"resource_type":"workspace","owner_id":"`+w.owner.id.String()+`"},"action":"delete"},
		"users":{"object":{"resource_type":"user"},"action":"create"},
		"seen":{"object":{"resource_type":"user"},"action":"read"}}}`).into(t, 200, &may)
	require.Equal(t, map[string]bool{"templates": true, "others": false, "users": false, "seen": true}, may)
}

func TestMembersCancelOnlyWhereTheTemplateAllowsIt(t *testing.T) {
	s := Start(t, Config{Users: 1, BuildTime: Fixed(time.Hour), RateLimit: -1})
	token := memberToken(t, s, "scaletest-user-0")
	var templates []templateJSON
	ask(t, s, token, "GET", "/api/v2/templates", "").into(t, 200, &templates)
	at := "/api/v2/templates/" + templates[0].ID.String()
	var w workspaceJSON
	ask(t, s, token, "POST", "/api/v2/users/me/workspaces", `{"name":"mine","template_id":"`+templates[0].ID.String()+`"}`).into(t, 201, &w)
	until(t, "it builds", func() bool {
		ask(t, s, token, "GET", "/api/v2/workspaces/"+w.ID.String(), "").into(t, 200, &w)
		return w.LatestBuild.Job.Status == "running"
	})
	cancel := "/api/v2/workspacebuilds/" + w.LatestBuild.ID.String() + "/cancel"
	ask(t, s, token, "PATCH", cancel, "").says(t, 403, "not allowed to cancel")
	ask(t, s, token, "PATCH", at, `{"allow_user_cancel_workspace_jobs":true}`).says(t, 403, "Forbidden")
	ask(t, s, s.OwnerToken(), "PATCH", at, `{"name":"not ok"}`).says(t, 400, "name")
	ask(t, s, s.OwnerToken(), "PATCH", at, `{"allow_user_cancel_workspace_jobs":true,"display_name":"Nice"}`).says(t, 200, "Nice")
	require.Equal(t, http.StatusNotModified, ask(t, s, s.OwnerToken(), "PATCH", at, `{"display_name":"Nice"}`).status)
	ask(t, s, token, "GET", "/api/v2/workspaces/"+w.ID.String(), "").into(t, 200, &w)
	require.True(t, w.TemplateAllowUserCancelWorkspaceJobs)
	require.Equal(t, "Nice", w.TemplateDisplayName)
	ask(t, s, token, "PATCH", cancel, "").says(t, 200, "canceled")
}

func TestANewPasswordEndsTheSessionsOfTheOldOne(t *testing.T) {
	s := Start(t, Config{Users: 1, RateLimit: -1})
	token := memberToken(t, s, "scaletest-user-0")
	const mine = "/api/v2/users/me/password"
	ask(t, s, token, "PUT", mine, `{"old_password":"wrong","password":"N3w!Passw0rd-long"}`).says(t, 400, "incorrect")
	ask(t, s, token, "PUT", mine, `{"password":"N3w!Passw0rd-long"}`).says(t, 400, "required")
	ask(t, s, token, "PUT", mine, `{"old_password":"Passw0rd!scaletest-user-0","password":"weak"}`).says(t, 400, "insecure")
	a := ask(t, s, token, "PUT", mine, `{"old_password":"Passw0rd!scaletest-user-0","password":"N3w!Passw0rd-long"}`)
	require.Equal(t, http.StatusNoContent, a.status)
	ask(t, s, token, "GET", "/api/v2/users/me", "").says(t, 401, "API key is invalid")
	ask(t, s, "", "POST", "/api/v2/users/login", `{"email":"scaletest-user-0@example.com","password":"N3w!Passw0rd-long"}`).says(t, 201, "session_token")
	a = ask(t, s, s.OwnerToken(), "PUT", "/api/v2/users/scaletest-user-0/password", `{"password":"An0ther!Passw0rd"}`)
	require.Equal(t, http.StatusNoContent, a.status)
}

func TestPrebuiltWorkspacesBelongToAUserThatNoListShows(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, Prebuilds: 2, RateLimit: -1})
	var all workspacesJSON
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaces?q=owner:prebuilds", "").into(t, 200, &all)
	require.Len(t, all.Workspaces, 2)
	for _, w := range all.Workspaces {
		require.True(t, w.IsPrebuild)
		require.Equal(t, "c42fdf75-3097-471c-8c33-fb52454d81c0", w.OwnerID.String())
		require.Regexp(t, "^prebuild-", w.Name)
	}
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaces", "").into(t, 200, &all)
	require.Equal(t, 3, all.Count)
	for _, list := range []string{"/api/v2/users", "/api/v2/organizations/default/members"} {
		require.NotContains(t, string(ask(t, s, s.OwnerToken(), "GET", list, "").body), "prebuilds", list)
	}
}
