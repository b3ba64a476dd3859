package ledger

import (
	"io"
	"os"
)

// write is the ledger's only writer. Whatever comes in during one commit is
// the next.
func (l *Ledger) write() {
	defer close(l.done)
	var lines []byte
	for range l.wake {
		l.mu.Lock()
		lines, l.pending = l.pending, lines[:0]
		c, closed := l.waiting, l.closed
		l.waiting, l.due = nil, false
		l.mu.Unlock()

		err := l.commit(lines, c != nil)
		if err != nil {
			l.mu.Lock()
			l.err = err
			// Those who came in meanwhile must fail too: after a gap, nothing that
			// follows can be relied on.
			late := l.waiting
			l.waiting = nil
			l.mu.Unlock()
			late.finish(err)
		}
		c.finish(err)
		if closed || err != nil {
			return
		}
	}
}

// commit writes lines, and waits for the disk if somebody does.
func (l *Ledger) commit(lines []byte, durable bool) error {
	if len(lines) > 0 {
		if err := writeAll(l.file, lines); err != nil {
			return err
		}
	}
	if durable {
		return syncData(l.file)
	}
	return nil
}

func (c *commit) finish(err error) {
	if c != nil {
		c.err = err
		close(c.done)
	}
}

func writeAll(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// syncDir makes names in a directory durable, where the system can do that.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpenDir(d)
}
