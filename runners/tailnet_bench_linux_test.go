package runners_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/tailnet"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// trafficEnv makes the test binary a client that makes the traffic of Coder's own
// utility: nothing else is to be counted with it. It has the deployment's URL and
// token.
const trafficEnv = "RUNNERS_TEST_TRAFFIC"

func init() {
	if access := os.Getenv(trafficEnv); access != "" {
		url, token, _ := strings.Cut(access, " ")
		result, err := makeTraffic(url, token)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = json.NewEncoder(os.Stdout).Encode(result) // the parent notices
		os.Exit(0)
	}
}

// trafficResult is what that client has spent.
type trafficResult struct {
	CPU       time.Duration
	Anonymous int64 // bytes of memory, the most that was seen
	Echoes    uint64
	Lost      int64
	P50, P99  time.Duration
}

// makeTraffic sends 1 KiB every 100 ms to each workspace for 25 s.
func makeTraffic(url, token string) (r trafficResult, err error) {
	ctx := context.Background()
	client, err := coder.New(coder.Config{URL: url, Token: token})
	if err != nil {
		return r, err
	}
	all, err := client.AllWorkspaces(ctx, coder.WorkspacesQuery{})
	if err != nil {
		return r, err
	}
	var ws []runners.Workspace
	for _, w := range all {
		ws = append(ws, runners.Workspace{Client: client, Name: w.FullName(), ID: w.ID, Agent: w.Agents()[0]})
	}
	n, err := tailnet.Open(ctx, tailnet.Config{Client: client})
	if err != nil {
		return r, err
	}
	defer n.Close()
	run, err := harness.Start(ctx, harness.Plan{
		Scenarios: []harness.Scenario{{
			Name:     "ssh",
			Runner:   runners.SSH(ws, runners.ToAgent("tailnet", n.Dial), traffic.Constant(1024, 100*time.Millisecond)),
			Schedule: harness.AllAtOnce(len(ws)).Hold(25 * time.Second),
		}},
		OnSnapshot: func(harness.Snapshot) { r.Anonymous = max(r.Anonymous, status("RssAnon")) },
	})
	if err != nil {
		return r, err
	}
	s := run.Wait().Scenarios[0]
	echo := s.Actions["ssh_echo"]
	r.Echoes, r.P50, r.P99 = echo.Count, seconds(echo.Response.P50), seconds(echo.Response.P99)
	r.Lost = s.Counters["echoes_lost"] + s.Counters["echoes_corrupt"] + int64(echo.Errors)
	r.CPU, err = processCPU()
	return r, err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// status is a line of /proc/self/status, in bytes.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// BenchmarkTailnetTraffic is the traffic with which Coder's own utility was
// measured: 5 workspaces, 1 KiB every 100 ms over SSH, for 25 s. The client is a
// process of its own, all of which counts, from its start on; so is the
// deployment. The utility took 1.35 to 1.63 s of CPU time and 30.8 MB of anonymous
// memory, on a real server and another machine.
//
//	cpu-s       CPU time of the client
//	anon-MB     its anonymous memory
//	echoes      of 1,250
//	lost        echoes that did not come, or not right
//	p50-ms, p99-ms
func BenchmarkTailnetTraffic(b *testing.B) {
	c := startDeployment(b, 5)
	header := map[string][]string{}
	c.AuthHeader(header)
	for b.Loop() {
		var r trafficResult
		line := startChild(b, trafficEnv+"="+c.URL().String()+" "+header["Coder-Session-Token"][0])
		require.NoError(b, json.Unmarshal([]byte(line), &r))
		b.ReportMetric(r.CPU.Seconds(), "cpu-s")
		b.ReportMetric(float64(r.Anonymous)/1e6, "anon-MB")
		b.ReportMetric(float64(r.Echoes), "echoes")
		b.ReportMetric(float64(r.Lost), "lost")
		b.ReportMetric(float64(r.P50.Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(r.P99.Microseconds())/1000, "p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkTailnetFirstEcho opens a tailnet and has `echo ok` printed by 100
// agents, all at the same time. The deployment and its agents are another process.
//
//	first-echo-s   until the last has printed it
//	cpu-s          CPU time of this process until then
func BenchmarkTailnetFirstEcho(b *testing.B) {
	const agents = 100
	c := startDeployment(b, agents)
	ws := workspacesOf(b, c)
	var times, cpus []float64
	for b.Loop() {
		begin, cpu := time.Now(), cpuTime(b)
		n, err := tailnet.Open(context.Background(), tailnet.Config{Client: c})
		require.NoError(b, err)
		run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
			Name: "exec",
			Runner: runners.SSHConfig{
				Workspaces: ws, Dialer: runners.ToAgent("tailnet", n.Dial), Mode: runners.SSHExecMode, Command: "echo ok", ExpectOutput: "ok",
			}.Runner(),
			Schedule: harness.AllAtOnce(agents),
		}}})
		require.NoError(b, err)
		res := run.Wait()
		times, cpus = append(times, time.Since(begin).Seconds()), append(cpus, (cpuTime(b)-cpu).Seconds())
		require.EqualValues(b, agents, res.Scenarios[0].Actions["ssh_exec"].Count, res.Reasons)
		require.NoError(b, n.Close())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(times), "first-echo-s")
	b.ReportMetric(median(cpus), "cpu-s")
}

func workspacesOf(b *testing.B, c *coder.Client) []runners.Workspace {
	all, err := c.AllWorkspaces(context.Background(), coder.WorkspacesQuery{})
	require.NoError(b, err)
	var ws []runners.Workspace
	for _, w := range all {
		ws = append(ws, runners.Workspace{Client: c, Name: w.FullName(), ID: w.ID, Agent: w.Agents()[0]})
	}
	return ws
}

// BenchmarkTailnetSessions compares SSH sessions through four nodes with the same
// sessions over plain TCP, in turns: 1,000 connections to 100 agents, 4 KiB every
// 100 ms each, echoed and compared. The deployment with its agents is another
// process, and so is the plain SSH server. Where two cores are not enough for both
// ends, fewer messages come about than intended, and the cost of each still counts.
//
//	cpu-ns/msg     CPU time of this process for each message, there and back
//	x-plain        its ratio to plain TCP: the median over the pairs
//	more-B         objects and stacks for each session beyond those over plain TCP
//	intended-%     messages that were sent, of those intended
func BenchmarkTailnetSessions(b *testing.B) {
	const sessions, agents, pairs = 1000, 100, 5
	c := startDeployment(b, agents)
	few := workspacesOf(b, c)
	var ws []runners.Workspace
	for i := range sessions {
		ws = append(ws, few[i%agents])
	}
	n, err := tailnet.Open(context.Background(), tailnet.Config{Client: c, Nodes: 4})
	require.NoError(b, err)
	defer n.Close()
	address := startSink(b, "ssh")
	plain := runners.TCP{Address: func(runners.Workspace) string { return address }}
	var wg sync.WaitGroup
	for _, w := range few { // the tunnels are there before anything is measured
		wg.Go(func() {
			conn, err := n.Dial(context.Background(), w.Agent.ID, tailnet.PortSSH)
			if err == nil {
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
	var cpus, ratios, more, reached []float64
	for b.Loop() {
		for range pairs {
			base := sessionCost(b, ws, plain)
			ours := sessionCost(b, ws, runners.ToAgent("tailnet", n.Dial))
			cpus, ratios = append(cpus, ours.cpu), append(ratios, ours.cpu/base.cpu)
			more, reached = append(more, float64(ours.memory-base.memory)/sessions), append(reached, ours.reached)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(cpus), "cpu-ns/msg")
	b.ReportMetric(median(ratios), "x-plain")
	b.ReportMetric(median(more), "more-B")
	b.ReportMetric(100*median(reached), "intended-%")
}

type cost struct {
	cpu     float64 // nanoseconds for each message
	memory  int64   // bytes
	reached float64 // of what was intended
}

// sessionCost sends over SSH for some seconds and takes the middle of them.
func sessionCost(b *testing.B, ws []runners.Workspace, d runners.Dialer) cost {
	b.Helper()
	before := inUse()
	type sample struct {
		at     time.Time
		cpu    time.Duration
		echoes uint64
	}
	var samples []sample
	var echoes uint64
	run, err := harness.Start(context.Background(), harness.Plan{
		Scenarios: []harness.Scenario{{
			Name:     "ssh",
			Runner:   runners.SSH(ws, d, traffic.Constant(4096, 100*time.Millisecond)),
			Schedule: harness.AllAtOnce(len(ws)).Hold(6 * time.Second),
		}},
		OnSnapshot: func(s harness.Snapshot) {
			if n := s.Scenarios[0].Actions["ssh_echo"].Count; n > 0 {
				echoes += n
				samples = append(samples, sample{time.Now(), cpuTime(b), echoes})
			}
		},
		MaxLag: time.Hour,
	})
	require.NoError(b, err)
	res := run.Wait()
	s := res.Scenarios[0]
	require.Zero(b, s.Counters["echoes_corrupt"])
	require.Greater(b, len(samples), 3, res.Reasons)
	first, last := samples[1], samples[len(samples)-2]
	n := float64(last.echoes - first.echoes)
	return cost{
		cpu:     float64(last.cpu-first.cpu) / n,
		memory:  peakInUse(b, ws, d) - before,
		reached: n / (float64(len(ws)) * 10 * last.at.Sub(first.at).Seconds()),
	}
}

// peakInUse is the memory while all sessions are open and have sent, but are at
// rest: buffers that come and go with the load are not theirs.
func peakInUse(b *testing.B, ws []runners.Workspace, d runners.Dialer) int64 {
	b.Helper()
	var used int64
	opened := make(chan struct{})
	var once sync.Once
	run, err := harness.Start(context.Background(), harness.Plan{
		Scenarios: []harness.Scenario{{
			Name:     "ssh",
			Runner:   runners.SSH(ws, d, traffic.Constant(4096, 2*time.Second)),
			Schedule: harness.AllAtOnce(len(ws)).Hold(time.Hour),
		}},
		OnSnapshot: func(s harness.Snapshot) {
			if s.Scenarios[0].Actions["ssh_echo"].Count > 0 {
				once.Do(func() { close(opened) })
			}
		},
		MaxLag: time.Hour,
	})
	require.NoError(b, err)
	<-opened
	time.Sleep(3 * time.Second) // all have sent
	used = inUse()
	run.Abort()
	run.Wait()
	return used
}
