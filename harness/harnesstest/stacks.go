package harnesstest

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strings"
	"time"
)

// goroutines are those of a run that are there, one text for each group of the
// same stack.
func goroutines(runID string) []string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return nil // a buffer takes everything
	}
	label := fmt.Sprintf("%q:\"%s/", userLabel, runID)
	var out []string
	for block := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(block, label) {
			out = append(out, block)
		}
	}
	return out
}

// profileFrame is a line of a goroutine profile, such as
// "#	0x47ac2d	net/http.(*persistConn).readLoop+0xa8c	/go/transport.go:2245".
var profileFrame = regexp.MustCompile(`(?m)^#\t0x[0-9a-f]+\t(\S+)\+0x[0-9a-f]+\t`)

// where is where a goroutine of a profile is, innermost first, within a sentence.
func where(block string) string {
	var names []string
	for _, m := range profileFrame.FindAllStringSubmatch(block, -1) {
		if name := m[1]; !isMachinery(name) {
			names = append(names, name)
		}
	}
	return shown(names)
}

// whereOf is where a call of the runner is, of all the goroutines that it may have
// started.
func whereOf(stacks string) string {
	for block := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(block, "harnesstest.(*subjectRunner)") {
			return where(block)
		}
	}
	return where(stacks)
}

// panicFrame is a function's line of debug.Stack.
var panicFrame = regexp.MustCompile(`(?m)^([a-zA-Z][^\s]*)\([^\n]*\)$`)

// frames is where a panic was, within a sentence.
func frames(stack string) string {
	if _, behind, ok := strings.Cut(stack, "\npanic("); ok {
		stack = behind
	}
	var names []string
	for _, m := range panicFrame.FindAllStringSubmatch(stack, -1) {
		if name := m[1]; !isMachinery(name) {
			names = append(names, name)
		}
	}
	return shown(names)
}

// shownFrames is how many functions a finding shows.
const shownFrames = 6

func shown(names []string) string {
	if len(names) == 0 {
		return ""
	}
	names = names[:min(len(names), shownFrames)]
	for i, name := range names {
		names[i] = name[strings.LastIndexByte(name, '/')+1:]
	}
	return ", in " + strings.Join(names, " < ")
}

// isMachinery reports whether a function is of those that everything ends in.
func isMachinery(name string) bool {
	for _, prefix := range []string{"runtime.", "runtime/", "internal/", "sync.runtime", "panic"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.Contains(name, "harnesstest.(*subjectRunner)") || strings.Contains(name, "harness.(*Run).call")
}

// settle waits until f is true, at most for a time, and reports whether it is.
func settle(atMost time.Duration, f func() bool) bool {
	end := time.Now().Add(atMost)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if f() {
			return true
		}
		if !time.Now().Before(end) {
			return false
		}
		time.Sleep(wait)
	}
}
