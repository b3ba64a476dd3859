package ledger

import (
	"os"
	"syscall"
)

// syncData makes what was written durable. The times of the file may stay
// behind, which spares a write.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
