package scaletest

import (
	"context"
	"flag"
	"io"
	"time"
)

// TB is what [Connect] and [Run] need of a test or benchmark. *testing.T and
// *testing.B have it, and so can a fake. Where they are there, these are used
// too: Output() for what is printed while the test runs, Deadline() for plans
// that would not end in time, and ArtifactDir() for results.
type TB interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(f func())
	Context() context.Context
}

// output is where lines go that should be seen while the test runs.
func output(tb TB) io.Writer {
	if o, ok := tb.(interface{ Output() io.Writer }); ok {
		return o.Output()
	}
	return logWriter{tb}
}

// logWriter writes lines to a test's log.
type logWriter struct{ tb TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.tb.Logf("%s", p)
	return len(p), nil
}

// processStart is close enough to the instant from which go test counts.
var processStart = time.Now()

// deadlineOf is when the test binary will be killed, if it will be.
func deadlineOf(tb TB) (time.Time, bool) {
	if d, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		return d.Deadline()
	}
	// A benchmark does not tell.
	f := flag.Lookup("test.timeout")
	if f == nil {
		return time.Time{}, false
	}
	timeout, err := time.ParseDuration(f.Value.String())
	if err != nil || timeout <= 0 {
		return time.Time{}, false
	}
	return processStart.Add(timeout), true
}
