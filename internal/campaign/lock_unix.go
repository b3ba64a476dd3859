//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package campaign

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// tryLock makes an open file this process's own until it is closed. It is false if
// another has it. The system frees it when the process ends, in whatever way.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return err == nil, os.NewSyscallError("flock", err)
		}
	}
}

// apart keeps a child from the signals of a terminal, which it would get beside ours:
// two would end it without its cleanup.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
