//go:build scaletest

package scaletest_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/scenario"
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
		Runner:   runners.TerminalConfig{Workspaces: workspaces, Load: load, ProxyURL: cfg.ProxyURL}.Runner(),
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

// TestCreateUsers creates users with a session each, a fifth of them template
// admins, and deletes them again unless CODER_SCALETEST_NO_CLEANUP is set.
func TestCreateUsers(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 1})
	if target.Config().HostLogin {
		t.Skip("CODER_SCALETEST_USE_HOST_LOGIN is set: no users are created")
	}
	cfg := target.CreateUsers(t)
	cfg.TemplateAdmins = 0.2
	plan := target.Creation("users", embedded(target, 50, 1), cfg.Runner())
	plan.Scenarios[0].Thresholds = []harness.Threshold{harness.Rate("errors").Below(0.01)}
	scaletest.RunPlan(t, plan)
}

// TestCreateWorkspaces creates CODER_SCALETEST_COUNT workspaces of
// CODER_SCALETEST_TEMPLATE, each with a user of its own, waits until their agents
// are ready, and deletes them again unless CODER_SCALETEST_NO_CLEANUP is set.
func TestCreateWorkspaces(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 1, Server: codertest.Config{
		BuildTime: codertest.Latency{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}, Provisioners: 10,
	}})
	cfg := target.CreateWorkspaces(t)
	scaletest.RunPlan(t, target.Creation("workspaces", embedded(target, 50, 1), cfg.Runner()))
}

// TestSSH sends a load over SSH into each workspace and compares its echo. The
// agents of a live deployment are reached through its relays, by a few WireGuard
// nodes for all of them.
func TestSSH(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 50})
	workspaces := target.Workspaces(t)
	scaletest.Run(t, harness.Scenario{
		Name:     "ssh",
		Runner:   runners.SSH(workspaces, target.SSHDialer(t), typed(target)),
		Schedule: harness.AllAtOnce(len(workspaces)).Hold(steady(target)),
		Thresholds: []harness.Threshold{
			harness.Rate("errors").Below(0.001),
			harness.Rate("throughput").AtLeast(0.99),
		},
	})
}

// TestTunnel holds a tunnel to each workspace, as a port-forward is, through the
// tailnet. CODER_SCALETEST_CONNECT_URL is asked for once a second; without it the
// agents are asked for signs of life.
func TestTunnel(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 20})
	tunnel := target.Tunnel(t)
	tunnel.Workspaces = target.Workspaces(t)
	scaletest.Run(t, harness.Scenario{
		Name:       "tunnel",
		Runner:     tunnel.Runner(),
		Schedule:   harness.AllAtOnce(len(tunnel.Workspaces)).Hold(steady(target)),
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.001)},
	})
}

// TestApp sends a load through the app proxy to an app of each workspace:
// CODER_SCALETEST_WORKSPACE_TRAFFIC_APP, or wsec, which echoes.
func TestApp(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 50})
	cfg := target.Config()
	slug := or(cfg.App, "wsec")
	workspaces := target.WorkspacesWithApp(t, slug)
	scaletest.Run(t, harness.Scenario{
		Name:       "app",
		Runner:     runners.AppConfig{Workspaces: workspaces, Slug: slug, Load: typed(target), ProxyURL: cfg.ProxyURL}.Runner(),
		Schedule:   harness.AllAtOnce(len(workspaces)).Hold(steady(target)),
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.001)},
	})
}

// TestDashboard simulates people at the dashboard, each with a session of their
// own, who click from page to page. CODER_SCALETEST_DASHBOARD_TARGET_USERS says
// who; with CODER_SCALETEST_USE_HOST_LOGIN it is the token's own user alone.
func TestDashboard(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 50, Server: codertest.Config{Users: 50}})
	people, o := target.People(t), target.Config().Dashboard
	if target.Embedded() != nil { // it is on for seconds only
		o.Interval, o.Jitter = time.Second, time.Second/2
	}
	scaletest.Run(t, harness.Scenario{
		Name:       "dashboard",
		Runner:     runners.DashboardConfig{People: people, Interval: o.Interval, Jitter: jitter(o.Jitter), Seed: o.Seed}.Runner(),
		Schedule:   harness.AllAtOnce(len(people)).Hold(steady(target)),
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.001)},
	})
}

// TestAutostart lets all workspaces start by their schedule at the same minute,
// which takes about three minutes.
func TestAutostart(t *testing.T) {
	if !named() {
		t.Skipf("this test takes three minutes and runs when it is asked for by name: -run '^%s$'", t.Name())
	}
	target := scaletest.Embedded{Workspaces: 20, Server: codertest.Config{Provisioners: 10}}.Connect(t)
	workspaces := target.WorkspacesWhere(t, scaletest.Filter{AnyState: true})
	scaletest.Run(t, harness.Scenario{
		Name:       "autostart",
		Runner:     runners.Autostart(workspaces),
		Schedule:   harness.AllAtOnce(len(workspaces)).Lasting(4 * time.Minute),
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
	})
}

// TestBuilds restarts all workspaces at once: the storm at nine in the morning.
func TestBuilds(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 20, Server: codertest.Config{
		BuildTime: codertest.Latency{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}, Provisioners: 10,
	}})
	workspaces := target.WorkspacesWhere(t, scaletest.Filter{AnyState: true})
	scaletest.Run(t, harness.Scenario{
		Name:       "builds",
		Runner:     runners.BuildConfig{Workspaces: workspaces, Kind: runners.RestartBuild, Restore: true}.Runner(),
		Schedule:   harness.AllAtOnce(len(workspaces)),
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
	})
}

// TestWatch holds the watches that the pages of all workspaces hold, and measures
// how late they are told of what happens.
func TestWatch(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 20})
	workspaces := target.Workspaces(t)
	scaletest.Run(t, harness.Scenario{
		Name:       "watch",
		Runner:     runners.Watch(workspaces),
		Schedule:   harness.AllAtOnce(len(workspaces)).Hold(steady(target)),
		Thresholds: []harness.Threshold{harness.Count("watches_lost").AtMost(0)},
	})
}

// TestAgents simulates the agents of CODER_SCALETEST_COUNT workspaces without
// machines, which it makes if they are not there and leaves for the next time. Each
// connects at once with the others, and reports its metadata once a second.
func TestAgents(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 1, Server: codertest.Config{
		BuildTime: codertest.Fixed(5 * time.Millisecond), Provisioners: 16, StatsInterval: time.Second,
	}})
	agents := target.SimulatedAgents(t, scaletest.AgentsOptions{
		Count: embedded(target, 200, 10), Metadata: agentfleet.Metadata{Interval: time.Second},
	})
	scaletest.Run(t, harness.Scenario{
		Name:     "agents",
		Runner:   agents.Runner(),
		Schedule: harness.AllAtOnce(agents.Agents).Hold(steady(target)),
		Thresholds: []harness.Threshold{
			harness.Rate("errors").Below(0.001),
			harness.Count("agents_lost").AtMost(0),
			harness.Count("agent_calls_failed").AtMost(0),
		},
	})
}

// TestLosingAReplica takes a replica away while terminals are typed into, and
// reports who notices: with four replicas about a quarter of the connections drop,
// and each terminal comes back to its session. The embedded deployment has four. A
// live one needs CODER_SCALETEST_DISRUPT_COMMAND to say what takes one away, such as
// 'kubectl delete $(kubectl get pods -l app.kubernetes.io/name=coder -o name | head -n 1)'.
func TestLosingAReplica(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 40, Server: codertest.Config{Replicas: 4}})
	duration := embedded(target, min(target.Config().Duration, 7*time.Second), target.Config().Duration)
	lost, ok := target.Disruption(duration*3/10, duration*3/10)
	if !ok && target.Embedded() == nil {
		t.Skip("CODER_SCALETEST_DISRUPT_COMMAND is not set: want what takes a replica away")
	}
	s := terminals(target, target.Workspaces(t))
	s.Schedule = harness.AllAtOnce(s.Schedule.Users()).Hold(duration)
	s.Thresholds = []harness.Threshold{
		harness.Rate("errors").In(harness.Before).Below(0.001),
		harness.Rate("errors").In(harness.After).Below(0.001),
		harness.Count("echoes_corrupt").AtMost(0),
	}
	if !ok {
		lost = harness.Disruption{Name: "lose-replica", At: duration * 3 / 10, Do: target.StopReplica(1)}
		s.Thresholds = append(s.Thresholds,
			harness.Rate("disconnects").In(harness.During).AtLeast(0.2),
			harness.Rate("disconnects").In(harness.During).AtMost(0.3))
	}
	scaletest.RunPlan(t, harness.Plan{Scenarios: []harness.Scenario{s}, Disruptions: []harness.Disruption{lost}})
}

// TestAPI asks for a mix of what people and tools ask for, 50 times a second,
// however fast the answers come.
func TestAPI(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 100})
	scaletest.Run(t, asking(target, target.Workspaces(t), harness.ConstantArrivals(50, steady(target), 20)))
}

// TestFindLimit raises the rate of the same calls until they fail or get slow,
// closes in on the highest rate that holds, and says how certain it is. On the
// embedded deployment it takes seconds, and is content with less. Its probes are
// as long as CODER_SCALETEST_DURATION, and there are about twenty: give it
// -timeout 0.
func TestFindLimit(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 100, Server: codertest.Config{RateLimit: -1}})
	workspaces := target.Workspaces(t)
	search := harness.Search{
		Of: "calls/s", From: 10, To: embedded(target, 80.0, 1000.0), Step: 5,
		Confidence: embedded(target, 0.5, 0.9), Rest: embedded(target, -1, 10*time.Second),
		Plan: func(load float64) (harness.Plan, error) {
			// Users for calls that take a second each.
			s := asking(target, workspaces, harness.ConstantArrivals(load, embedded(target, time.Second, target.Config().Duration), max(int(load), 20)))
			s.Thresholds = append(s.Thresholds, harness.P99("iteration").Below(time.Second))
			return harness.Plan{Scenarios: []harness.Scenario{s}}, nil
		},
	}
	limit := scaletest.FindLimit(t, search)
	if limit.Holds == 0 && limit.Breaks == 0 {
		t.Errorf("nothing was learned: %v", limit.Reason)
	}
}

// asking is a mix of calls of the API.
func asking(target *scaletest.Target, workspaces []runners.Workspace, schedule harness.Schedule) harness.Scenario {
	return harness.Scenario{
		Name: "api",
		Runner: runners.APIConfig{
			People:     []runners.Person{target.Self()},
			Workspaces: workspaces,
			Calls: []runners.APICall{
				{Name: "list_workspaces", Path: "/api/v2/workspaces?q=owner:me&limit=25", Weight: 4},
				{Name: "read_workspace", Path: "/api/v2/workspaces/{workspace}", Weight: 4},
				{Name: "list_templates", Path: "/api/v2/templates", Weight: 1},
				{Name: "me", Path: "/api/v2/users/{user}", Weight: 1},
			},
		}.Runner(),
		Schedule:   schedule,
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.001)},
	}
}

// TestScenario runs the file that CODER_SCALETEST_SCENARIO names. Without one it
// runs a short sequence against the embedded deployment: create workspaces, type
// into all of them, then use half of them by SSH and the rest by their app.
func TestScenario(t *testing.T) {
	target := connect(t, scaletest.Embedded{Workspaces: 1, Server: codertest.Config{
		BuildTime: codertest.Latency{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}, Provisioners: 10,
	}})
	if path := target.Config().Scenario; path != "" {
		file, err := scenario.Read(path)
		if err != nil {
			t.Fatalf("CODER_SCALETEST_SCENARIO: %v", err)
		}
		scaletest.RunFile(t, file)
		return
	}
	if target.Embedded() == nil {
		t.Skip("CODER_SCALETEST_SCENARIO is not set: want the path of a scenario file")
	}
	second := scenario.Duration(time.Second)
	scaletest.RunFile(t, scenario.File{
		Order:    scenario.Sequence,
		Baseline: second,
		Create:   &scenario.Create{Workspaces: 20, Concurrency: 10},
		Scenarios: []scenario.Scenario{
			{Kind: scenario.Terminal, Duration: 2 * second, Thresholds: []string{"errors: rate<0.001", "throughput: rate>=0.99"}},
			{Kind: scenario.SSH, Duration: 2 * second, Targets: scenario.Targets{Range: runners.Range{End: 50, Percent: true}}, Thresholds: []string{"errors: rate<0.001"}},
			{Kind: scenario.App, Duration: 2 * second, Targets: scenario.Targets{Range: runners.Range{Start: 50, End: 100, Percent: true}}, Thresholds: []string{"errors: rate<0.001"}},
		},
	})
}

// connect is scaletest.Connect with an embedded deployment of its own size. On a
// live deployment, tests that are not the main job run when they are asked for by
// name only: nobody should restart all workspaces because they forgot -run.
func connect(t *testing.T, e scaletest.Embedded) *scaletest.Target {
	t.Helper()
	if os.Getenv("CODER_URL") != "" && !named() {
		t.Skipf("on a live deployment this test runs when it is asked for by name: -run '^%s$'", t.Name())
	}
	return e.Connect(t)
}

// jitter is what a runner takes: there 0 is its default, and less than 0 none.
func jitter(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// named reports whether tests were asked for by name.
func named() bool { return flag.Lookup("test.run").Value.String() != "" }

// embedded is one thing for the embedded deployment, and another for a live one.
func embedded[T any](target *scaletest.Target, here, live T) T {
	if target.Embedded() != nil {
		return here
	}
	return live
}

// steady is how long the load of the smaller tests lasts: shorter than the main
// job's on the embedded deployment, so that all of them together take a minute.
func steady(target *scaletest.Target) time.Duration {
	return embedded(target, min(target.Config().Duration, 3*time.Second), target.Config().Duration)
}

// typed is what a connection sends: 1 KiB every 100 ms, as in Coder's utility.
func typed(target *scaletest.Target) traffic.Load {
	cfg := target.Config()
	return traffic.Constant(or(cfg.BytesPerTick, 1*traffic.KiB), or(cfg.TickInterval, 100*time.Millisecond))
}

// or is v unless that is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
