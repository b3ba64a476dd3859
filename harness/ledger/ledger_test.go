package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness/ledger"
)

func create(t testing.TB) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Create(filepath.Join(t.TempDir(), "ledgers"), ledger.Header{Target: "https://coder.test", TargetID: "d"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func names(rec *ledger.Record) []string {
	var out []string
	for _, e := range rec.Left {
		out = append(out, e.Name)
	}
	return out
}

func TestWhatIsIntendedIsOnDiskWhenIntendReturns(t *testing.T) {
	t.Parallel()
	l := create(t)
	for i := range 5 {
		name := fmt.Sprintf("alice/w-%d", i)
		require.NoError(t, l.Intend(t.Context(), "r", "workspace", name))
		rec, err := ledger.Read(l.Path())
		require.NoError(t, err)
		require.Contains(t, names(rec), name)
	}
}

// TestNoCrashLosesWhatIntendHasReturnedFor cuts the file where a crash could,
// and each time looks for what had been promised at that size.
func TestNoCrashLosesWhatIntendHasReturnedFor(t *testing.T) {
	t.Parallel()
	l := create(t)
	type promise struct {
		size int64
		name string
	}
	var mu sync.Mutex
	var promised []promise
	gone := map[string]bool{}
	var wg sync.WaitGroup
	for u := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(u)))
			for i := range 20 {
				name := fmt.Sprintf("u%d/w-%d", u, i)
				if !assert.NoError(t, l.Intend(t.Context(), "r", "workspace", name)) {
					return
				}
				info, err := os.Stat(l.Path())
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				promised = append(promised, promise{info.Size(), name})
				mu.Unlock()
				l.Made("r", "workspace", name, fmt.Sprint("id-", u, i))
				if rng.IntN(3) == 0 {
					mu.Lock()
					gone[name] = true
					mu.Unlock()
					l.Gone("r", "workspace", name)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(l.Path())
	require.NoError(t, err)
	header := strings.IndexByte(string(whole), '\n') + 1

	cut := filepath.Join(t.TempDir(), "cut")
	for end := header; end <= len(whole); end += 1 + rand.IntN(40) {
		require.NoError(t, os.WriteFile(cut, whole[:end], 0o600))
		rec, err := ledger.Read(cut)
		require.NoError(t, err, "cut at %d", end)
		left := map[string]bool{}
		for _, n := range names(rec) {
			left[n] = true
		}
		for _, p := range promised {
			if p.size <= int64(end) && !gone[p.name] {
				require.True(t, left[p.name], "%s was promised at %d, cut at %d", p.name, p.size, end)
			}
		}
	}
	rec, err := ledger.Read(l.Path())
	require.NoError(t, err)
	require.Len(t, rec.Left, len(promised)-len(gone))
	for _, e := range rec.Left {
		require.False(t, gone[e.Name])
		require.NotEmpty(t, e.ID)
	}
}

func TestNothingIsIntendedOnceTheContextOrTheLedgerIsOver(t *testing.T) {
	t.Parallel()
	l := create(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	err := l.Intend(ctx, "r", "workspace", "a/w")
	require.ErrorIs(t, err, why)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "twice")
	err = l.Intend(t.Context(), "r", "workspace", "a/w")
	require.ErrorIs(t, err, ledger.ErrClosed)
	require.ErrorContains(t, err, "that workspace a/w will be created")
	l.Made("r", "workspace", "a/w", "1") // does nothing, and does not panic
	l.Gone("r", "workspace", "a/w")
}

func TestNoTokenGetsIntoALedger(t *testing.T) {
	t.Parallel()
	l := create(t)
	const token = "Abcdefghi1-aBcdEFGH1234abcdEFGH12"
	for what, name := range map[string]string{
		"looks like a token":   token,
		"looks like a token: ": "alice/" + token,
		"control character":    "alice/w\nalice/v",
		"a quote":              `alice/"w`,
		"a backslash":          `alice\w`,
		"is not UTF-8":         "alice/\xff",
		"the name is empty":    "",
		"has 1025 bytes":       strings.Repeat("x", 1025),
	} {
		err := l.Intend(t.Context(), "r", "workspace", name)
		require.ErrorContains(t, err, what)
		require.NotContains(t, err.Error(), token)
	}
	require.Error(t, l.Intend(t.Context(), "", "", "w"))
	require.NoError(t, l.Intend(t.Context(), "r", "key", "alice/Abcdefghi1"))
	l.Made("r", "key", "alice/Abcdefghi1", token)
	l.Made("r", "key", token, "id")
	require.NoError(t, l.Close())
	b, err := os.ReadFile(l.Path())
	require.NoError(t, err)
	require.NotContains(t, string(b), token)
	rec, err := ledger.Read(l.Path())
	require.NoError(t, err)
	require.Equal(t, []ledger.Entry{{Run: "r", Kind: "key", Name: "alice/Abcdefghi1"}}, rec.Left)

	h, err := ledger.Create(t.TempDir(), ledger.Header{Target: "https://bob:pass@coder.test/base?token=x#y"})
	require.NoError(t, err)
	require.NoError(t, h.Intend(t.Context(), "r", "user", "u"))
	require.NoError(t, h.Close())
	rec, err = ledger.Read(h.Path())
	require.NoError(t, err)
	require.Equal(t, "https://coder.test/base", rec.Header.Target)
}

func TestFilesAreForTheirOwnerOnlyAndVanishWhenNothingIsLeft(t *testing.T) {
	t.Parallel()
	l := create(t)
	for path, mode := range map[string]os.FileMode{l.Path(): 0o600, filepath.Dir(l.Path()): 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), path)
	}
	require.NoError(t, l.Intend(t.Context(), "r", "user", "u"))
	l.Made("r", "user", "u", "1")
	l.Gone("r", "user", "u")
	require.NoError(t, l.Close())
	require.NoFileExists(t, l.Path())
	files, err := os.ReadDir(filepath.Dir(l.Path()))
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestLedgerBelongsToOneProcessUntilItIsClosed(t *testing.T) {
	t.Parallel()
	l := create(t)
	require.NoError(t, l.Intend(t.Context(), "r", "user", "u"))
	require.NoError(t, l.Intend(t.Context(), "s", "user", "v"))
	rec, err := ledger.Read(l.Path())
	require.NoError(t, err)
	require.True(t, rec.Alive())
	require.True(t, rec.Alive(), "asking does not change it")
	_, err = ledger.Resume(l.Path())
	require.ErrorIs(t, err, ledger.ErrAlive)

	require.NoError(t, l.Close())
	require.False(t, rec.Alive())
	require.Equal(t, []string{"r", "s"}, rec.Runs())
	require.Equal(t, os.Getpid(), rec.Header.PID)
	require.NotEmpty(t, rec.Header.Host)
	require.WithinDuration(t, time.Now(), rec.Header.StartedAt, time.Hour)
}

func TestResumedLedgerCutsWhatACrashLeftAndGoesOn(t *testing.T) {
	t.Parallel()
	l := create(t)
	require.NoError(t, l.Intend(t.Context(), "r", "user", "u"))
	require.NoError(t, l.Intend(t.Context(), "r", "user", "v"))
	require.NoError(t, l.Close())
	f, err := os.OpenFile(l.Path(), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"op":"intend","run":"r","ki`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	l, err = ledger.Resume(l.Path())
	require.NoError(t, err)
	l.Gone("r", "user", "u")
	require.NoError(t, l.Close())
	rec, err := ledger.Read(l.Path())
	require.NoError(t, err)
	require.Equal(t, []string{"v"}, names(rec))

	l, err = ledger.Resume(l.Path())
	require.NoError(t, err)
	l.Gone("r", "user", "v")
	require.NoError(t, l.Close())
	require.NoFileExists(t, l.Path())
	_, err = ledger.Resume(l.Path())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestWhatIsIntendedAgainIsSomethingNew(t *testing.T) {
	t.Parallel()
	l := create(t)
	require.NoError(t, l.Intend(t.Context(), "r", "user", "u"))
	l.Made("r", "user", "u", "1")
	require.NoError(t, l.Intend(t.Context(), "r", "user", "u"))
	require.NoError(t, l.Close())
	rec, err := ledger.Read(l.Path())
	require.NoError(t, err)
	require.Equal(t, []ledger.Entry{{Run: "r", Kind: "user", Name: "u"}}, rec.Left, "its ID is not known yet")
}

func TestFolderThatCanNotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := ledger.Create(filepath.Join(file, "dir"), ledger.Header{})
	require.ErrorContains(t, err, "begin a ledger in "+file)
}
