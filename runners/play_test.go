package runners_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// quick is a build that takes next to no time.
var quick = codertest.Fixed(5 * time.Millisecond)

// play runs a scenario to its end.
func play(t *testing.T, s harness.Scenario) (*harness.ScenarioResult, *harness.Result) {
	t.Helper()
	return playDuring(t, s, nil)
}

// playDuring calls during with the first snapshot of the load.
func playDuring(t *testing.T, s harness.Scenario, during func()) (*harness.ScenarioResult, *harness.Result) {
	t.Helper()
	if s.Name == "" {
		s.Name = "test"
	}
	run, err := harness.Start(t.Context(), harness.Plan{
		Scenarios:    []harness.Scenario{s},
		MaxLag:       time.Hour, // the race detector is slow
		GracefulStop: 10 * time.Second,
		OnSnapshot: func(harness.Snapshot) {
			if during != nil {
				during()
				during = nil
			}
		},
	})
	require.NoError(t, err)
	res := run.Wait()
	out := &res.Scenarios[0]
	for _, f := range out.Failures {
		t.Logf("user %d, %s: %s\n%s", f.User, f.Phase, f.Error, f.Log)
	}
	return out, res
}

// client makes one with a pause between two looks that a test can wait for.
func client(t *testing.T, server *codertest.Server, token string) *coder.Client {
	t.Helper()
	c, err := coder.New(coder.Config{URL: server.URL(), Token: token, PollInterval: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// owner is a client of the deployment's owner.
func owner(t *testing.T, server *codertest.Server) *coder.Client {
	t.Helper()
	return client(t, server, server.OwnerToken())
}

// template is the one that the deployment has.
func template(t *testing.T, c *coder.Client) coder.Template {
	t.Helper()
	all, err := c.Templates(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all[0]
}

// workspaces are all that the client sees.
func workspaces(t *testing.T, c *coder.Client) []runners.Workspace {
	t.Helper()
	all, err := c.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	var out []runners.Workspace
	for _, w := range all {
		ws := runners.Workspace{Client: c, Name: w.FullName(), ID: w.ID}
		if agents := w.Agents(); len(agents) > 0 {
			ws.Agent = agents[0]
		}
		out = append(out, ws)
	}
	return out
}
