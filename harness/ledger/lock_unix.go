//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// lock makes an open file this process's own until it is closed. The system
// frees it when the process ends, in whatever way.
func lock(f *os.File) error { return flock(f, syscall.LOCK_EX) }

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrAlive
		default:
			return os.NewSyscallError("flock", err)
		}
	}
}

// alive reports whether a process holds the file.
func alive(path string, _ Header) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	// Shared, so that two who ask don't take each other for the writer.
	return errors.Is(flock(f, syscall.LOCK_SH), ErrAlive)
}

func syncOpenDir(d *os.File) error { return d.Sync() }
