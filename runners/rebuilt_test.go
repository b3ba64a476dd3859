package runners_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/tailnet"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// A workspace that is stopped and started again has another agent. Whoever was
// connected finds it, through the tailnet and without one.
func TestAWorkspaceThatIsBuiltAnewIsFoundAgain(t *testing.T) {
	for _, version := range versions {
		for _, way := range []string{"ssh", "ssh by the tailnet", "tunnel"} {
			t.Run(version+"/"+way, func(t *testing.T) {
				t.Parallel()
				server, ws := deployment(t, codertest.Config{Workspaces: 2, Version: version, BuildTime: quick})
				n, err := tailnet.Open(t.Context(), tailnet.Config{Client: ws[0].Client})
				require.NoError(t, err)
				defer n.Close()
				runner := runners.SSHConfig{Workspaces: ws, Dialer: runners.ToAgent("codertest", server.DialAgent), Load: small}.Runner()
				action := "ssh_echo"
				switch way {
				case "ssh by the tailnet":
					runner = runners.SSHConfig{Workspaces: ws, Dialer: runners.ToAgent("tailnet", n.Dial), Load: small}.Runner()
				case "tunnel":
					action = "tunnel_ping"
					runner = runners.TunnelConfig{Workspaces: ws, Dial: n.Dial, Ping: n.Ping, Load: every(20*time.Millisecond, 0), Timeout: time.Second}.Runner()
				}
				var after uint64
				seconds := 0
				run, err := harness.Start(t.Context(), harness.Plan{
					Scenarios: []harness.Scenario{{Name: "test", Runner: runner, Schedule: harness.AllAtOnce(2).Hold(8 * time.Second)}},
					MaxLag:    time.Hour,
					OnSnapshot: func(s harness.Snapshot) {
						if seconds++; seconds == 2 {
							for _, transition := range []string{coder.TransitionStop, coder.TransitionStart} {
								b, err := ws[0].Client.CreateBuild(t.Context(), ws[0].ID, coder.CreateBuildRequest{Transition: transition})
								if err != nil {
									t.Error(err)
									return
								}
								if _, err := ws[0].Client.WaitBuild(t.Context(), b.ID); err != nil {
									t.Error(err)
									return
								}
							}
						}
						if seconds > 5 {
							after += s.Scenarios[0].Actions[action].Count
						}
					},
				})
				require.NoError(t, err)
				s := run.Wait().Scenarios[0]
				require.EqualValues(t, 2, s.Iterations.Succeeded, "%v", s)
				now, err := ws[0].Client.Workspace(t.Context(), ws[0].ID)
				require.NoError(t, err)
				require.NotEqual(t, ws[0].Agent.ID, now.Agents()[0].ID)
				require.Positive(t, after)
				if action == "ssh_echo" {
					require.EqualValues(t, 1, s.Counters["reconnects"])
					require.Zero(t, s.Counters["echoes_corrupt"])
				}
			})
		}
	}
}
