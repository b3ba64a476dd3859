//go:build !scaletest

package scaletest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeTB is a test that may fail. Its failures are what is looked at.
type fakeTB struct {
	name     string
	deadline time.Time
	onOutput func(line string)
	ctx      context.Context

	mu       sync.Mutex
	log      []string
	errors   []string // Errorf
	fatal    []string // Fatalf, at most one
	skipped  []string
	output   bytes.Buffer
	cleanups []func()
}

// attempt runs a test of which it is known that it may fail, and its cleanup.
func attempt(t *testing.T, tb *fakeTB, test func(tb *fakeTB)) *fakeTB {
	t.Helper()
	if tb == nil {
		tb = &fakeTB{}
	}
	if tb.name == "" {
		tb.name = t.Name()
	}
	tb.ctx = t.Context()
	done := make(chan struct{})
	go func() { // of its own, because Fatalf ends it
		defer close(done)
		defer func() {
			for i := len(tb.cleanups) - 1; i >= 0; i-- {
				tb.cleanups[i]()
			}
		}()
		test(tb)
	}()
	<-done
	return tb
}

func (tb *fakeTB) Helper()                      {}
func (tb *fakeTB) Name() string                 { return tb.name }
func (tb *fakeTB) Context() context.Context     { return tb.ctx }
func (tb *fakeTB) Cleanup(f func())             { tb.cleanups = append(tb.cleanups, f) }
func (tb *fakeTB) Output() io.Writer            { return tb }
func (tb *fakeTB) Logf(f string, args ...any)   { tb.add(&tb.log, f, args) }
func (tb *fakeTB) Errorf(f string, args ...any) { tb.add(&tb.errors, f, args) }
func (tb *fakeTB) Fatalf(f string, args ...any) { tb.add(&tb.fatal, f, args); runtime.Goexit() }
func (tb *fakeTB) Skipf(f string, args ...any)  { tb.add(&tb.skipped, f, args); runtime.Goexit() }
func (tb *fakeTB) Deadline() (time.Time, bool)  { return tb.deadline, !tb.deadline.IsZero() }

func (tb *fakeTB) add(to *[]string, format string, args []any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	*to = append(*to, fmt.Sprintf(format, args...))
}

// Write takes the lines of the console.
func (tb *fakeTB) Write(p []byte) (int, error) {
	tb.mu.Lock()
	n, err := tb.output.Write(p)
	tb.mu.Unlock()
	if tb.onOutput != nil {
		tb.onOutput(string(p))
	}
	return n, err
}

// environment sets the variables that Connect reads, and unsets the others.
func environment(t *testing.T, set ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CODER_") || strings.HasPrefix(name, "GITHUB_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("CODER_SCALETEST_ARTIFACTS", t.TempDir())
	for _, kv := range set {
		if name, value, ok := strings.Cut(kv, "="); ok {
			t.Setenv(name, value)
		}
	}
}
