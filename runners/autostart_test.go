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

// noon lets the deployment's clock strike, until the test ends.
func noon(t *testing.T, server *codertest.Server) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				server.RunAutobuild(time.Now().Add(3 * time.Minute))
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
}

func TestWorkspacesStartByTheirScheduleAndGetTheirOwnBack(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 3, BuildTime: quick, Provisioners: 3})
	c := owner(t, server)
	ws := workspaces(t, c)
	const before = "CRON_TZ=UTC 0 9 * * 1-5"
	require.NoError(t, c.SetAutostart(t.Context(), ws[0].ID, before))
	noon(t, server)
	s, res := play(t, harness.Scenario{Runner: runners.Autostart(ws), Schedule: harness.AllAtOnce(3)})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 3, s.Actions["autostart_delay"].Count)
	require.EqualValues(t, 3, s.Actions["autostart_ready"].Count)
	for i, want := range []string{before, "", ""} {
		w, err := c.Workspace(t.Context(), ws[i].ID)
		require.NoError(t, err)
		require.Equal(t, coder.StatusRunning, w.LatestBuild.Status)
		require.Equal(t, "autostart", w.LatestBuild.Reason)
		require.Equal(t, want, w.AutostartSchedule)
	}
}

func TestAStopThatFailsEndsAnAutostart(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 1, BuildTime: quick, BuildFailureRate: 1})
	s, res := play(t, harness.Scenario{Runner: runners.Autostart(workspaces(t, owner(t, server))), Schedule: harness.OneByOne(1)})
	require.Equal(t, harness.Fail, res.Verdict)
	require.Contains(t, s.Failures[0].Error, "autostart workspace admin/scaletest-0: stop workspace admin/scaletest-0: the job failed")
	require.Zero(t, s.Actions["autostart_delay"].Count)
}
