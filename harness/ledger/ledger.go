package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrClosed is that a ledger was used after Close.
var ErrClosed = errors.New("the ledger is closed")

// ErrAlive is that another process is still writing to a ledger.
var ErrAlive = errors.New("a process is still writing to it")

// Ledger is an open ledger. It is safe for use by many goroutines, and belongs
// to this process alone until it is closed.
type Ledger struct {
	path string
	file *os.File

	mu      sync.Mutex
	pending []byte // lines that are not written yet
	waiting *commit
	left    map[key]struct{}
	err     error // why nothing can be written any more
	closed  bool
	soon    *time.Timer // wakes the writer for what nobody waits for
	due     bool        // it is running

	wake chan struct{} // holds one
	done chan struct{} // closed when the writer has ended
}

// writeSoon is how long a note waits for others. Writing each at once took as
// much time as everything else together.
const writeSoon = 2 * time.Millisecond

// key identifies a thing within a ledger.
type key struct{ run, kind, name string }

// commit is what several callers wait for.
type commit struct {
	done chan struct{}
	err  error // valid when done is closed
}

// Create begins a ledger: a new file in dir, which is made if it does not
// exist. Both can be read by their owner only. Header.Host, PID and StartedAt
// are filled in where they are zero.
func Create(dir string, h Header) (*Ledger, error) {
	h = h.complete()
	fail := func(err error) (*Ledger, error) {
		return nil, fmt.Errorf("begin a ledger in %s: %w", dir, err)
	}
	if err := h.validate(); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	_ = syncDir(filepath.Dir(dir)) // which may be new; not everybody may read what it is in
	// A file gets its name when its header is on disk, so that every ledger has
	// one.
	f, err := os.CreateTemp(dir, ".ledger-*") // with 0600
	if err != nil {
		return fail(err)
	}
	path := filepath.Join(dir, fileName(h.StartedAt))
	err = errors.Join(lock(f), writeAll(f, h.line()), f.Sync())
	if err == nil {
		if err = os.Rename(f.Name(), path); err == nil {
			err = syncDir(dir)
		}
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name()) // the one or the other is there
		return fail(err)
	}
	return open(path, f, map[key]struct{}{}), nil
}

// Resume opens a ledger of an earlier process to write down what is gone. An
// unfinished line at its end is cut off. The error is [ErrAlive] if a process
// still writes to it.
func Resume(path string) (*Ledger, error) {
	fail := func(err error) (*Ledger, error) { return nil, fmt.Errorf("open the ledger %s: %w", path, err) }
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return fail(err)
	}
	rec, end, err := read(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, 0)
	}
	if err != nil {
		_ = f.Close()
		return fail(err)
	}
	left := map[key]struct{}{}
	for _, e := range rec.Left {
		left[key{e.Run, e.Kind, e.Name}] = struct{}{}
	}
	return open(path, f, left), nil
}

func open(path string, f *os.File, left map[key]struct{}) *Ledger {
	l := &Ledger{path: path, file: f, left: left, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.soon = time.AfterFunc(time.Hour, l.nudge)
	l.soon.Stop()
	go l.write()
	return l
}

// Path is the ledger's file.
func (l *Ledger) Path() string { return l.path }

// Intend notes that a run is about to create something, and returns when that
// is on disk. After an error it must not be created. Once the disk has refused a
// write, every further call fails.
//
// The context ends the wait. The note can be on disk all the same, which does no
// harm.
func (l *Ledger) Intend(ctx context.Context, run, kind, name string) error {
	fail := func(err error) error {
		return fmt.Errorf("note in %s that %s %s will be created: %w", l.path, kind, name, err)
	}
	e := Entry{Run: run, Kind: kind, Name: name}
	if err := e.validate(); err != nil {
		return fmt.Errorf("note what will be created in %s: %w", l.path, err) // what is refused is not repeated
	}
	if err := ctx.Err(); err != nil {
		return fail(context.Cause(ctx))
	}
	l.mu.Lock()
	if err := l.unusable(); err != nil {
		l.mu.Unlock()
		return fail(err)
	}
	l.pending = e.append(l.pending, opIntend)
	l.left[e.key()] = struct{}{}
	if l.waiting == nil {
		l.waiting = &commit{done: make(chan struct{})}
	}
	c := l.waiting
	l.mu.Unlock()
	l.nudge()
	select {
	case <-c.done:
		if c.err != nil {
			return fail(c.err)
		}
		return nil
	case <-ctx.Done():
		return fail(context.Cause(ctx))
	}
}

// Made notes the ID of what was created. It does not wait: the note is written
// with the next intention, or within 2 ms, and then outlives the process. An ID
// that can't be noted is left out.
func (l *Ledger) Made(run, kind, name, id string) {
	e := Entry{Run: run, Kind: kind, Name: name, ID: id}
	if e.validate() != nil {
		e.ID = ""
	}
	l.note(e, opMade)
}

// Gone notes that something is deleted, or was never created. It does not wait
// either.
func (l *Ledger) Gone(run, kind, name string) {
	l.note(Entry{Run: run, Kind: kind, Name: name}, opGone)
}

func (l *Ledger) note(e Entry, o op) {
	if e.validate() != nil {
		return // then there is no intention either
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unusable() != nil {
		return
	}
	l.pending = e.append(l.pending, o)
	if o == opGone {
		delete(l.left, e.key())
	} else {
		l.left[e.key()] = struct{}{}
	}
	if !l.due {
		l.due = true
		l.soon.Reset(writeSoon)
	}
}

// unusable is why nothing can be noted.
func (l *Ledger) unusable() error {
	if l.err == nil && l.closed {
		return ErrClosed
	}
	return l.err
}

// nudge wakes the writer.
func (l *Ledger) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close writes what is pending and gives the file free. If nothing is left in
// the ledger, the file is removed. A second Close does nothing.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.soon.Stop()
	l.mu.Unlock()
	l.nudge()
	<-l.done

	err := l.err
	if err == nil {
		err = syncData(l.file)
	}
	if err == nil && len(l.left) == 0 {
		// While it is locked, so that nobody resumes it in between.
		if err = os.Remove(l.path); err == nil {
			err = syncDir(filepath.Dir(l.path))
		} else if errors.Is(err, os.ErrNotExist) {
			err = nil // somebody tidied up before
		}
	}
	if err = errors.Join(err, l.file.Close()); err != nil {
		return fmt.Errorf("close the ledger %s: %w", l.path, err)
	}
	return nil
}
