//go:build scaletest

package scaletest_test

import (
	"bufio"
	"context"
	"flag"
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

// BenchmarkSizing says what a generator needs: how many
// connections of each kind a core and a GiB of memory carry. The deployment is another process. The
// first line is a process that does nothing, the baseline of the others.
//
//	go test -tags scaletest -run '^$' -bench Sizing -benchtime=1x .
func BenchmarkSizing(b *testing.B) {
	if f := flag.Lookup("test.bench"); !strings.Contains(f.Value.String(), "Sizing") {
		b.Skip("it takes a minute, and runs when it is asked for by name: -bench Sizing")
	}
	const busy, many = 400, 1600 // connections whose cores, and whose memory, are looked at
	target := elsewhere(b, many)
	workspaces, apps, people := target.Workspaces(b), target.WorkspacesWithApp(b, "wsec"), target.People(b)
	dialer := target.SSHDialer(b)
	dashboard := runners.DashboardConfig{People: people, Interval: 10 * time.Second, Jitter: 5 * time.Second}.Runner()
	terminal := func(load traffic.Load) func(int) (harness.Runner, error) { return runners.Terminal(workspaces, load) }
	app := func(load traffic.Load) func(int) (harness.Runner, error) {
		return runners.AppConfig{Workspaces: apps, Slug: "wsec", Load: load}.Runner()
	}
	ssh := func(load traffic.Load) func(int) (harness.Runner, error) {
		return runners.SSH(workspaces, dialer, load)
	}
	slow, small := traffic.Constant(traffic.KiB, time.Second), traffic.Constant(traffic.KiB, 100*time.Millisecond)
	for _, c := range []struct {
		name  string
		fast  func(int) (harness.Runner, error)
		quiet func(int) (harness.Runner, error) // for the memory, so that this machine can hold many
	}{
		{"nothing", idle, idle},
		{"terminal/40kBps", terminal(traffic.Constant(4*traffic.KiB, 100*time.Millisecond)), terminal(slow)},
		{"terminal/10kBps", terminal(small), terminal(slow)},
		{"app/10kBps", app(small), app(slow)},
		{"ssh/10kBps", ssh(small), ssh(slow)},
		{"dashboard/10s", dashboard, dashboard},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cores, kib float64
			for b.Loop() {
				cores = hold(b, busy, c.fast).Generator.Watch.CPU
				debug.FreeOSMemory()
				before := anonymous(b)
				hold(b, many, c.quiet)
				kib = (anonymous(b) - before) / many
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(busy/cores, "conns/core")
			b.ReportMetric(1<<20/kib, "conns/GiB")
		})
	}
}

// hold lets users run for some seconds.
func hold(b *testing.B, n int, runner func(int) (harness.Runner, error)) *harness.Result {
	b.Helper()
	run, err := harness.Start(b.Context(), harness.Plan{Scenarios: []harness.Scenario{{
		Name: "sizing", Runner: runner, Schedule: harness.AllAtOnce(n).Hold(3 * time.Second),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	res := run.Wait()
	if res.Scenarios[0].Ready < int64(n) || res.Generator.Watch == nil {
		b.Fatalf("%d of %d got ready: %v", res.Scenarios[0].Ready, n, res.Reasons)
	}
	return res
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
