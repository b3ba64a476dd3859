package codertest

import (
	"math"
	"runtime"
	"runtime/debug"
	"time"
)

// begun is when this package was, which is nearly when the process was.
var begun = time.Now()

// writeProcess is what the process uses. All that runs in it is the deployment's as
// far as one can tell: what tests it too.
func writeProcess(e *exposition) {
	e.family("go_info", "gauge", "The version of Go.")
	e.sample("go_info", 1, "version", runtime.Version())
	e.single("go_goroutines", "gauge", "Goroutines.", float64(runtime.NumGoroutine()))
	e.single("go_sched_gomaxprocs_threads", "gauge", "Cores that may be used at a time.", float64(runtime.GOMAXPROCS(0)))
	limit := float64(debug.SetMemoryLimit(-1))
	if limit >= math.MaxInt64 {
		limit = math.MaxInt64
	}
	e.single("go_gc_gomemlimit_bytes", "gauge", "The limit of memory that the collector keeps to.", limit)
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	e.family("go_gc_duration_seconds", "summary", "Pauses of the garbage collector.")
	e.sample("go_gc_duration_seconds_sum", gc.PauseTotal.Seconds())
	e.sample("go_gc_duration_seconds_count", float64(gc.NumGC))
	e.single("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", float64(begun.UnixMilli())/1000)
	writeUse(e)
}
