package campaign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness/ledger"
)

const (
	phasesFile  = "phases.json"
	archiveName = "archive"
	lockFile    = ".lock"
)

// folder is where a campaign writes. It is held until it is closed.
type folder struct {
	path string
	lock *os.File
}

// holder is whoever has a folder.
type holder struct {
	PID  int    `json:"pid"`
	Host string `json:"host"`
}

// errHeld is the error of a folder that another process has.
type errHeld struct {
	path string
	holder
}

func (e errHeld) Error() string {
	return fmt.Sprintf("a campaign goes on in %s already, by process %d on %s: stop it first, or use another folder", e.path, e.PID, e.Host)
}

// hold makes a folder, if it is not there, and takes it.
func hold(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of results %s: %w: want one that can be written", path, err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the folder of results %s: %w: want one that can be written", path, err)
	}
	mine, err := tryLock(f)
	if err == nil && !mine {
		var who holder
		if b, rerr := io.ReadAll(io.LimitReader(f, 1024)); rerr == nil {
			_ = json.Unmarshal(b, &who) // it may be about to be written
		}
		err = errHeld{path, who}
	}
	if err == nil {
		err = sign(f)
	}
	if err != nil {
		_ = f.Close()
		if _, held := errors.AsType[errHeld](err); !held {
			err = fmt.Errorf("take the folder of results %s: %w", path, err)
		}
		return nil, err
	}
	return &folder{path, f}, nil
}

// sign says who has the folder.
func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	b, err := json.Marshal(holder{os.Getpid(), host})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	return err
}

// Close lets the next one have it. The file stays, or two could hold a file each.
func (f *folder) Close() error { return f.lock.Close() }

// archive moves what an earlier campaign has left into a folder by its time.
func (f *folder) archive(now time.Time) error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return fmt.Errorf("archive earlier results: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		return e.Name() == archiveName || e.Name() == lockFile || e.Name() == "lost+found"
	})
	if len(entries) == 0 {
		return nil
	}
	if rec, err := readRecord(f.path); err == nil && !rec.Began.IsZero() {
		now = rec.Began
	}
	to, err := f.newArchive(now.UTC().Format("2006-01-02T15-04-05Z"))
	if err != nil {
		return fmt.Errorf("archive earlier results: %w", err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(f.path, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return fmt.Errorf("archive earlier results: %w", err)
		}
	}
	return nil
}

func (f *folder) newArchive(name string) (string, error) {
	if err := os.MkdirAll(filepath.Join(f.path, archiveName), 0o700); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		path := filepath.Join(f.path, archiveName, name)
		if n > 1 {
			path += fmt.Sprintf("-%d", n)
		}
		if err := os.Mkdir(path, 0o700); !errors.Is(err, os.ErrExist) {
			return path, err
		}
	}
}

// archived are the folders of earlier campaigns, the newest first.
func archived(path string) []string {
	found, _ := filepath.Glob(filepath.Join(escape(path), archiveName, "*")) // the pattern is fine
	slices.Sort(found)
	slices.Reverse(found)
	return found
}

// leftIn are the folders of steps whose ledgers say that something is left, of one
// campaign, and what can't be read.
func leftIn(path string) (folders []string, err error) {
	steps, _ := filepath.Glob(filepath.Join(escape(path), "*")) // the pattern is fine
	var errs []error
	for _, step := range steps {
		if info, err := os.Stat(step); err != nil || !info.IsDir() || filepath.Base(step) == archiveName {
			continue
		}
		recs, err := ledger.List(step)
		if err != nil {
			errs = append(errs, err)
		}
		if slices.ContainsFunc(recs, func(r *ledger.Record) bool { return len(r.Left) > 0 }) {
			folders = append(folders, step)
		}
	}
	return folders, errors.Join(errs...)
}

// escape lets Glob take a path as it is.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// writeWhole writes a file that is there as a whole or not at all.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error is said already
	}
	return err
}
