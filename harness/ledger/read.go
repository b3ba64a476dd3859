package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Record is what a ledger says.
type Record struct {
	// Path is the ledger's file.
	Path string
	// Header is what it begins with.
	Header Header
	// Modified is when it was last written to, by the clock of the file system.
	Modified time.Time
	// Left is what was intended or made and is not gone, in the order of the
	// intentions.
	Left []Entry
}

// Alive reports whether a process still writes to the ledger, as far as the
// system tells: others may share the folder over a network that knows no locks.
func (r *Record) Alive() bool { return alive(r.Path, r.Header) }

// Runs are the runs of which something is left, in order.
func (r *Record) Runs() []string {
	var runs []string
	for _, e := range r.Left {
		if !slices.Contains(runs, e.Run) {
			runs = append(runs, e.Run)
		}
	}
	return runs
}

// Read reads a ledger, also one that somebody is writing to. A line without an
// end is what a crash leaves, and is passed over. Anything else that is not a
// ledger's is an error that names the line.
func Read(path string) (*Record, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var rec *Record
		if rec, _, err = read(f); err == nil {
			return rec, nil
		}
	}
	return nil, fmt.Errorf("read the ledger %s: %w", path, err)
}

// List reads all ledgers of a folder, the newest first. A folder that does not
// exist has none. The error joins those of the ledgers that can't be read; the
// others are returned all the same.
func List(dir string) ([]*Record, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the ledgers in %s: %w", dir, err)
	}
	var recs []*Record
	var errs []error
	for _, f := range slices.Backward(files) {
		if f.IsDir() || !isFileName(f.Name()) {
			continue
		}
		rec, err := Read(filepath.Join(dir, f.Name()))
		switch {
		case err == nil:
			recs = append(recs, rec)
		case !errors.Is(err, os.ErrNotExist): // closed and removed meanwhile
			errs = append(errs, err)
		}
	}
	return recs, errors.Join(errs...)
}

// read returns what a file says and where its last whole line ends.
func read(f *os.File) (*Record, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, 0, err
	}
	rec, end, err := parse(b)
	if err != nil {
		return nil, 0, err
	}
	rec.Path, rec.Modified = f.Name(), info.ModTime()
	return rec, int64(end), nil
}

// parse reads lines up to the end of the last whole one.
func parse(b []byte) (*Record, int, error) {
	rec := &Record{}
	place := map[key]int{} // in Left
	end := 0
	for n := 1; ; n++ {
		line, _, whole := bytes.Cut(b[end:], []byte{'\n'})
		if !whole {
			if n == 1 {
				return nil, 0, errors.New("line 1 is not the header of a ledger")
			}
			break
		}
		if err := rec.parseLine(n, line, place); err != nil {
			return nil, 0, fmt.Errorf("line %d %w", n, err)
		}
		end += len(line) + 1
	}
	rec.Left = slices.DeleteFunc(rec.Left, func(e Entry) bool { return e == Entry{} })
	return rec, end, nil
}

func (r *Record) parseLine(n int, line []byte, place map[key]int) error {
	if n == 1 {
		var h headerLine
		if err := decode(line, &h); err != nil || h.Version == 0 {
			return errors.New("is not the header of a ledger")
		}
		if h.Version != version {
			return fmt.Errorf("is the header of a ledger of version %d, want %d: use the program that wrote it", h.Version, version)
		}
		r.Header = h.Header
		return nil
	}
	var e entryLine
	if err := decode(line, &e); err != nil {
		return fmt.Errorf("is not an entry of a ledger: %w", err)
	}
	if err := e.validate(); err != nil {
		return fmt.Errorf("is not an entry of a ledger: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	i, known := place[e.key()]
	switch e.Op {
	case opIntend, opMade:
		if !known {
			i = len(r.Left)
			place[e.key()] = i
			r.Left = append(r.Left, e.Entry)
		}
		if e.ID != "" || e.Op == opIntend { // what is intended again is something new
			r.Left[i].ID = e.ID
		}
	case opGone:
		if known {
			r.Left[i] = Entry{}
			delete(place, e.key())
		}
	default:
		return fmt.Errorf("is not an entry of a ledger: its op is %q, want intend, made or gone", e.Op)
	}
	return nil
}

// decode is strict, so that a line that was mixed with another is noticed.
func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
