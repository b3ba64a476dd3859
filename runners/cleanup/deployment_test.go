package cleanup_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness/ledger"
)

// versions are those that recordings exist of.
var versions = []string{"v2.26.0", "v2.37.0"}

// deployment is an embedded one with an owner's client.
type deployment struct {
	*codertest.Server
	*coder.Client
	template coder.Template
}

func deploy(t *testing.T, version string, cfg codertest.Config) deployment {
	t.Helper()
	cfg.Version, cfg.RateLimit = version, -1
	if cfg.BuildTime == (codertest.Latency{}) {
		cfg.BuildTime = codertest.Fixed(time.Millisecond)
	}
	s := codertest.Start(t, cfg)
	c, err := coder.New(coder.Config{URL: s.URL(), Token: s.OwnerToken(), PollInterval: 5 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	templates, err := c.Templates(t.Context())
	require.NoError(t, err)
	return deployment{s, c, templates[0]}
}

func (d deployment) user(t *testing.T, name, email string) coder.User {
	t.Helper()
	u, err := d.CreateUser(t.Context(), coder.CreateUserRequest{Username: name, Email: email, Password: "Correct-Horse-Battery-9-Staple"})
	require.NoError(t, err)
	return u
}

func (d deployment) workspace(t *testing.T, owner, name string) coder.Workspace {
	t.Helper()
	w, err := d.CreateWorkspace(t.Context(), owner, coder.CreateWorkspaceRequest{Name: name, TemplateID: d.template.ID})
	require.NoError(t, err)
	return w
}

// built is a workspace that runs.
func (d deployment) built(t *testing.T, owner, name string) coder.Workspace {
	t.Helper()
	w := d.workspace(t, owner, name)
	_, err := d.WaitBuild(t.Context(), w.LatestBuild.ID)
	require.NoError(t, err)
	return w
}

// has is what the deployment has: workspaces and users other than its owner.
func (d deployment) has(t *testing.T) (out []string) {
	t.Helper()
	ws, err := d.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	for _, w := range ws {
		out = append(out, w.FullName())
	}
	us, err := d.AllUsers(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	for _, u := range us {
		if !u.IsOwner() {
			out = append(out, u.Username)
		}
	}
	return out
}

// book is a ledger that is written, closed and read.
func book(t *testing.T, write func(l *ledger.Ledger)) *ledger.Record {
	t.Helper()
	l, err := ledger.Create(t.TempDir(), ledger.Header{Target: "https://coder.test"})
	require.NoError(t, err)
	write(l)
	require.NoError(t, l.Close())
	rec, err := ledger.Read(l.Path())
	require.NoError(t, err)
	return rec
}

func intend(t *testing.T, l *ledger.Ledger, run, kind, name string) {
	t.Helper()
	require.NoError(t, l.Intend(t.Context(), run, kind, name))
}

func forVersions(t *testing.T, test func(t *testing.T, version string)) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			test(t, v)
		})
	}
}

func texts[T fmt.Stringer](items []T) []string {
	out := []string{}
	for _, i := range items {
		out = append(out, i.String())
	}
	return out
}

// upload stores a template's source.
func (d deployment) upload(t *testing.T) uuid.UUID {
	t.Helper()
	const source = `resource "coder_agent" "main" {}`
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "main.tf", Mode: 0o644, Size: int64(len(source))}))
	_, err := w.Write([]byte(source))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	id, err := d.UploadFile(t.Context(), b.Bytes())
	require.NoError(t, err)
	return id
}
