//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package ledger

import "os"

// lock does nothing where files have no advisory locks.
func lock(*os.File) error { return nil }

// alive falls back to the process's number, which another process can have got
// meanwhile.
func alive(_ string, h Header) bool {
	host, err := os.Hostname()
	if err != nil || host != h.Host || h.PID == os.Getpid() {
		return false
	}
	p, err := os.FindProcess(h.PID)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}

// syncOpenDir does nothing: names are durable by themselves there.
func syncOpenDir(*os.File) error { return nil }
