package cleanup_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// once does not wait for requests on their way.
var once = cleanup.RecordOptions{Settle: -1}

func TestNothingIsTouchedThatTheRunDidNotMake(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{})
		// Of the run.
		d.user(t, "scaletest-r1-0", "scaletest-r1-0@scaletest.local")
		mine := d.built(t, "scaletest-r1-0", "scaletest-r1-1")
		d.workspace(t, "scaletest-r1-0", "scaletest-r1-2") // its answer never came
		gone := d.user(t, "scaletest-r1-3", "scaletest-r1-3@scaletest.local")
		require.NoError(t, d.DeleteUser(t.Context(), gone.ID.String()))
		// Of another run, and of people.
		d.user(t, "scaletest-r2-0", "scaletest-r2-0@scaletest.local")
		d.built(t, "scaletest-r2-0", "scaletest-r2-1")
		d.user(t, "alice", "alice@example.com")
		d.built(t, "alice", "scaletest-r1-9")
		d.built(t, "alice", "dev")
		d.user(t, "scaletest-r1-5", "jane@example.com")
		d.user(t, "scaletest-r1-6", "scaletest-r1-6@scaletest.local")
		foreign := []string{"scaletest-r2-0/scaletest-r2-1", "alice/scaletest-r1-9", "alice/dev", "scaletest-r2-0", "alice", "scaletest-r1-5", "scaletest-r1-6"}

		rec := book(t, func(l *ledger.Ledger) {
			intend(t, l, "r1", "user", "scaletest-r1-0")
			intend(t, l, "r1", "workspace", "scaletest-r1-0/scaletest-r1-1")
			l.Made("r1", "workspace", "scaletest-r1-0/scaletest-r1-1", mine.ID.String())
			intend(t, l, "r1", "workspace", "scaletest-r1-0/scaletest-r1-2")
			intend(t, l, "r1", "user", "scaletest-r1-3")
			l.Made("r1", "user", "scaletest-r1-3", gone.ID.String())
			intend(t, l, "r1", "workspace", "alice/dev")            // a name that no run gives
			intend(t, l, "r1", "workspace", "alice/scaletest-r1-9") // made, deleted, and made by another
			l.Made("r1", "workspace", "alice/scaletest-r1-9", uuid.NewString())
			intend(t, l, "r1", "user", "scaletest-r1-5") // another's address
			intend(t, l, "r1", "user", "scaletest-r1-6")
			l.Made("r1", "user", "scaletest-r1-6", uuid.NewString())
			intend(t, l, "r1", "user", "alice")
			intend(t, l, "r1", "spaceship", "x")
			intend(t, l, "r2", "user", "scaletest-r2-0")
			intend(t, l, "r2", "workspace", "scaletest-r2-0/scaletest-r2-1")
		})
		o := once
		o.Run = "r1"
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, o)
		require.NoError(t, err)
		assert.Equal(t, "2 workspaces, 1 user", p.String())
		assert.Equal(t, []string{"workspace scaletest-r1-0/scaletest-r1-1", "workspace scaletest-r1-0/scaletest-r1-2", "user scaletest-r1-0"}, texts(p.Items()))
		assert.Equal(t, []string{"user scaletest-r1-3", "workspace alice/scaletest-r1-9", "user scaletest-r1-6"}, texts(p.Gone))
		assert.Equal(t, []string{
			"workspace alice/dev: its name is not one that the run gives",
			"user scaletest-r1-5: its user does not have the address that scale tests give, @scaletest.local",
			"user alice: its name is not one that the run gives",
			"spaceship x: this version does not know how to delete it: it is a spaceship",
		}, texts(p.Spared))

		l, err := ledger.Resume(rec.Path)
		require.NoError(t, err)
		report := p.Run(t.Context(), d.Client, cleanup.RunConfig{AtATime: 4, Ledger: l})
		require.NoError(t, l.Close())
		require.Empty(t, report.Left, "%v", report.Left)
		assert.Equal(t, "3 deleted, 0 orphaned, 0 left", report.String())
		assert.ElementsMatch(t, foreign, d.has(t))

		rec, err = ledger.Read(rec.Path)
		require.NoError(t, err)
		p, err = cleanup.FromRecord(t.Context(), d.Client, rec, o)
		require.NoError(t, err)
		assert.Zero(t, p.Size(), "the second time there is nothing to do")
		assert.Equal(t, []string{"r1", "r2"}, rec.Runs(), "the spaceship is still there, for a version that knows it")
	})
}

func TestCreationThatWasOnItsWayIsFound(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{Routes: []codertest.RouteFault{
			{Method: "POST", Path: "/api/v2/users", Latency: codertest.Fixed(300 * time.Millisecond)},
		}})
		rec := book(t, func(l *ledger.Ledger) { intend(t, l, "r", "user", "scaletest-r-0") })
		made := make(chan struct{})
		go func() {
			defer close(made)
			d.user(t, "scaletest-r-0", "scaletest-r-0@scaletest.local")
		}()
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, cleanup.RecordOptions{Settle: 5 * time.Second})
		require.NoError(t, err)
		assert.Equal(t, []string{"user scaletest-r-0"}, texts(p.Items()))
		<-made
	})
}

func TestUserIsLeftWhoOwnsWhatTheRunDidNotMake(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{})
		d.user(t, "scaletest-r-0", "scaletest-r-0@scaletest.local")
		d.built(t, "scaletest-r-0", "theirs")
		d.user(t, "scaletest-r-1", "scaletest-r-1@scaletest.local")
		rec := book(t, func(l *ledger.Ledger) {
			intend(t, l, "r", "user", "scaletest-r-0")
			intend(t, l, "r", "user", "scaletest-r-1")
		})
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, once)
		require.NoError(t, err)
		var seen []cleanup.Progress
		report := p.Run(t.Context(), d.Client, cleanup.RunConfig{Progress: func(p cleanup.Progress) { seen = append(seen, p) }})
		require.Len(t, report.Left, 1)
		require.ErrorIs(t, report.Left[0].Err, cleanup.ErrOwnsWorkspaces)
		assert.Equal(t, []string{"user scaletest-r-1"}, texts(report.Deleted), "it goes on after a failure")
		assert.Equal(t, []string{"scaletest-r-0/theirs", "scaletest-r-0"}, d.has(t))
		require.Len(t, seen, 2)
		assert.Equal(t, 2, seen[1].Done)
		assert.Equal(t, 2, seen[1].Total)
	})
}

func TestSessionsOfPeopleWhoWereThereBeforeEnd(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{})
		d.user(t, "alice", "alice@example.com")
		token, err := d.CreateSessionKey(t.Context(), "alice")
		require.NoError(t, err)
		rec := book(t, func(l *ledger.Ledger) {
			name := "alice/" + coder.KeyID(token)
			l.Made("r", "key", name, coder.KeyID(token))
			intend(t, l, "r", "key", "bob/abcdefghij")
		})
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, once)
		require.NoError(t, err)
		require.Equal(t, "1 key", p.String())
		assert.Len(t, p.Gone, 1)
		report := p.Run(t.Context(), d.Client, cleanup.RunConfig{})
		require.Empty(t, report.Left)
		_, err = d.WithToken(token).User(t.Context(), coder.Me)
		assert.True(t, coder.IsUnauthorized(err), "%v", err)
		assert.Equal(t, []string{"alice"}, d.has(t))
	})
}

func TestCleanupThatIsCutSaysWhatIsLeftAndCanGoOn(t *testing.T) {
	t.Parallel()
	forVersions(t, func(t *testing.T, version string) {
		d := deploy(t, version, codertest.Config{})
		var kinds []string
		rec := book(t, func(l *ledger.Ledger) {
			for _, name := range []string{"scaletest-r-0", "scaletest-r-1", "scaletest-r-2"} {
				intend(t, l, "r", "user", name)
				d.user(t, name, name+"@scaletest.local")
				intend(t, l, "r", "workspace", name+"/"+name)
				d.workspace(t, name, name)
			}
		})
		p, err := cleanup.FromRecord(t.Context(), d.Client, rec, once)
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		l, err := ledger.Resume(rec.Path)
		require.NoError(t, err)
		report := p.Run(ctx, d.Client, cleanup.RunConfig{Ledger: l, Progress: func(p cleanup.Progress) {
			kinds = append(kinds, p.Item.Kind)
			cancel(assert.AnError)
		}})
		require.NoError(t, l.Close())
		assert.NotEmpty(t, report.Deleted)
		require.Equal(t, 6, len(report.Deleted)+len(report.Left))
		for _, left := range report.Left {
			require.ErrorIs(t, left.Err, assert.AnError)
		}
		assert.Equal(t, []string{"workspace", "workspace", "workspace", "user", "user", "user"}, kinds)

		rec, err = ledger.Read(rec.Path)
		require.NoError(t, err)
		p, err = cleanup.FromRecord(t.Context(), d.Client, rec, once)
		require.NoError(t, err)
		report = p.Run(t.Context(), d.Client, cleanup.RunConfig{AtATime: 3})
		require.Empty(t, report.Left, "%v", report.Left)
		assert.Empty(t, d.has(t))
	})
}

func TestDeletionsThatTakeTooLongAreLeftAndNamed(t *testing.T) {
	t.Parallel()
	d := deploy(t, "", codertest.Config{BuildTime: codertest.Fixed(time.Hour)})
	w := d.workspace(t, coder.Me, "scaletest-r-0")
	rec := book(t, func(l *ledger.Ledger) {
		intend(t, l, "r", "workspace", w.FullName())
	})
	p, err := cleanup.FromRecord(t.Context(), d.Client, rec, once)
	require.NoError(t, err)
	report := p.Run(t.Context(), d.Client, cleanup.RunConfig{JobTimeout: 100 * time.Millisecond})
	require.Len(t, report.Left, 1)
	assert.ErrorContains(t, report.Left[0].Err, "the time for one deletion is over")
	report = p.Run(t.Context(), d.Client, cleanup.RunConfig{Timeout: 100 * time.Millisecond})
	require.Len(t, report.Left, 1)
	assert.ErrorContains(t, report.Left[0].Err, "the time for the cleanup is over")
}
