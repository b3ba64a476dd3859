package traffic

import (
	"sync"
	"syscall"
)

// ReadyReader is a connection that can be read by whoever learns that there is
// something to read. On Linux the pump then needs no goroutine for it: waking
// one for each message costs as much as reading the message.
type ReadyReader interface {
	// SyscallConn is the descriptor, to wait for.
	SyscallConn() (syscall.RawConn, error)

	// ReadReady reads what is there, without blocking. It returns nothing and
	// no error when there is nothing. Otherwise it is as
	// [ScratchReader.ReadScratch].
	ReadReady(scratch interface {
		Acquire() []byte
		Release()
	}) ([]byte, error)

	// NotifyClose has f called when this side closes the connection, before the
	// descriptor is closed.
	NotifyClose(f func())
}

// pollEntry is a connection that a poller watches.
type pollEntry struct {
	mu    sync.Mutex
	dead  bool
	ready func() (more bool) // reads; false ends the watching
	ended func()             // called once, when it is not watched any more
	raw   syscall.RawConn
	token int32
}

// fire reads, unless the entry is dead. It reports whether that was its end.
func (e *pollEntry) fire() (died bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead {
		return false
	}
	e.dead = !e.ready()
	return e.dead
}

// kill makes sure that ready is not running and will not run again. It reports
// whether that was the entry's end.
func (e *pollEntry) kill() (died bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	died = !e.dead
	e.dead = true
	return died
}
