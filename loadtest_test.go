//go:build scaletest

package scaletest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// TestTerminals is the main job: a web terminal in each workspace, 40 KB/s each
// (4 KiB every 100 ms, the simulated connection of Coder's published scale
// tests), every byte of the echo compared. Without CODER_URL it runs 200 of
// them for 10 s against the embedded deployment.
func TestTerminals(t *testing.T) {
	target := scaletest.Connect(t)
	scaletest.Run(t, terminals(target, target.Workspaces(t)))
}

func terminals(target *scaletest.Target, workspaces []runners.Workspace) harness.Scenario {
	cfg := target.Config()
	load := traffic.Constant(
		or(cfg.BytesPerTick, 4*traffic.KiB),
		or(cfg.TickInterval, 100*time.Millisecond))
	schedule := harness.AllAtOnce(len(workspaces)).Hold(cfg.Duration)
	if n := cfg.Concurrency; n != nil && *n > 0 && *n < len(workspaces) {
		// Some at a time: each for the duration, one after the other.
		load.Shape = traffic.For{Shape: load.Shape, Duration: cfg.Duration}
		schedule = harness.AtATime(len(workspaces), *n).Lasting(cfg.Duration)
	}
	return harness.Scenario{
		Name:     "terminals",
		Runner:   runners.TerminalConfig{Workspaces: workspaces, Load: load}.Runner(),
		Schedule: schedule,
		// Latency has no threshold here, because nobody knows what your
		// deployment should reach: set one by CODER_SCALETEST_THRESHOLDS, such as
		// "terminals/echo: p(99)<250ms".
		Thresholds: []harness.Threshold{
			harness.Rate("errors").Below(0.001),
			harness.Rate("throughput").AtLeast(0.99),
		},
	}
}

// TestGreedyTerminal is one user who floods a terminal: 25 MiB every 40 ms, as
// Coder's own greedy agent does. That is more than a terminal takes. What matters
// is that whatever comes back is right, and that the lines are short enough to
// reach the process: of a line longer than 4096 bytes it would see the beginning
// only. The embedded deployment gets a hundredth of it, and so does a host that
// CODER_SCALETEST_YES does not name.
func TestGreedyTerminal(t *testing.T) {
	target := scaletest.Connect(t)
	bytesPerTick := 25 * traffic.MiB
	if target.Embedded() != nil || !target.Confirmed() {
		bytesPerTick /= 100
	}
	duration := min(target.Config().Duration, 5*time.Second)
	scaletest.Run(t, harness.Scenario{
		Name: "greedy",
		Runner: runners.TerminalConfig{
			Workspaces: target.Workspaces(t),
			Load:       traffic.Constant(bytesPerTick, 40*time.Millisecond),
			Burst:      2,
		}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(duration),
		Thresholds: []harness.Threshold{
			harness.Count("echoes_corrupt").AtMost(0),
			harness.Count("bytes_received").Above(0),
		},
	})
}

// BenchmarkTerminals gives lines that benchstat compares:
//
//	go test -tags scaletest -run '^$' -bench . -benchtime=1x -count=6 .
func BenchmarkTerminals(b *testing.B) {
	target := scaletest.Embedded{Workspaces: 1000}.Connect(b)
	workspaces := target.Workspaces(b)
	for _, conns := range []int{50, 200, 1000} {
		for _, kb := range []int{1, 4} {
			if conns == 1000 && kb == 4 && target.Embedded() != nil {
				continue // it shares this process' cores
			}
			b.Run(fmt.Sprintf("conns=%d/tick=%dKiB", conns, kb), func(b *testing.B) {
				if conns > len(workspaces) && target.Config().Required {
					b.Fatalf("%d workspaces are needed, %d are there", conns, len(workspaces))
				}
				if conns > len(workspaces) {
					b.Skipf("%d workspaces are needed, %d are there", conns, len(workspaces))
				}
				scaletest.Bench(b, harness.Scenario{
					Name:       "terminals",
					Runner:     runners.Terminal(workspaces[:conns], traffic.Constant(kb*traffic.KiB, 100*time.Millisecond)),
					Schedule:   harness.AllAtOnce(conns).Hold(3 * time.Second),
					Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
				})
			})
		}
	}
}

// or is v unless that is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
