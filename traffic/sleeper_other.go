//go:build !linux

package traffic

import "time"

func lockThread() bool { return false }

func unlockThread() {}

func nanosleep(d time.Duration) { time.Sleep(d) }
