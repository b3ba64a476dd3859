package cleanup_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/runners/cleanup"
)

func TestAllTakesWhatCarriesTheNamesOfScaleTestsAndNothingElse(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{})
		me, err := d.User(t.Context(), coder.Me)
		require.NoError(t, err)
		d.user(t, "scaletest-a", "a@example.com")
		d.user(t, "bob", "bob@scaletest.local")
		d.user(t, "carol", "carol@example.com")
		d.user(t, "my-scaletest-x", "x@scaletest.local.example.com")
		for _, w := range [][2]string{
			{"scaletest-a", "dev"}, {"bob", "dev"}, {"carol", "scaletest-1"}, {"carol", "dev"}, {"carol", "myscaletest-1"},
			{"my-scaletest-x", "w"}, {me.Username, "scaletest-2"}, {me.Username, "dev"},
		} {
			d.workspace(t, w[0], w[1])
		}
		p, err := cleanup.All(t.Context(), d.Client, cleanup.AllOptions{})
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{
			"workspace scaletest-a/dev", "workspace bob/dev", "workspace carol/scaletest-1", "workspace " + me.Username + "/scaletest-2",
			"user scaletest-a", "user bob",
		}, texts(p.Items()))
		report := p.Run(t.Context(), d.Client, cleanup.RunConfig{AtATime: 3})
		require.Empty(t, report.Left, "%v", report.Left)
		assert.ElementsMatch(t, []string{"carol/dev", "carol/myscaletest-1", "my-scaletest-x/w", me.Username + "/dev", "carol", "my-scaletest-x"}, d.has(t))

		p, err = cleanup.All(t.Context(), d.Client, cleanup.AllOptions{})
		require.NoError(t, err)
		assert.Equal(t, "nothing", p.String())
	})
}

func TestTemplateNarrowsItDownAndUsersWithOthersAreLeft(t *testing.T) {
	t.Parallel()
	d := deploy(t, "", codertest.Config{})
	other, err := d.CreateTemplateVersion(t.Context(), "default", coder.CreateTemplateVersionRequest{FileID: d.upload(t)})
	require.NoError(t, err)
	_, err = d.WaitTemplateVersion(t.Context(), other.ID)
	require.NoError(t, err)
	tpl, err := d.CreateTemplate(t.Context(), "default", coder.CreateTemplateRequest{Name: "other", VersionID: other.ID})
	require.NoError(t, err)
	d.user(t, "scaletest-a", "a@scaletest.local")
	d.user(t, "scaletest-b", "b@scaletest.local")
	d.workspace(t, "scaletest-a", "one")
	d.workspace(t, "scaletest-b", "two")
	d.template = tpl
	d.workspace(t, "scaletest-b", "three")
	for _, template := range []string{"other", tpl.ID.String()} {
		p, err := cleanup.All(t.Context(), d.Client, cleanup.AllOptions{Template: template})
		require.NoError(t, err)
		assert.Equal(t, []string{"workspace scaletest-b/three"}, texts(p.Items()))
		assert.Equal(t, []string{
			"user scaletest-a: the user owns 1 other workspace that will not be deleted",
			"user scaletest-b: the user owns 1 other workspace that will not be deleted",
		}, texts(p.Spared))
	}
	_, err = cleanup.All(t.Context(), d.Client, cleanup.AllOptions{Template: "none"})
	assert.ErrorContains(t, err, `there is no template "none": want the name or ID of one of `)
}

func TestAllNeverTakesTheTokensOwnUser(t *testing.T) {
	t.Parallel()
	d := deploy(t, "", codertest.Config{})
	d.user(t, "scaletest-boss", "boss@scaletest.local")
	d.workspace(t, "scaletest-boss", "dev")
	d.workspace(t, "scaletest-boss", "scaletest-1")
	token, err := d.CreateSessionKey(t.Context(), "scaletest-boss")
	require.NoError(t, err)
	p, err := cleanup.All(t.Context(), d.WithToken(token), cleanup.AllOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"workspace scaletest-boss/scaletest-1"}, texts(p.Items()))
	assert.Equal(t, []string{"user scaletest-boss: the token belongs to this user"}, texts(p.Spared))
}

func TestAllOfARunLeavesOtherRunsAlone(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{})
		for _, name := range []string{"scaletest-ab-0", "scaletest-ab-1", "scaletest-abc-0", "scaletest-other", "scaletest-ab"} {
			d.user(t, name, name+"@scaletest.local")
			d.workspace(t, name, name)
		}
		d.user(t, "carol", "carol@example.com")
		d.workspace(t, "carol", "scaletest-ab-2")
		p, err := cleanup.All(t.Context(), d.Client, cleanup.AllOptions{Run: "ab"})
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{
			"workspace scaletest-ab-0/scaletest-ab-0", "workspace scaletest-ab-1/scaletest-ab-1", "workspace carol/scaletest-ab-2",
			"user scaletest-ab-0", "user scaletest-ab-1",
		}, texts(p.Items()))
	})
}
