package traffic

import (
	"runtime"
	"syscall"
	"time"
)

// lockThread keeps the goroutine on its thread, so that the kernel's timer
// wakes it and not the runtime's, which counts in milliseconds when idle.
func lockThread() bool {
	runtime.LockOSThread()
	return true
}

func unlockThread() { runtime.UnlockOSThread() }

func nanosleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // an early return only means another look at the clock
}
