package cleanup_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// deleteIt deletes the workspace of a stubborn deployment.
func deleteIt(t *testing.T, f *stubborn, o cleanup.Options, before func()) (orphaned bool, err error) {
	t.Helper()
	c := f.client(t)
	before()
	return cleanup.DeleteWorkspace(t.Context(), c, f.id, o)
}

func TestWorkspaceIsDeletedWhateverItsBuildDoes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		f     *stubborn
		state func(f *stubborn)
		asked []string
		o     cleanup.Options
	}{
		{"done", &stubborn{}, func(f *stubborn) { f.begin("start") }, []string{"delete"}, cleanup.Options{}},
		{"failed", &stubborn{}, func(f *stubborn) { f.begin("start").fails = true }, []string{"delete"}, cleanup.Options{}},
		{"running", &stubborn{buildTime: time.Minute}, func(f *stubborn) { f.begin("start") }, []string{"cancel start", "delete"}, cleanup.Options{}},
		{"running, may not be canceled", &stubborn{buildTime: time.Minute, mayCancel: func() (int, string) { return 403, "no" }},
			func(f *stubborn) { f.begin("start") }, []string{"cancel start", "delete"}, cleanup.Options{}},
		{"ended in this moment", &stubborn{buildTime: time.Second, mayCancel: func() (int, string) { return 400, "Job has already completed!" }},
			func(f *stubborn) { f.begin("start") }, []string{"cancel start", "delete"}, cleanup.Options{}},
		{"pending", &stubborn{queueTime: time.Minute}, func(f *stubborn) { f.begin("start") }, []string{"cancel start", "delete"}, cleanup.Options{}},
		{"deleting", &stubborn{buildTime: time.Minute}, func(f *stubborn) { f.begin("delete") }, nil, cleanup.Options{}},
		{"deleting, which fails", &stubborn{buildTime: time.Minute}, func(f *stubborn) { f.begin("delete").fails = true }, []string{"delete"}, cleanup.Options{}},
		{"deleted", &stubborn{}, func(f *stubborn) { f.begin("delete") }, nil, cleanup.Options{}},
		{"deletion fails twice", &stubborn{failures: 2}, func(f *stubborn) { f.begin("start") }, []string{"delete", "delete", "delete"}, cleanup.Options{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				orphaned, err := deleteIt(t, tc.f, tc.o, func() { tc.state(tc.f) })
				require.NoError(t, err)
				assert.False(t, orphaned)
				assert.Equal(t, tc.asked, tc.f.asked)
				assert.True(t, tc.f.deleted())
			})
		})
	}
}

func TestOldServerIsNotGivenACanceledBuildToExecuteBesideTheDeletion(t *testing.T) {
	t.Run("pending", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &stubborn{version: "v2.26.0", queueTime: time.Minute, buildTime: time.Minute}
			_, err := deleteIt(t, f, cleanup.Options{}, func() { f.begin("start") })
			require.NoError(t, err)
			assert.Equal(t, []string{"cancel start", "delete"}, f.asked)
			assert.False(t, f.builds[0].whilePend, "it would be executed later")
		})
	})
	t.Run("canceled while pending", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &stubborn{version: "v2.26.0", queueTime: 5 * time.Second, buildTime: 5 * time.Second}
			_, err := deleteIt(t, f, cleanup.Options{}, func() {
				b := f.begin("start")
				b.canceled, b.whilePend = time.Now(), true
			})
			require.NoError(t, err)
			assert.Equal(t, []string{"delete"}, f.asked)
			assert.False(t, f.builds[1].created.Before(f.builds[0].ends), "the deletion must come after it")
		})
	})
	t.Run("canceled while pending, and nobody is there to execute it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &stubborn{version: "v2.26.0"}
			var said []string
			_, err := deleteIt(t, f, cleanup.Options{Logf: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}, func() {
				b := f.begin("start")
				b.canceled, b.whilePend, b.begins, b.ends = time.Now(), true, time.Now().Add(time.Hour), time.Now().Add(time.Hour)
			})
			require.NoError(t, err)
			require.Len(t, said, 1)
			assert.Contains(t, said[0], "workspace alice/w: its canceled start has not been executed within 30s")
		})
	})
}

func TestBuildsOfOthersDoNotCountAsFailedAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{buildTime: time.Second}
		others := 5
		f.onDelete = func() (int, string) {
			if others == 0 {
				return 0, ""
			}
			others--
			f.begin("stop")
			return 409, "A workspace build is already active."
		}
		_, err := deleteIt(t, f, cleanup.Options{Attempts: 1}, func() { f.begin("start") })
		require.NoError(t, err)
		assert.True(t, f.deleted())
	})
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{onDelete: func() (int, string) { return 409, "A workspace build is already active." }}
		_, err := deleteIt(t, f, cleanup.Options{Attempts: 1}, func() { f.begin("start") })
		require.ErrorContains(t, err, "delete workspace alice/w: other builds begin again and again: find out who starts them: delete workspace")
	})
}

func TestWorkspaceThatCanNotBeDeletedIsLeftUnlessOrphansAreAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{failures: 99}
		orphaned, err := deleteIt(t, f, cleanup.Options{}, func() { f.begin("start") })
		require.EqualError(t, err, "delete workspace alice/w: the job failed")
		assert.False(t, orphaned)
		assert.Equal(t, []string{"delete", "delete", "delete"}, f.asked)
	})
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{failures: 99}
		orphaned, err := deleteIt(t, f, cleanup.Options{Orphan: true, Attempts: 1}, func() { f.begin("start") })
		require.NoError(t, err)
		assert.True(t, orphaned)
		assert.Equal(t, []string{"delete", "orphan"}, f.asked)
	})
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{failures: 99, orphanFails: true}
		orphaned, err := deleteIt(t, f, cleanup.Options{Orphan: true, Attempts: 1}, func() { f.begin("start") })
		require.ErrorContains(t, err, "orphan it: ")
		assert.False(t, orphaned)
	})
}

func TestDeletionThatHangsIsCutInTimeToOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{buildTime: time.Hour}
		c := f.client(t)
		f.begin("delete").ends = time.Now().Add(100 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		orphaned, err := cleanup.DeleteWorkspace(ctx, c, f.id, cleanup.Options{Orphan: true})
		require.NoError(t, err)
		assert.True(t, orphaned)
		assert.Equal(t, []string{"cancel delete", "orphan"}, f.asked)
	})
}

func TestPrebuiltWorkspaceIsNeverTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{prebuild: true, buildTime: time.Minute}
		_, err := deleteIt(t, f, cleanup.Options{Orphan: true}, func() { f.begin("start") })
		require.ErrorIs(t, err, cleanup.ErrPrebuilt)
		assert.Empty(t, f.asked)
	})
}

func TestRefusedDeletionIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := &stubborn{onDelete: func() (int, string) { n++; return 403, "Forbidden." }}
		_, err := deleteIt(t, f, cleanup.Options{}, func() { f.begin("start") })
		require.True(t, coder.IsForbidden(err), "%v", err)
		assert.Equal(t, 1, n)
	})
}

func TestDeletionEndsWithItsContextAndSaysWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &stubborn{failures: 99}
		c := f.client(t)
		f.begin("start")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err := cleanup.DeleteWorkspace(ctx, c, f.id, cleanup.Options{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "after: delete workspace alice/w: the job failed")
	})
}

func TestFailureThatPassesIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := &stubborn{onRead: func() (int, string) {
			if n++; n < 3 {
				return 500, "database is down"
			}
			return 0, ""
		}}
		_, err := deleteIt(t, f, cleanup.Options{}, func() { f.begin("start") })
		require.NoError(t, err)
		assert.True(t, f.deleted())
	})
}
