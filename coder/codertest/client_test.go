package codertest_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
)

// quick is a deployment whose jobs take a moment.
func quick() codertest.Config {
	return codertest.Config{BuildTime: codertest.Fixed(20 * time.Millisecond), AgentTime: codertest.Fixed(20 * time.Millisecond), RateLimit: -1}
}

func connect(t *testing.T, s *codertest.Server, token string) *coder.Client {
	t.Helper()
	c, err := coder.New(coder.Config{URL: s.URL(), Token: token, PollInterval: 5 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// archive is a template's source.
func archive(t *testing.T) []byte {
	t.Helper()
	const source = `resource "coder_agent" "main" {}`
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "main.tf", Mode: 0o644, Size: int64(len(source))}))
	_, err := w.Write([]byte(source))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// bringTemplate uploads, imports and creates one, as a scale test does.
func bringTemplate(t *testing.T, c *coder.Client, name string) coder.Template {
	t.Helper()
	ctx := t.Context()
	file, err := c.UploadFile(ctx, archive(t))
	require.NoError(t, err)
	v, err := c.CreateTemplateVersion(ctx, "default", coder.CreateTemplateVersionRequest{FileID: file})
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, v.TemplateID)
	require.NotZero(t, v.MatchedProvisioners.Count)
	lines := 0
	for _, err := range c.FollowTemplateVersionLogs(ctx, v.ID, 0) {
		require.NoError(t, err)
		lines++
	}
	require.NotZero(t, lines)
	v, err = c.WaitTemplateVersion(ctx, v.ID)
	require.NoError(t, err)
	tpl, err := c.CreateTemplate(ctx, "default", coder.CreateTemplateRequest{Name: name, VersionID: v.ID})
	require.NoError(t, err)
	require.Equal(t, v.ID, tpl.ActiveVersionID)
	return tpl
}

func TestAScaleTestBringsItsTemplateAndLeavesNothing(t *testing.T) {
	c, ctx := clientOf(t, quick())
	tpl := bringTemplate(t, c, "brought")
	parameters, err := c.RichParameters(ctx, tpl.ActiveVersionID)
	require.NoError(t, err)
	require.Len(t, parameters, 3)
	_, err = c.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "w", TemplateID: tpl.ID,
		Parameters: []coder.BuildParameter{{Name: "delay", Value: "301"}}})
	require.True(t, coder.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "delay must be between 0 and 300")

	w, err := c.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "w", TemplateID: tpl.ID,
		Parameters: []coder.BuildParameter{{Name: "delay", Value: "300"}}})
	require.NoError(t, err)
	_, err = c.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "w", TemplateID: tpl.ID})
	require.True(t, coder.IsConflict(err), "%v", err)
	var stages []string
	for l, err := range c.FollowBuildLogs(ctx, w.LatestBuild.ID, 0) {
		require.NoError(t, err)
		stages = append(stages, l.Stage)
	}
	require.Equal(t, "Cleaning Up", stages[len(stages)-1])
	b, err := c.WaitBuild(ctx, w.LatestBuild.ID)
	require.NoError(t, err)
	require.Equal(t, coder.StatusRunning, b.Status)
	w, err = c.WaitAgents(ctx, w.ID)
	require.NoError(t, err)
	require.Equal(t, coder.AgentConnected, w.LatestBuild.Agents()[0].Status)

	require.True(t, coder.IsInvalid(c.DeleteTemplate(ctx, tpl.ID)), "it has a workspace")
	b, err = c.DeleteWorkspace(ctx, w.ID)
	require.NoError(t, err)
	_, err = c.WaitBuild(ctx, b.ID)
	require.NoError(t, err)
	_, err = c.Workspace(ctx, w.ID)
	require.True(t, coder.IsGone(err), "%v", err)
	require.NoError(t, c.DeleteTemplate(ctx, tpl.ID))
	_, err = c.Template(ctx, tpl.ID)
	require.True(t, coder.IsNotFound(err), "%v", err)
}

// clientOf starts a deployment and connects its owner.
func clientOf(t *testing.T, cfg codertest.Config) (*coder.Client, context.Context) {
	return connectOwner(t, codertest.Start(t, cfg)), t.Context()
}

func connectOwner(t *testing.T, s *codertest.Server) *coder.Client {
	return connect(t, s, s.OwnerToken())
}

func TestTheClientSaysWhyAJobFailed(t *testing.T) {
	cfg := quick()
	cfg.BuildFailureRate = 1
	c, ctx := clientOf(t, cfg)
	file, err := c.UploadFile(ctx, bytes.Repeat([]byte("no archive "), 100))
	require.NoError(t, err)
	v, err := c.CreateTemplateVersion(ctx, "default", coder.CreateTemplateVersionRequest{FileID: file})
	require.NoError(t, err)
	_, err = c.WaitTemplateVersion(ctx, v.ID)
	var failed *coder.JobError
	require.ErrorAs(t, err, &failed)
	require.Contains(t, failed.Job.Error, "unpack the template")

	w, err := c.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "w", TemplateID: bringTemplate(t, c, "good").ID})
	require.NoError(t, err)
	_, err = c.WaitBuild(ctx, w.LatestBuild.ID)
	require.ErrorAs(t, err, &failed)
	_, err = c.WaitAgents(ctx, w.ID)
	require.ErrorAs(t, err, &failed)
}

func TestAVersionThatIsStillImportedIsWaitedFor(t *testing.T) {
	cfg := quick()
	cfg.BuildTime = codertest.Fixed(time.Hour)
	c, ctx := clientOf(t, cfg)
	file, err := c.UploadFile(ctx, archive(t))
	require.NoError(t, err)
	v, err := c.CreateTemplateVersion(ctx, "default", coder.CreateTemplateVersionRequest{FileID: file})
	require.NoError(t, err)
	_, err = c.CreateTemplate(ctx, "default", coder.CreateTemplateRequest{Name: "early", VersionID: v.ID})
	require.NoError(t, err)
	_, err = c.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "w", TemplateVersionID: v.ID})
	require.True(t, coder.IsImporting(err), "%v", err)
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err = c.WaitTemplateVersion(short, v.ID)
	require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
	require.NoError(t, c.CancelTemplateVersion(ctx, v.ID))
}

func TestUsersAndTokensComeAndGo(t *testing.T) {
	s := codertest.Start(t, quick())
	owner, ctx := connectOwner(t, s), t.Context()
	const password = "Correct-Horse-9-Battery"
	req := coder.CreateUserRequest{Username: "zoe", Email: "zoe@example.com", Password: password}
	u, err := owner.CreateUser(ctx, req)
	require.NoError(t, err)
	_, err = owner.CreateUser(ctx, req)
	require.True(t, coder.IsConflict(err), "%v", err)
	anyone := connect(t, s, "")
	_, err = anyone.Login(ctx, req.Email, "wrong")
	require.True(t, coder.IsUnauthorized(err), "%v", err)
	session, err := anyone.Login(ctx, req.Email, password)
	require.NoError(t, err)

	zoe := connect(t, s, session)
	me, err := zoe.User(ctx, coder.Me)
	require.NoError(t, err)
	require.Equal(t, u.ID, me.ID)
	require.False(t, me.IsOwner())
	_, err = zoe.CreateUser(ctx, coder.CreateUserRequest{Username: "x", Email: "x@example.com", Password: password})
	require.True(t, coder.IsForbidden(err), "%v", err)
	_, err = zoe.User(ctx, "admin")
	require.True(t, coder.IsNotFound(err), "%v", err)
	_, err = zoe.UploadFile(ctx, archive(t))
	require.True(t, coder.IsForbidden(err), "%v", err)

	token, err := zoe.CreateToken(ctx, coder.Me, coder.CreateTokenRequest{Name: "load", Lifetime: time.Hour})
	require.NoError(t, err)
	_, err = zoe.CreateToken(ctx, coder.Me, coder.CreateTokenRequest{Name: "load"})
	require.True(t, coder.IsConflict(err), "%v", err)
	tokens, err := zoe.Tokens(ctx, coder.Me)
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	withToken := connect(t, s, token)
	_, err = withToken.User(ctx, coder.Me)
	require.NoError(t, err)
	require.NoError(t, zoe.DeleteKey(ctx, coder.Me, coder.KeyID(token)))
	_, err = withToken.User(ctx, coder.Me)
	require.True(t, coder.IsUnauthorized(err), "%v", err)

	tpl, err := owner.Templates(ctx)
	require.NoError(t, err)
	w, err := zoe.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "mine", TemplateID: tpl[0].ID})
	require.NoError(t, err)
	_, err = zoe.WaitBuild(ctx, w.LatestBuild.ID)
	require.NoError(t, err)
	require.True(t, coder.OwnsWorkspaces(owner.DeleteUser(ctx, "zoe")))
	b, err := owner.DeleteWorkspace(ctx, w.ID)
	require.NoError(t, err)
	_, err = owner.WaitBuild(ctx, b.ID)
	require.NoError(t, err)
	require.NoError(t, owner.DeleteUser(ctx, "zoe"))
	_, err = zoe.User(ctx, coder.Me)
	require.True(t, coder.IsUnauthorized(err), "%v", err)
}
