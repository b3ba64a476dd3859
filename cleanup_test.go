//go:build !scaletest

package scaletest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// tidy cleans up a deployment as the command does, and returns what it said.
func (d deployment) tidy(t *testing.T, dir string, o scaletest.CleanupOptions) (cleanup.Report, string, error) {
	t.Helper()
	cfg, err := scaletest.ConfigFromEnv(append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+dir))
	require.NoError(t, err)
	var out bytes.Buffer
	o.Out, o.Settle = &out, -1
	report, err := scaletest.Cleanup(t.Context(), cfg, o)
	assert.NotContains(t, out.String(), d.OwnerToken())
	return report, out.String(), err
}

// leave makes users and notes them, as a run does that is killed.
func (d deployment) leave(t *testing.T, dir, run string, names ...string) (path string) {
	t.Helper()
	info, err := d.client.BuildInfo(t.Context())
	require.NoError(t, err)
	l, err := ledger.Create(dir, ledger.Header{Target: d.URL(), TargetID: info.DeploymentID.String()})
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, l.Intend(t.Context(), run, "user", name))
		d.user(t, name)
	}
	require.NoError(t, l.Close())
	return l.Path()
}

func (d deployment) user(t *testing.T, name string) {
	t.Helper()
	_, err := d.client.CreateUser(t.Context(), coder.CreateUserRequest{Username: name, Email: name + "@scaletest.local", Password: "SomeSecurePassword!"})
	require.NoError(t, err)
}

// users are all but the owner.
func (d deployment) users(t *testing.T) []string {
	t.Helper()
	all, err := d.client.AllUsers(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	names := []string{}
	for _, u := range all {
		if !u.IsOwner() {
			names = append(names, u.Username)
		}
	}
	return names
}

func TestCleanupTakesWhatLedgersNameAndASecondOneHasNothingToDo(t *testing.T) {
	d, dir := deploy(t, codertest.Config{}), t.TempDir()
	first := d.leave(t, dir, "r1", "scaletest-r1-0", "scaletest-r1-1")
	second := d.leave(t, dir, "r2", "scaletest-r2-0")
	d.user(t, "scaletest-r1-9") // in no ledger

	report, said, err := d.tidy(t, dir, scaletest.CleanupOptions{DryRun: true})
	require.NoError(t, err)
	assert.Contains(t, said, first)
	assert.Contains(t, said, "run r1:\n  to delete: 2 users\n    user scaletest-r1-0\n    user scaletest-r1-1\n")
	assert.Empty(t, report.Deleted)
	assert.Len(t, d.users(t), 4, "nothing was touched")

	_, said, err = d.tidy(t, dir, scaletest.CleanupOptions{Run: "r2"})
	require.NoError(t, err)
	assert.NotContains(t, said, first)
	assert.Equal(t, []string{"scaletest-r1-0", "scaletest-r1-1", "scaletest-r1-9"}, d.users(t))
	assert.NoFileExists(t, second)

	report, _, err = d.tidy(t, dir, scaletest.CleanupOptions{Ledger: first})
	require.NoError(t, err)
	assert.Equal(t, "2 deleted, 0 orphaned, 0 left", report.String())
	assert.Equal(t, []string{"scaletest-r1-9"}, d.users(t))

	report, said, err = d.tidy(t, dir, scaletest.CleanupOptions{})
	require.NoError(t, err)
	assert.Equal(t, "0 deleted, 0 orphaned, 0 left", report.String())
	assert.Equal(t, "nothing to do: no ledger has something left on "+d.URL()+"\nlooked at: 0 ledgers, in\n    "+dir+"\n", said)
	_, said, err = d.tidy(t, filepath.Join(dir, "none"), scaletest.CleanupOptions{})
	require.NoError(t, err)
	assert.Contains(t, said, "looked at: no folder, as there is none at "+filepath.Join(dir, "none")+"\n")
}

func TestCleanupFindsLedgersInFoldersBelowTheOneThatItIsTold(t *testing.T) {
	d, dir := deploy(t, codertest.Config{}), t.TempDir()
	d.leave(t, filepath.Join(dir, "create"), "r1", "scaletest-r1-0")
	d.leave(t, filepath.Join(dir, "archive", "2026", "create"), "r2", "scaletest-r2-0")
	d.leave(t, filepath.Join(dir, "deep"), "r3", "scaletest-r3-0")
	report, _, err := d.tidy(t, dir, scaletest.CleanupOptions{Run: "r3"})
	require.NoError(t, err)
	assert.Len(t, report.Deleted, 1)
	report, _, err = d.tidy(t, t.TempDir(), scaletest.CleanupOptions{Ledger: dir})
	require.NoError(t, err)
	assert.Equal(t, "2 deleted, 0 orphaned, 0 left", report.String())
	assert.Empty(t, d.users(t))
	_, said, err := d.tidy(t, t.TempDir(), scaletest.CleanupOptions{Ledger: dir})
	require.NoError(t, err)
	assert.Contains(t, said, "looked at: 0 ledgers, in\n    "+dir+"\n    "+filepath.Join(dir, "archive")+"\n")
}

func TestLedgersOfOthersAreLeftAloneAndNamed(t *testing.T) {
	d, other, dir := deploy(t, codertest.Config{Seed: 1}), deploy(t, codertest.Config{Seed: 2}), t.TempDir()
	elsewhere := other.leave(t, dir, "r", "scaletest-r-0")
	d.user(t, "scaletest-r-0")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger-bad.ndjson"), []byte("x"), 0o600))
	l, err := ledger.Create(dir, ledger.Header{Target: d.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	require.NoError(t, l.Intend(t.Context(), "r", "user", "scaletest-r-0"))

	_, said, err := d.tidy(t, dir, scaletest.CleanupOptions{})
	require.NoError(t, err)
	assert.Contains(t, said, "left alone: "+elsewhere+" is of another deployment, "+other.URL())
	assert.Contains(t, said, "left alone: "+l.Path()+" is in use, by process ")
	assert.Contains(t, said, "ledger-bad.ndjson: line 1 is not the header of a ledger")
	assert.Equal(t, []string{"scaletest-r-0"}, d.users(t))

	_, _, err = d.tidy(t, dir, scaletest.CleanupOptions{Force: true})
	require.NoError(t, err)
	assert.Empty(t, d.users(t))
	assert.Equal(t, []string{"scaletest-r-0"}, other.users(t))
	assert.FileExists(t, elsewhere)
}

func TestAllAsksFirstAndLists(t *testing.T) {
	d, dir := deploy(t, codertest.Config{Workspaces: 25, Users: 1}), t.TempDir()
	d.user(t, "scaletest-somebody")
	asked := ""
	no := errors.New("no")
	_, said, err := d.tidy(t, dir, scaletest.CleanupOptions{All: true, Confirm: func(q string) error { asked = q; return no }})
	require.ErrorIs(t, err, no)
	assert.Equal(t, "Delete 25 workspaces, 2 users on "+d.URL()+"?", asked)
	assert.Contains(t, said, "workspace scaletest-user-0/scaletest-0\n")
	assert.Contains(t, said, "    and 7 more\n")
	assert.Len(t, d.users(t), 2)

	report, said, err := d.tidy(t, dir, scaletest.CleanupOptions{All: true, Confirm: func(string) error { return nil }})
	require.NoError(t, err)
	assert.Equal(t, "27 deleted, 0 orphaned, 0 left", report.String())
	assert.Contains(t, said, "27 of 27 done\n")
	assert.Empty(t, d.users(t))

	_, said, err = d.tidy(t, dir, scaletest.CleanupOptions{All: true})
	require.NoError(t, err)
	assert.Contains(t, said, "nothing to do: ")
}

func TestCleanupSaysWhatIsLeft(t *testing.T) {
	d, dir := deploy(t, codertest.Config{}), t.TempDir()
	path := d.leave(t, dir, "r", "scaletest-r-0", "scaletest-r-1")
	templates, err := d.client.Templates(t.Context())
	require.NoError(t, err)
	_, err = d.client.CreateWorkspace(t.Context(), "scaletest-r-0", coder.CreateWorkspaceRequest{Name: "theirs", TemplateID: templates[0].ID})
	require.NoError(t, err)
	report, said, err := d.tidy(t, dir, scaletest.CleanupOptions{})
	require.NoError(t, err)
	assert.Equal(t, "1 deleted, 0 orphaned, 1 left", report.String())
	assert.Contains(t, said, "left: 1\n    user scaletest-r-0: the user still owns workspaces, delete those first")
	assert.FileExists(t, path, "so that it can be repeated")
}

func TestCleanupThatMakesNoSenseDeletesNothing(t *testing.T) {
	d, dir := deploy(t, codertest.Config{}), t.TempDir()
	for _, c := range []struct {
		o    scaletest.CleanupOptions
		says string
	}{
		{scaletest.CleanupOptions{All: true, Ledger: "x"}, "in no ledger"},
		{scaletest.CleanupOptions{All: true, Run: "R"}, "run ID \"R\": want at most 15"},
		{scaletest.CleanupOptions{Ledger: filepath.Join(dir, "none")}, "find the ledger: "},
	} {
		_, _, err := d.tidy(t, dir, c.o)
		require.ErrorContains(t, err, c.says)
	}
	_, err := scaletest.Cleanup(t.Context(), scaletest.Config{}, scaletest.CleanupOptions{})
	require.ErrorContains(t, err, "CODER_URL is not set")

	cfg, err := scaletest.ConfigFromEnv(live(d.URL(), "wrong"))
	require.NoError(t, err)
	_, err = scaletest.Cleanup(t.Context(), cfg, scaletest.CleanupOptions{})
	require.Error(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = scaletest.Cleanup(ctx, cfg, scaletest.CleanupOptions{Client: d.client})
	require.ErrorIs(t, err, context.Canceled)
}

func TestTargetKeepsALedgerUntilItsLastTestEnds(t *testing.T) {
	d, dir := deploy(t, codertest.Config{}), t.TempDir()
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+dir)...)
	files := func() []string {
		paths, err := filepath.Glob(filepath.Join(dir, "ledger-*"))
		require.NoError(t, err)
		return paths
	}
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		assert.Empty(t, files(), "nobody has asked for one")
		inner := attempt(t, nil, func(inner *fakeTB) {
			if err := target.Ledger(tb).Intend(t.Context(), "r", "user", "a"); err != nil {
				t.Error(err)
			}
			l := target.Ledger(inner)
			if err := l.Intend(t.Context(), "r", "user", "b"); err != nil {
				t.Error(err)
			}
			l.Gone("r", "user", "b")
		})
		assert.Empty(t, inner.errors)
		if assert.Len(t, files(), 1) {
			rec, err := ledger.Read(files()[0])
			assert.NoError(t, err)
			assert.True(t, rec.Alive())
			assert.Equal(t, d.URL(), rec.Header.Target)
		}
	})
	require.Empty(t, tb.fatal)
	require.Len(t, files(), 1)
	require.Len(t, tb.log, 1)
	assert.Contains(t, tb.log[0], "left on "+d.URL()+": 1, which")
	assert.Contains(t, tb.log[0], "'scaletest cleanup -ledger "+files()[0]+"' deletes")

	environment(t, append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS=/dev/null/x")...)
	tb = attempt(t, nil, func(tb *fakeTB) { scaletest.Connect(tb).Ledger(tb) })
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "begin a ledger in /dev/null/x: ")

	environment(t)
	tb = attempt(t, nil, func(tb *fakeTB) {
		if err := scaletest.Connect(tb).Ledger(tb).Intend(t.Context(), "r", "user", "a"); err != nil {
			t.Error(err)
		}
	})
	require.Empty(t, tb.fatal, "an embedded deployment needs none")
}

func TestLedgersAreWhereArtifactsAreOrInTheUsersCache(t *testing.T) {
	assert.Equal(t, "/x", scaletest.LedgerDir(scaletest.Config{Artifacts: "/x"}))
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // where it counts, HOME may be unset
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cache, "scaletest"), scaletest.LedgerDir(scaletest.Config{}))
}
