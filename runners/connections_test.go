package runners_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// TestConnectionsThatAreDroppedAreLostAndComeBack drops all connections to the
// deployment once, in the middle of a load.
func TestConnectionsThatAreDroppedAreLostAndComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		runner func(ws []runners.Workspace) func(int) (harness.Runner, error)
		each   int64 // connections of a user
		bytes  bool  // it accounts for what it got twice
	}{
		"terminal": {func(ws []runners.Workspace) func(int) (harness.Runner, error) { return runners.Terminal(ws, small) }, 1, true},
		"app": {func(ws []runners.Workspace) func(int) (harness.Runner, error) {
			return runners.App(ws, "wsec", small)
		}, 1, false},
		"watch": {func(ws []runners.Workspace) func(int) (harness.Runner, error) { return runners.Watch(ws) }, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, ws := deployment(t, codertest.Config{Workspaces: 4, Replicas: 2})
			plan := harness.Plan{
				MaxFailures: 1 << 30,
				Scenarios:   []harness.Scenario{{Name: "s", Runner: c.runner(ws), Schedule: harness.AllAtOnce(4).Hold(3 * time.Second)}},
				Disruptions: []harness.Disruption{{Name: "drop", At: 500 * time.Millisecond, Do: func(context.Context) error {
					server.DropConnections(1)
					return nil
				}}},
			}
			run, err := harness.Start(t.Context(), plan)
			require.NoError(t, err)
			res := run.Wait()
			d := res.Disruptions[0]
			require.Empty(t, d.Error)
			all := res.Scenarios[0].Connections
			require.Equal(t, 4*c.each, all.Count, "each is one connection, however often it is dialed")
			require.Equal(t, 4*c.each, all.Lost)
			require.Equal(t, 4*c.each, all.Restored)
			require.Equal(t, all.Restored, int64(all.Reconnect.Count))
			during := d.Scenarios[0].During.Connections
			require.Equal(t, 1.0, during.LostShare)
			if c.bytes {
				require.Positive(t, during.BytesRepeated.Total)
			}
			require.Zero(t, d.Scenarios[0].Before.Connections.Lost)
		})
	}
}
