package coder_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// TestRequestsHoldWhatAllVersionsTake pins what is sent: keys that a server
// from 2.17 on knows, and nothing that is not set.
func TestRequestsHoldWhatAllVersionsTake(t *testing.T) {
	id := uuid.MustParse("11111111-2222-4333-8444-555555555555")
	const path = "/base/api/v2"
	for name, tc := range map[string]struct {
		call func(context.Context, *coder.Client) error
		want string
		body string
	}{
		"workspace": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateWorkspace(ctx, "alice", coder.CreateWorkspaceRequest{Name: "w", TemplateID: id, Parameters: []coder.BuildParameter{{Name: "a", Value: "b"}}})
			return err
		}, "POST " + path + "/users/alice/workspaces", `{"name":"w","template_id":"` + id.String() + `","rich_parameter_values":[{"name":"a","value":"b"}]}`},
		"delete": {func(ctx context.Context, c *coder.Client) error { _, err := c.DeleteWorkspace(ctx, id); return err },
			"POST " + path + "/workspaces/" + id.String() + "/builds", `{"transition":"delete"}`},
		"orphan": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateBuild(ctx, id, coder.CreateBuildRequest{Transition: coder.TransitionDelete, Orphan: true})
			return err
		}, "POST " + path + "/workspaces/" + id.String() + "/builds", `{"transition":"delete","orphan":true}`},
		"user": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateUser(ctx, coder.CreateUserRequest{Username: "a", Email: "a@b.c", Password: "p"})
			return err
		}, "POST " + path + "/users", `{"username":"a","email":"a@b.c","password":"p","login_type":"password","organization_ids":["00000000-0000-0000-0000-000000000000"]}`},
		"token": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateToken(ctx, coder.Me, coder.CreateTokenRequest{Lifetime: time.Hour, Name: "n"})
			return err
		}, "POST " + path + "/users/me/keys/tokens", `{"lifetime":3600000000000,"token_name":"n"}`},
		"session": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateSessionKey(ctx, "alice")
			return err
		}, "POST " + path + "/users/alice/keys", ``},
		"roles": {func(ctx context.Context, c *coder.Client) error { _, err := c.SetUserRoles(ctx, "a"); return err },
			"PUT " + path + "/users/a/roles", `{"roles":[]}`},
		"ttl": {func(ctx context.Context, c *coder.Client) error { return c.SetTTL(ctx, id, time.Hour) },
			"PUT " + path + "/workspaces/" + id.String() + "/ttl", `{"ttl_ms":3600000}`},
		"no ttl": {func(ctx context.Context, c *coder.Client) error { return c.SetTTL(ctx, id, 0) },
			"PUT " + path + "/workspaces/" + id.String() + "/ttl", `{"ttl_ms":null}`},
		"autostart": {func(ctx context.Context, c *coder.Client) error {
			return c.SetAutostart(ctx, id, "CRON_TZ=UTC 30 9 * * 1-5")
		}, "PUT " + path + "/workspaces/" + id.String() + "/autostart", `{"schedule":"CRON_TZ=UTC 30 9 * * 1-5"}`},
		"template version": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateTemplateVersion(ctx, "default", coder.CreateTemplateVersionRequest{FileID: id, Variables: map[string]string{"b": "2", "a": "1"}})
			return err
		}, "POST " + path + "/organizations/default/templateversions", `{"storage_method":"file","file_id":"` + id.String() + `","provisioner":"terraform","tags":{},"user_variable_values":[{"name":"a","value":"1"},{"name":"b","value":"2"}]}`},
		"template": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.CreateTemplate(ctx, "default", coder.CreateTemplateRequest{Name: "t", VersionID: id})
			return err
		}, "POST " + path + "/organizations/default/templates", `{"name":"t","template_version_id":"` + id.String() + `"}`},
		"authcheck": {func(ctx context.Context, c *coder.Client) error {
			_, err := c.AuthCheck(ctx, map[string]coder.Permission{"x": {Action: "create", ResourceType: "workspace", OwnerID: coder.Me, AnyOrganization: true}})
			return err
		}, "POST " + path + "/authcheck", `{"checks":{"x":{"object":{"resource_type":"workspace","owner_id":"me","any_org":true},"action":"create"}}}`},
		"usage": {func(ctx context.Context, c *coder.Client) error { return c.PostUsage(ctx, id, uuid.Nil, "") },
			"POST " + path + "/workspaces/" + id.String() + "/usage", `{}`},
		"cancel": {func(ctx context.Context, c *coder.Client) error { return c.CancelBuild(ctx, id, coder.CancelPending) },
			"PATCH " + path + "/workspacebuilds/" + id.String() + "/cancel?expect_status=pending", ``},
		"odd name": {func(ctx context.Context, c *coder.Client) error { return c.DeleteUser(ctx, "a/../b?c") },
			"DELETE " + path + "/users/a%2F..%2Fb%3Fc", ``},
		"any": {func(ctx context.Context, c *coder.Client) error {
			return c.Post(ctx, "/api/v2/x%2Fy?q=1", map[string]int{"a": 1}, nil)
		}, "POST " + path + "/x%2Fy?q=1", `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := fakeClient(t, coder.Config{UserAgent: "me/1", Header: http.Header{"X-Proxy": {"yes"}}}, answers(says(200, "{}")))
			require.NoError(t, tc.call(t.Context(), c))
			req := f.requests[0]
			assert.Equal(t, tc.want, req.Method+" "+req.URL.RequestURI())
			if tc.body == "" {
				assert.Empty(t, f.bodies[0])
			} else {
				assert.JSONEq(t, tc.body, f.bodies[0])
			}
			assert.Equal(t, testToken, req.Header.Get("Coder-Session-Token"))
			assert.Equal(t, "me/1", req.Header.Get("User-Agent"))
			assert.Equal(t, "yes", req.Header.Get("X-Proxy"))
			assert.Empty(t, req.Header.Get("Cookie"))
			assert.Empty(t, req.Header.Get("Authorization"))
		})
	}
}

func TestNamesThatWouldReachAnotherEndpointAreRefused(t *testing.T) {
	c, f := fakeClient(t, coder.Config{}, answers(says(200, "{}")))
	for _, name := range []string{"", ".", ".."} {
		require.Error(t, c.DeleteUser(t.Context(), name))
		_, err := c.WorkspaceByOwnerAndName(t.Context(), name, "w")
		require.Error(t, err)
	}
	require.Error(t, c.Get(t.Context(), "https://elsewhere.test/", nil))
	require.Error(t, c.Get(t.Context(), "//elsewhere.test/", nil))
	assert.Zero(t, f.count())
}

func TestARequestThatIsTooLargeIsNotSent(t *testing.T) {
	c, f := fakeClient(t, coder.Config{}, answers(says(200, "{}")))
	err := c.Post(t.Context(), "/api/v2/authcheck", strings.Repeat("x", 4<<20), nil)
	require.ErrorContains(t, err, "send less at once")
	assert.Zero(t, f.count())
}

func TestLooseAnswersAreRead(t *testing.T) {
	for name, body := range map[string]string{
		"missing":      `{}`,
		"null":         `{"latest_build":{"resources":null,"deadline":null,"job":{"worker_id":null}},"health":null}`,
		"unknown":      `{"latest_build":{"status":"teleporting","job":{"status":"dreaming"}},"new_key":{"a":[1]}}`,
		"other casing": `{"Latest_Build":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := fakeClient(t, coder.Config{}, answers(says(200, body)))
			w, err := c.Workspace(t.Context(), uuid.New())
			require.NoError(t, err)
			assert.Empty(t, w.Agents())
			assert.False(t, w.LatestBuild.Done())
		})
	}
}

func TestErrorsAreOneSentence(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func() (*http.Response, error)
		want   string
	}{
		"JSON": {says(409, `{"message":"User already exists.","detail":"a","validations":[{"field":"username","detail":"Taken."},{"field":"email","detail":"Taken."}]}`),
			"create user bob: User already exists: a: username: Taken; email: Taken (409 from POST /base/api/v2/users)"},
		"request ID":     {says(500, `{"message":"Oh."}`, "X-Coder-Request-Id", "r1"), "create user bob: Oh (500 from POST /base/api/v2/users, request r1)"},
		"page":           {says(404, "<!doctype html><title>404 - Application &amp; Co</title>"), "create user bob: Application & Co (404 from POST /base/api/v2/users)"},
		"page, untitled": {says(500, "<html>"), "create user bob: Internal Server Error (500 from POST /base/api/v2/users)"},
		"text":           {says(500, "boom\n\x1b[31mtrace"), "create user bob: boom (500 from POST /base/api/v2/users)"},
		"empty":          {says(500, ""), "create user bob: Internal Server Error (500 from POST /base/api/v2/users)"},
		"no status text": {says(599, ""), "create user bob: the answer says nothing (599 from POST /base/api/v2/users)"},
		"not Coder":      {says(500, "", "X-Coder-Build-Version", ""), "create user bob: Internal Server Error (500 from POST /base/api/v2/users); the answer is not from Coder, look at the URL and at proxies in between"},
		"dashboard":      {says(200, "<title>Coder</title>"), "create user bob: Coder (200 from POST /base/api/v2/users); this server does not have the endpoint and answers with the dashboard's page"},
		"wrong type":     {says(200, `{"username":7}`), "create user bob: the answer is not what this endpoint gives: json: cannot unmarshal number into Go struct field User.username of type string (200 from POST /base/api/v2/users)"},
		"reset":          {fails(errReset), "create user bob: http://coder.test: the connection was reset"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := fakeClient(t, coder.Config{}, answers(tc.answer))
			_, err := c.CreateUser(t.Context(), coder.CreateUserRequest{Username: "bob"})
			assert.EqualError(t, err, tc.want)
		})
	}
}
