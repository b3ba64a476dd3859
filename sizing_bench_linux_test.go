//go:build scaletest

package scaletest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// BenchmarkSizing says what a generator needs: the cores that a thousand connections
// take of it, by kind, and the memory of one. The deployment is another process. The
// first line is a process that does nothing, the baseline of the others.
//
//	go test -tags scaletest -run '^$' -bench Sizing -benchtime=1x .
func BenchmarkSizing(b *testing.B) {
	target := elsewhere(b, 400)
	workspaces, people := target.Workspaces(b), target.People(b)
	typed := traffic.Constant(4*traffic.KiB, 100*time.Millisecond)
	small := traffic.Constant(traffic.KiB, 100*time.Millisecond)
	const n = 400
	for _, c := range []struct {
		name   string
		runner func(int) (harness.Runner, error)
	}{
		{"nothing", idle},
		{"terminal/40kBps", runners.Terminal(workspaces, typed)},
		{"terminal/10kBps", runners.Terminal(workspaces, small)},
		{"app/10kBps", runners.AppConfig{Workspaces: target.WorkspacesWithApp(b, "wsec"), Slug: "wsec", Load: small}.Runner()},
		{"ssh/10kBps", runners.SSH(workspaces, target.SSHDialer(b), small)},
		{"dashboard/10s", runners.DashboardConfig{People: people, Interval: 10 * time.Second, Jitter: 5 * time.Second}.Runner()},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cores, kib float64
			for b.Loop() {
				debug.FreeOSMemory()
				before := anonymous(b)
				run, err := harness.Start(b.Context(), harness.Plan{Scenarios: []harness.Scenario{{
					Name: "sizing", Runner: c.runner, Schedule: harness.AllAtOnce(n).Hold(3 * time.Second),
				}}})
				if err != nil {
					b.Fatal(err)
				}
				res := run.Wait()
				if res.Scenarios[0].Ready < n || res.Generator.Watch == nil {
					b.Fatalf("%d of %d got ready: %v", res.Scenarios[0].Ready, n, res.Reasons)
				}
				cores = res.Generator.Watch.CPU
				kib = (anonymous(b) - before) / n
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1000*cores/n, "cores/1000conns")
			b.ReportMetric(kib, "KiB/conn")
		})
	}
}

// idle is a user who does nothing until the load ends.
func idle(int) (harness.Runner, error) {
	return harness.RunnerFunc(func(ctx context.Context, _ *harness.Recorder) error {
		timer := time.NewTimer(3 * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return nil
	}), nil
}

// elsewhere is an embedded deployment in a process of its own.
func elsewhere(b *testing.B, n int) *scaletest.Target {
	b.Helper()
	if os.Getenv("CODER_URL") != "" {
		b.Skip("CODER_URL is set: sizing is of the generator, against an embedded deployment in another process")
	}
	binary := filepath.Join(b.TempDir(), "scaletest")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/scaletest").CombinedOutput(); err != nil {
		b.Fatalf("build the deployment: %v: %s", err, out)
	}
	cmd := exec.Command(binary, "serve", "-workspaces", fmt.Sprint(n), "-users", fmt.Sprint(n), "-rate-limit", "-1", "-exit-with-parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for range 2 {
		lines.Scan()
		name, value, _ := strings.Cut(lines.Text(), "=")
		b.Setenv(name, value)
	}
	return scaletest.Connect(b)
}

// anonymous is the resident memory of this process that is no file's, in KiB.
func anonymous(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	var kib float64
	if _, err := fmt.Sscanf(rest, "%f", &kib); err != nil {
		b.Fatal(err)
	}
	return kib
}
