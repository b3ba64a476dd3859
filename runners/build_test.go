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

func TestWorkspacesAreBuiltAndPutBack(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { builtAndPutBack(t, version) })
	}
}

func builtAndPutBack(t *testing.T, version string) {
	server := codertest.Start(t, codertest.Config{Workspaces: 4, Version: version, BuildTime: quick, Provisioners: 4})
	c := owner(t, server)
	for _, tt := range []struct {
		kind   runners.BuildKind
		action string
		builds uint64 // of each workspace
		agents uint64
	}{
		{runners.StopBuild, "build_stop", 1, 0},
		{runners.StartBuild, "build_start", 1, 1},
		{runners.RestartBuild, "build_restart", 2, 1},
		{runners.UpdateBuild, "build_update", 1, 1},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			s, res := play(t, harness.Scenario{
				Runner:   runners.BuildConfig{Workspaces: workspaces(t, c), Kind: tt.kind, Restore: true}.Runner(),
				Schedule: harness.AllAtOnce(4),
			})
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.EqualValues(t, 4, s.Actions[tt.action].Count)
			require.EqualValues(t, 4*tt.builds, s.Actions["build_create"].Count)
			require.EqualValues(t, 4*tt.builds, s.Actions["build_run"].Count)
			require.EqualValues(t, 4*tt.agents, s.Actions["agent_connect"].Count)
			all, err := c.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
			require.NoError(t, err)
			for _, w := range all {
				require.Equal(t, coder.StatusRunning, w.LatestBuild.Status, "as before")
			}
		})
	}
}

func TestABuildBehindAnotherOneWaitsForIt(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 1, BuildTime: codertest.Fixed(200 * time.Millisecond)})
	c := owner(t, server)
	ws := workspaces(t, c)
	_, err := c.CreateBuild(t.Context(), ws[0].ID, coder.CreateBuildRequest{Transition: coder.TransitionStop})
	require.NoError(t, err)
	s, res := play(t, harness.Scenario{Runner: runners.Build(ws, runners.StartBuild), Schedule: harness.OneByOne(1)})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.GreaterOrEqual(t, s.Actions["build_create"].Count, uint64(2))
}

func TestABuildThatFailsIsAnError(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 1, BuildTime: quick, BuildFailureRate: 1})
	s, res := play(t, harness.Scenario{Runner: runners.Build(workspaces(t, owner(t, server)), runners.RestartBuild), Schedule: harness.OneByOne(1)})
	require.Equal(t, harness.Fail, res.Verdict)
	require.EqualValues(t, 1, s.Actions["build_restart"].Errors)
	require.Contains(t, s.Failures[0].Error, "restart workspace admin/scaletest-0: stop workspace admin/scaletest-0: the job failed")
}

func TestTheConfigurationOfBuildsIsChecked(t *testing.T) {
	_, err := runners.BuildConfig{Kind: "x", BuildTimeout: -1}.Runner()(0)
	require.ErrorContains(t, err, `the kind is "x"`)
	require.ErrorContains(t, err, "a timeout is negative")
	_, err = runners.Build(nil, runners.StopBuild)(0)
	require.ErrorContains(t, err, "there are only 0 workspaces")
	_, err = runners.AutostartConfig{Delay: time.Second, Timeout: -1}.Runner()(0)
	require.ErrorContains(t, err, "Delay is 1s, want 0 (the default) or at least 2m0s")
	require.ErrorContains(t, err, "Timeout is -1ns")
}
