package coder_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// TestCallsWithoutARecordingAskTheRightEndpoint covers what the recordings do
// not.
func TestCallsWithoutARecordingAskTheRightEndpoint(t *testing.T) {
	id := uuid.MustParse("11111111-2222-4333-8444-555555555555")
	for want, tc := range map[string]struct {
		answer string
		call   func(context.Context, *coder.Client) (any, error)
		got    any
	}{
		"GET /api/v2/workspacebuilds/" + id.String() + "/state": {`{"resources":[]} `,
			func(ctx context.Context, c *coder.Client) (any, error) { return c.BuildState(ctx, id) }, []byte(`{"resources":[]} `)},
		"GET /api/v2/debug/health?force=true": {`{"healthy":true}`,
			func(ctx context.Context, c *coder.Client) (any, error) {
				report, err := c.Health(ctx, true)
				return string(report), err
			}, `{"healthy":true}`},
		"GET /api/v2/users/me/keys/tokens?include_all=true": {`[{"id":"abcdefghij"}]`,
			func(ctx context.Context, c *coder.Client) (any, error) { return c.AllTokens(ctx) }, []coder.APIKey{{ID: "abcdefghij"}}},
		"POST /api/v2/organizations/o/members/u": {`{}`,
			func(ctx context.Context, c *coder.Client) (any, error) { return nil, c.AddMember(ctx, "o", "u") }, nil},
		"DELETE /api/v2/organizations/o/members/u": {``,
			func(ctx context.Context, c *coder.Client) (any, error) { return nil, c.RemoveMember(ctx, "o", "u") }, nil},
		"DELETE /api/v2/templates/" + id.String(): {`{}`,
			func(ctx context.Context, c *coder.Client) (any, error) { return nil, c.DeleteTemplate(ctx, id) }, nil},
		"PATCH /api/v2/templates/" + id.String() + "/versions": {`{}`,
			func(ctx context.Context, c *coder.Client) (any, error) { return nil, c.SetActiveVersion(ctx, id, id) }, nil},
		"PATCH /api/v2/templateversions/" + id.String() + "/cancel": {`{}`,
			func(ctx context.Context, c *coder.Client) (any, error) { return nil, c.CancelTemplateVersion(ctx, id) }, nil},
		"PUT /api/v2/workspaces/" + id.String() + "/dormant": {`{}`,
			func(ctx context.Context, c *coder.Client) (any, error) { return nil, c.SetDormant(ctx, id, true) }, nil},
		"GET /api/v2/workspaces/" + id.String() + "/external-agent/main/credentials": {`{"agent_token":"t","command":"c"}`,
			func(ctx context.Context, c *coder.Client) (any, error) { return c.ExternalAgentToken(ctx, id, "main") }, "t"},
		"GET /api/v2/users?limit=100": {`{"users":[{"username":"alice","roles":[{"name":"owner"}]}],"count":1}`,
			func(ctx context.Context, c *coder.Client) (any, error) {
				users, err := c.AllUsers(ctx, coder.UsersQuery{})
				return len(users) == 1 && users[0].IsOwner(), err
			}, true},
	} {
		t.Run(want, func(t *testing.T) {
			c, f := fakeClient(t, coder.Config{}, answers(says(200, tc.answer)))
			got, err := tc.call(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, tc.got, got)
			req := f.requests[0]
			assert.Equal(t, "/base"+want[len(req.Method)+1:], req.URL.RequestURI())
			assert.Equal(t, want[:len(req.Method)], req.Method)
		})
	}
}

func TestNothingToChangeIsNoError(t *testing.T) {
	c, _ := fakeClient(t, coder.Config{}, answers(says(304, "")))
	require.NoError(t, c.SetDormant(t.Context(), uuid.Nil, true))
	require.NoError(t, c.ExtendWorkspace(t.Context(), uuid.Nil, time.Now()))
}

func TestAVersionThatIsStillImportedCanBeWaitedFor(t *testing.T) {
	c, _ := fakeClient(t, coder.Config{}, answers(says(406, `{"message":"The provided template version is running. Wait for it to complete importing!"}`)))
	_, err := c.CreateBuild(t.Context(), uuid.Nil, coder.CreateBuildRequest{Transition: coder.TransitionStart})
	require.True(t, coder.IsImporting(err))
	synctest.Test(t, func(t *testing.T) {
		c, _ := fakeClient(t, coder.Config{}, answers(says(200, `{"job":{"status":"running"}}`), says(200, `{"name":"v1","job":{"status":"succeeded"}}`)))
		v, err := c.WaitTemplateVersion(t.Context(), uuid.Nil)
		require.NoError(t, err)
		assert.Equal(t, "v1", v.Name)
		c, _ = fakeClient(t, coder.Config{}, answers(says(200, `{"job":{"status":"failed","error":"no such module"}}`)))
		_, err = c.WaitTemplateVersion(t.Context(), uuid.Nil)
		require.ErrorContains(t, err, "the job failed: no such module")
	})
}

func TestTheLogOfAnImportIsFollowedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /api/v2/templateversions/{id}/logs", socket(t, func(_ *http.Request, conn *websocket.Conn) {
			write(conn, line(1))
			time.Sleep(time.Hour) // never closes
		}))
		mux.HandleFunc("GET /api/v2/templateversions/{id}", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"job":{"status":"succeeded"}}`)
		})
		c := pipeClient(t, coder.Config{}, mux)
		var lines []coder.ProvisionerLog
		for l, err := range c.FollowTemplateVersionLogs(t.Context(), uuid.New(), 0) {
			require.NoError(t, err)
			lines = append(lines, l)
		}
		require.Len(t, lines, 1)
		assert.Equal(t, "line 1", lines[0].Output)
		time.Sleep(2 * time.Hour)
	})
}

func TestAStreamThatIsRefusedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, coder.Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 403, `{"message":"Forbidden."}`)
		}))
		for _, err := range c.Stream(t.Context(), "/api/v2/notifications/inbox/watch") {
			require.True(t, coder.IsForbidden(err))
			require.ErrorContains(t, err, "listen on /api/v2/notifications/inbox/watch: Forbidden (403 from GET")
		}
		for _, err := range c.Stream(t.Context(), "no slash") {
			require.Error(t, err)
		}
	})
}
