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
// sessions over plain TCP, in turns: 4 KiB each at an interval, echoed and
// compared, to 100 agents. The deployment with its agents is another process, and
// so is the plain SSH server. A thousand sessions with 4 KiB every 100 ms each are
// more than two cores encrypt at both ends; so a thousand have a longer interval,
// and fewer the short one.
//
//	cpu-ns/msg     CPU time of this process for each message, there and back
//	x-plain        its ratio to plain TCP: the median over the pairs
//	more-B         objects and stacks for each of a thousand sessions at rest, beyond
//	               those over plain TCP
//	intended-%     messages that came back, of those intended
func BenchmarkTailnetSessions(b *testing.B) {
	const agents, pairs = 100, 3
	c := startDeployment(b, agents)
	few := workspacesOf(b, c)
	n, err := tailnet.Open(context.Background(), tailnet.Config{Client: c, Nodes: 4})
	require.NoError(b, err)
	b.Cleanup(func() { _ = n.Close() })
	address := startSink(b, "ssh")
	plain := runners.TCP{Address: func(runners.Workspace) string { return address }}
	native := runners.ToAgent("tailnet", n.Dial)
	var all []runners.Workspace
	for i := range 1000 {
		all = append(all, few[i%agents])
	}
	// Before the load, which leaves connections that wait for their end.
	rest := sessionMemoryAtRest(b, all, plain)
	more := float64(sessionMemoryAtRest(b, all, native)-rest) / float64(len(all))
	for _, load := range []struct {
		sessions int
		interval time.Duration
	}{{1000, 500 * time.Millisecond}, {400, 100 * time.Millisecond}} {
		ws := all[:load.sessions]
		b.Run(fmt.Sprintf("sessions=%d/every=%v", load.sessions, load.interval), func(b *testing.B) {
			var cpus, ratios, reached []float64
			for b.Loop() {
				for range pairs {
					base := sessionCost(b, ws, plain, load.interval)
					ours := sessionCost(b, ws, native, load.interval)
					cpus, ratios = append(cpus, ours.cpu), append(ratios, ours.cpu/base.cpu)
					reached = append(reached, ours.reached)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(cpus), "cpu-ns/msg")
			b.ReportMetric(median(ratios), "x-plain")
			b.ReportMetric(more, "more-B")
			b.ReportMetric(100*median(reached), "intended-%")
		})
	}
}

type cost struct {
	cpu     float64 // nanoseconds for each message
	reached float64 // of what was intended
}

// playSSH has every session send, and looks at each second.
func playSSH(b *testing.B, ws []runners.Workspace, d runners.Dialer, interval, hold time.Duration, each func(echoes uint64)) *harness.Run {
	b.Helper()
	var echoes uint64
	run, err := harness.Start(context.Background(), harness.Plan{
		Scenarios: []harness.Scenario{{
			Name:     "ssh",
			Runner:   runners.SSH(ws, d, traffic.Constant(4096, interval)),
			Schedule: harness.AllAtOnce(len(ws)).Hold(hold),
		}},
		OnSnapshot: func(s harness.Snapshot) {
			echoes += s.Scenarios[0].Actions["ssh_echo"].Count
			each(echoes)
		},
		MaxLag: time.Hour,
	})
	require.NoError(b, err)
	return run
}

// sessionCost sends for some seconds and takes the middle of them.
func sessionCost(b *testing.B, ws []runners.Workspace, d runners.Dialer, interval time.Duration) cost {
	b.Helper()
	type sample struct {
		at     time.Time
		cpu    time.Duration
		echoes uint64
	}
	var samples []sample
	run := playSSH(b, ws, d, interval, 6*time.Second, func(echoes uint64) {
		if echoes > 0 {
			samples = append(samples, sample{time.Now(), cpuTime(b), echoes})
		}
	})
	res := run.Wait()
	require.Zero(b, res.Scenarios[0].Counters["echoes_corrupt"])
	require.Greater(b, len(samples), 3, res.Reasons)
	first, last := samples[1], samples[len(samples)-2]
	n := float64(last.echoes - first.echoes)
	return cost{
		cpu:     float64(last.cpu-first.cpu) / n,
		reached: n / (float64(len(ws)) / interval.Seconds() * last.at.Sub(first.at).Seconds()),
	}
}

// sessionMemoryAtRest is the memory while all sessions are open and have sent, but
// hardly any sends: buffers that come and go with the load are not theirs.
func sessionMemoryAtRest(b *testing.B, ws []runners.Workspace, d runners.Dialer) int64 {
	b.Helper()
	before := inUse()
	sent := make(chan struct{})
	var once sync.Once
	run := playSSH(b, ws, d, 20*time.Second, time.Hour, func(echoes uint64) {
		if echoes >= uint64(len(ws)) {
			once.Do(func() { close(sent) })
		}
	})
	<-sent
	used := inUse() - before
	run.Stop()
	run.Wait()
	return used
}
