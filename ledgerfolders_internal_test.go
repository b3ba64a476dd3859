//go:build !scaletest

package scaletest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness/ledger"
)

// closedFolder is a file system one folder of which nobody may read.
type closedFolder struct {
	fs.FS
	name string
}

func (c closedFolder) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == c.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return fs.ReadDir(c.FS, name)
}

// note leaves a ledger, and returns its path.
func note(t *testing.T, began time.Time, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	l, err := ledger.Create(dir, ledger.Header{Target: "https://coder.example.com", StartedAt: began})
	require.NoError(t, err)
	require.NoError(t, l.Intend(t.Context(), "r", "user", "scaletest-r-0"))
	require.NoError(t, l.Close())
	return l.Path()
}

func paths(s ledgerSearch) (all []string) {
	for _, rec := range s.ledgers {
		all = append(all, rec.Path)
	}
	return all
}

func TestAFolderThatCanNotBeReadIsAnErrorAndTheOthersAreFoundAllTheSame(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	note(t, now, dir, "closed")
	open := note(t, now, dir, "open")
	s := searchLedgers(dir, closedFolder{os.DirFS(dir), "closed"}, maxLedgerFolders)
	require.ErrorIs(t, s.unseen, fs.ErrPermission)
	require.ErrorContains(t, s.unseen, "look for ledgers in "+filepath.Join(dir, "closed")+": ")
	require.Equal(t, []string{open}, paths(s))
	require.Equal(t, []string{dir, filepath.Join(dir, "open")}, s.folders)
	require.NoError(t, s.bad)
}

func TestALinkIsNotFollowedButForTheFolderItself(t *testing.T) {
	dir, others, now := t.TempDir(), t.TempDir(), time.Now()
	theirs := note(t, now, others)
	mine := note(t, now, dir, "mine")
	require.NoError(t, os.Symlink(others, filepath.Join(dir, "linked")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "mine", "loop")))
	linked := filepath.Join(dir, "mine", "ledger-0-"+filepath.Base(theirs)[len("ledger-"):])
	require.NoError(t, os.Symlink(theirs, linked))
	s := findLedgers(dir)
	require.NoError(t, s.unseen)
	require.Equal(t, []string{mine}, paths(s))
	require.ErrorContains(t, s.bad, linked+" is a link")

	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Symlink(dir, root))
	require.Len(t, findLedgers(root).ledgers, 1)
}

func TestASearchThatIsCutShortIsNoAllClear(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		require.NoError(t, os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o700))
	}
	require.NoError(t, searchLedgers(dir, os.DirFS(dir), 6).unseen)
	s := searchLedgers(dir, os.DirFS(dir), 4)
	require.Len(t, s.folders, 4)
	require.ErrorContains(t, s.unseen, "it has more than 4 folders, and "+filepath.Join(dir, "3")+" is the first that was not looked at")
}

func TestLedgersOfAllFoldersAreTheNewestFirst(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	oldest := note(t, now.Add(-2*time.Hour), dir, "b", "c")
	newest := note(t, now, dir, "a")
	middle := note(t, now.Add(-time.Hour), dir)
	require.Equal(t, []string{newest, middle, oldest}, paths(findLedgers(dir)))
	s := findLedgers(filepath.Join(dir, "none"))
	require.NoError(t, s.unseen)
	require.Empty(t, s.folders)
}
