package traffic_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childEnv makes the test binary run one of these instead of its tests: what
// must not share a process with what is measured.
const childEnv = "TRAFFIC_TEST_CHILD"

var children = map[string]func(){
	"hog": func() {
		for n := 0; ; n++ { // a busy loop that ends with its parent
			if n&(1<<26-1) == 0 && os.Getppid() == 1 {
				return
			}
		}
	},
}

func runChild() {
	if f := children[os.Getenv(childEnv)]; f != nil {
		f()
		os.Exit(0)
	}
}

// startChild runs a child until the test ends.
func startChild(tb testing.TB, name string) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// cpuTime is what this process has used.
func cpuTime(tb testing.TB) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		tb.Fatal(fmt.Errorf("read CPU time: %w", err))
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
