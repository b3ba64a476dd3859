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

func TestTheDelayFromACauseToItsEventIsMeasured(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			server := codertest.Start(t, codertest.Config{Workspaces: 2, Version: version, BuildTime: codertest.Fixed(100 * time.Millisecond)})
			c := owner(t, server)
			ws := workspaces(t, c)
			s, res := playDuring(t, harness.Scenario{
				Runner:   runners.Watch(ws),
				Schedule: harness.AllAtOnce(2).Hold(3 * time.Second),
			}, func() {
				for _, w := range ws {
					_, err := c.CreateBuild(t.Context(), w.ID, coder.CreateBuildRequest{Transition: coder.TransitionStop})
					require.NoError(t, err)
				}
			})
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.GreaterOrEqual(t, s.Actions["watch_open"].Count, uint64(4), "workspace and metadata of each")
			e := s.Actions["workspace_event"]
			require.GreaterOrEqual(t, e.Count, uint64(2*2), "asked for, begun, ended; states that follow each other at once may be told as one")
			require.Less(t, e.Response.Max, 2.0)
			require.Positive(t, s.Actions["log_event"].Count)
			require.Positive(t, s.Counters["watch_events"])
		})
	}
}

func TestAWatchThatIsLostIsOpenedAgain(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	s, res := playDuring(t, harness.Scenario{
		Runner:   runners.WatchConfig{Workspaces: ws, Kinds: runners.WatchWorkspaces}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(4 * time.Second),
	}, func() { server.DropConnections(1) })
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 1, s.Counters["watches_lost"])
	require.EqualValues(t, 2, s.Actions["watch_open"].Count)
}

func TestTheConfigurationOfWatchesIsChecked(t *testing.T) {
	_, err := runners.WatchConfig{Kinds: 1 << 10}.Runner()(0)
	require.ErrorContains(t, err, "the kinds are 1024")
	_, err = runners.WatchConfig{Kinds: runners.WatchBuildLogs}.Runner()(0)
	require.ErrorContains(t, err, "WatchBuildLogs needs WatchWorkspaces")
}
