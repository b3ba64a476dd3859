package scaletest

import (
	"flag"
	"os"
)

// neverCached keeps go test from repeating an earlier pass instead of running
// anything: what a deployment does is no function of the test's source.
//
// go test remembers a pass by the log of what the test has looked at, and
// nothing else turns that off from inside of a test. Without the log there is
// nothing to remember. Where the file can't be removed, because it is open, the
// variables that were read are in it, and a change of one counts.
func neverCached() {
	for _, name := range []string{"CODER_URL", "CODER_SESSION_TOKEN", "CODER_CONFIG_DIR"} {
		_ = os.Getenv(name)
	}
	for _, name := range known {
		_ = os.Getenv(prefix + name)
	}
	if f := flag.Lookup("test.testlogfile"); f != nil && f.Value.String() != "" {
		_ = os.Remove(f.Value.String())
	}
}
