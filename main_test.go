package scaletest_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.bench"); f.Value.String() != "" {
		// For tools that read benchmark lines: which way is better.
		fmt.Println("Unit p50-ns better=lower")
		fmt.Println("Unit p99-ns better=lower")
		fmt.Println("Unit MB/s better=higher")
		fmt.Println("Unit errors/op better=lower")
	}
	goleak.VerifyTestMain(m)
}

// environment sets the variables that Connect reads, and unsets the others.
func environment(t *testing.T, set ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CODER_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("CODER_SCALETEST_ARTIFACTS", t.TempDir())
	for _, kv := range set {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}
