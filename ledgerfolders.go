package scaletest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/coderscale/scaletest/harness/ledger"
)

// maxLedgerFolders is how many folders are searched for ledgers. Results are in a few
// of them: whoever has more has named the wrong one.
const maxLedgerFolders = 20_000

// ledgerSearch is what was found in a folder and those below it.
type ledgerSearch struct {
	folders []string // which were looked at, in order
	ledgers []*ledger.Record
	bad     error // ledgers that can't be read
	unseen  error // where others may be: what could not be looked at
}

// findLedgers reads the ledgers of a folder and of those below it, such as those of a
// campaign's steps, the newest first. Links are not followed, but for the folder itself:
// they could lead to what others have left. A folder that is not there has none.
func findLedgers(root string) ledgerSearch {
	return searchLedgers(root, os.DirFS(root), maxLedgerFolders)
}

func searchLedgers(root string, files fs.FS, limit int) (s ledgerSearch) {
	var unseen, bad []error
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		path := filepath.Join(root, filepath.FromSlash(name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is not there, or no longer
			return nil
		case err != nil:
			s.folders = slices.DeleteFunc(s.folders, func(f string) bool { return f == path }) // which it was about to be
			unseen = append(unseen, fmt.Errorf("look for ledgers in %s: %w: there may be some, so repeat it as somebody who can read it", path, err))
			return fs.SkipDir
		case !entry.IsDir():
			return nil
		case len(s.folders) == limit:
			unseen = append(unseen, fmt.Errorf("look for ledgers in %s: it has more than %d folders, and %s is the first that was not looked at: name one that is further down", root, limit, path))
			return fs.SkipAll
		}
		s.folders = append(s.folders, path)
		return nil
	})
	for _, folder := range s.folders {
		found, err := ledger.List(folder)
		if err != nil {
			bad = append(bad, err)
		}
		for _, rec := range found {
			if info, err := os.Lstat(rec.Path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
				bad = append(bad, fmt.Errorf("%s is a link, which is not followed: name the ledger that it leads to", rec.Path))
				continue
			}
			s.ledgers = append(s.ledgers, rec)
		}
	}
	s.bad, s.unseen = errors.Join(bad...), errors.Join(append(unseen, err)...)
	slices.SortStableFunc(s.ledgers, func(a, b *ledger.Record) int {
		return b.Header.StartedAt.Compare(a.Header.StartedAt)
	})
	return s
}
