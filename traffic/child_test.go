package traffic_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
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

// startChild runs a child until the test ends. Lines that it prints are read
// from the result.
func startChild(tb testing.TB, name string, env ...string) *bufio.Reader {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, childEnv+"="+name)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	return bufio.NewReader(out)
}

func readLine(tb testing.TB, r *bufio.Reader) string {
	tb.Helper()
	line, err := r.ReadString('\n')
	require.NoError(tb, err, "the child ended early")
	return strings.TrimSpace(line)
}

// cpuTime is what this process has used.
func cpuTime(tb testing.TB) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		tb.Fatal(fmt.Errorf("read CPU time: %w", err))
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
