package cleanup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners/cleanup"
)

func TestPrebuiltWorkspacesSurviveEveryCleanup(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{Prebuilds: 2, Workspaces: 1, Users: 1})
		all, err := d.AllWorkspaces(t.Context(), coder.WorkspacesQuery{Owner: "prebuilds"})
		require.NoError(t, err)
		require.Len(t, all, 2)
		_, err = cleanup.DeleteWorkspace(t.Context(), d.Client, all[0].ID, cleanup.Options{Orphan: true})
		require.ErrorIs(t, err, cleanup.ErrPrebuilt)

		rec := book(t, func(l *ledger.Ledger) {
			intend(t, l, "r", "workspace", all[0].FullName())
			l.Made("r", "workspace", all[0].FullName(), all[0].ID.String())
		})
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, once)
		require.NoError(t, err)
		assert.Zero(t, p.Size())
		require.Len(t, p.Spared, 1)
		require.ErrorIs(t, p.Spared[0].Err, cleanup.ErrPrebuilt)

		p, err = cleanup.All(t.Context(), d.Client, cleanup.AllOptions{})
		require.NoError(t, err)
		report := p.Run(t.Context(), d.Client, cleanup.RunConfig{})
		require.Empty(t, report.Left, "%v", report.Left)
		assert.ElementsMatch(t, []string{all[0].FullName(), all[1].FullName()}, d.has(t))
	})
}

func TestBuildsOfAllStatesAreDeletedOnBothVersions(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{BuildTime: codertest.Fixed(100 * time.Millisecond), Provisioners: 1})
		running, pending, canceled := d.workspace(t, coder.Me, "scaletest-r-0"), d.workspace(t, coder.Me, "scaletest-r-1"), d.workspace(t, coder.Me, "scaletest-r-2")
		require.NoError(t, d.CancelBuild(t.Context(), canceled.LatestBuild.ID, coder.CancelPending))
		rec := book(t, func(l *ledger.Ledger) {
			for _, w := range []coder.Workspace{running, pending, canceled} {
				intend(t, l, "r", "workspace", w.FullName())
			}
		})
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, once)
		require.NoError(t, err)
		report := p.Run(t.Context(), d.Client, cleanup.RunConfig{AtATime: 3})
		require.Empty(t, report.Left, "%v", report.Left)
		assert.Len(t, report.Deleted, 3)
		assert.Empty(t, d.has(t))

		// What an old server executes in spite of the cancel comes before the
		// deletion, which so finds what it has made.
		first, err := d.Build(t.Context(), canceled.LatestBuild.ID)
		require.NoError(t, err)
		w, err := d.DeletedWorkspace(t.Context(), canceled.ID)
		require.NoError(t, err)
		if version == "v2.26.0" {
			assert.False(t, first.Job.StartedAt.IsZero(), "it was executed")
			assert.False(t, w.LatestBuild.CreatedAt.Before(first.Job.CompletedAt), "deleted before it had ended")
		} else {
			assert.True(t, first.Job.StartedAt.IsZero(), "it was not executed")
		}
	})
}

func TestWorkspaceWhoseDeletionsFailIsLeft(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{BuildFailureRate: 1})
		w := d.workspace(t, coder.Me, "scaletest-r-0")
		for _, orphan := range []bool{false, true} {
			orphaned, err := cleanup.DeleteWorkspace(t.Context(), d.Client, w.ID, cleanup.Options{Attempts: 2, Pause: time.Millisecond, Orphan: orphan})
			require.ErrorContains(t, err, "/scaletest-r-0: the job failed")
			assert.Equal(t, orphan, strings.Contains(err.Error(), "orphan it: "))
			assert.False(t, orphaned)
			assert.Len(t, d.has(t), 1)
		}
	})
}
