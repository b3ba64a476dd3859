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

// A workspace that stops in the middle of a run takes its traffic with it. On
// 2.26 the sockets of apps, and about half of those of terminals, stay open and
// silent.
func TestTrafficToAWorkspaceThatStopsIsMissedAndHoldsNobodyUp(t *testing.T) {
	for _, version := range versions {
		for name, traffic := range map[string]func(*codertest.Server, []runners.Workspace) func(int) (harness.Runner, error){
			"terminal": func(_ *codertest.Server, ws []runners.Workspace) func(int) (harness.Runner, error) {
				return runners.TerminalConfig{Workspaces: ws, Load: small, ReconnectTimeout: time.Second, DrainTimeout: time.Second}.Runner()
			},
			"app": func(_ *codertest.Server, ws []runners.Workspace) func(int) (harness.Runner, error) {
				return runners.AppConfig{Workspaces: ws, Slug: "wsec", Load: small, ReconnectTimeout: time.Second, DrainTimeout: time.Second}.Runner()
			},
			"ssh": func(s *codertest.Server, ws []runners.Workspace) func(int) (harness.Runner, error) {
				return runners.SSHConfig{Workspaces: ws, Dialer: runners.ToAgent("codertest", s.DialAgent), Load: small, ReconnectTimeout: time.Second, DrainTimeout: time.Second}.Runner()
			},
		} {
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				server, ws := deployment(t, codertest.Config{Workspaces: 6, Version: version, BuildTime: quick, Provisioners: 6})
				begun := time.Now()
				s, res := playDuring(t, harness.Scenario{
					Runner:   traffic(server, ws),
					Schedule: harness.AllAtOnce(6).Hold(4 * time.Second),
				}, func() {
					for _, w := range ws[:3] {
						_, err := w.Client.CreateBuild(t.Context(), w.ID, coder.CreateBuildRequest{Transition: coder.TransitionStop})
						require.NoError(t, err)
					}
				})
				require.Less(t, time.Since(begun), 30*time.Second, "nobody is held up by a socket that says nothing")
				require.EqualValues(t, 6, s.Ready)
				echo := s.Actions[map[string]string{"terminal": "echo", "app": "app_echo", "ssh": "ssh_echo"}[name]]
				require.Greater(t, echo.Count, uint64(3*150), "the others go on")
				missed := echo.Errors + s.Iterations.Failed
				require.Positive(t, missed, "what is not echoed any more is an error: %v", res.Reasons)
			})
		}
	}
}
