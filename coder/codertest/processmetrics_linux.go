package codertest

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// writeUse is what only the system knows. What it does not say is left out.
func writeUse(e *exposition) {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
		e.single("process_cpu_seconds_total", "counter", "CPU time.", cpu.Seconds())
	}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(b)); len(fields) > 1 {
			if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				e.single("process_resident_memory_bytes", "gauge", "Resident memory.", float64(pages)*float64(os.Getpagesize()))
			}
		}
	}
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		names, err := dir.Readdirnames(-1)
		_ = dir.Close() // it was only read
		if err == nil {
			e.single("process_open_fds", "gauge", "Open file descriptors.", float64(len(names)-1)) // without dir
		}
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		e.single("process_max_fds", "gauge", "File descriptors that may be open.", float64(limit.Cur))
	}
}
