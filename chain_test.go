//go:build !scaletest

package scaletest_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/tailnet"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// chain is all that stands between somebody who types and a simulated agent that
// serves: a deployment, its relays and coordination, and a client's tailnet.
type chain struct {
	*codertest.Server
	client     *coder.Client
	fleet      *agentfleet.Fleet
	agents     []agentfleet.Agent
	tailnet    *tailnet.Tailnet
	workspaces []runners.Workspace
	others     []runners.Workspace // whose agents the deployment plays itself

	mu    sync.Mutex
	conns []*agentfleet.Connection
}

var chainVersions = []string{"v2.37.0", "v2.26.0"}

// chained makes a chain with the agents of cfg.Workspaces, all of which serve.
func chained(t *testing.T, cfg codertest.Config) *chain {
	t.Helper()
	return chainedBut(t, cfg, 0)
}

// chainedBut leaves the agents of the last workspaces to the deployment.
func chainedBut(t *testing.T, cfg codertest.Config, others int) *chain {
	t.Helper()
	cfg.ExternalAgents, cfg.RateLimit = others == 0, -1
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := &chain{Server: codertest.Start(t, cfg), conns: make([]*agentfleet.Connection, cfg.Workspaces)}
	var err error
	c.client, err = coder.New(coder.Config{URL: c.URL(), Token: c.OwnerToken()})
	require.NoError(t, err)
	t.Cleanup(c.client.CloseIdleConnections)
	found, err := c.client.AllWorkspaces(ctx, coder.WorkspacesQuery{})
	require.NoError(t, err)
	simulated := cfg.Workspaces - others
	c.agents, err = agentfleet.FindAgents(ctx, c.client, found[:simulated])
	require.NoError(t, err)
	c.fleet, err = agentfleet.Start(context.Background(), agentfleet.Config{Client: c.client, Serving: agentfleet.All})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.fleet.Close(context.Background())) })
	for i := range c.agents {
		c.connect(t, ctx, i)
	}
	found, err = c.client.AllWorkspaces(ctx, coder.WorkspacesQuery{}) // with agents that are connected
	require.NoError(t, err)
	for _, w := range found {
		c.workspaces = append(c.workspaces, runners.Workspace{Client: c.client, Name: w.FullName(), ID: w.ID, Agent: w.Agents()[0]})
	}
	c.workspaces, c.others = c.workspaces[:simulated], c.workspaces[simulated:]
	c.tailnet, err = tailnet.Open(ctx, tailnet.Config{Client: c.client})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.tailnet.Close() })
	return c
}

func (c *chain) connect(t *testing.T, ctx context.Context, i int) {
	t.Helper()
	conn, err := c.fleet.Connect(ctx, c.agents[i], agentfleet.Events{})
	if !assert.NoError(t, err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[i] = conn
}

// whole reports whether all agents are there.
func (c *chain) whole() bool { return c.fleet.Stats().Workspaces.Ready == len(c.agents) }

const chainTick = 500

func (c *chain) load() traffic.Load { return traffic.Constant(chainTick, 50*time.Millisecond) }

// echoed are scenarios whose echo is compared: through the terminals of the
// deployment, by native SSH, and through the app proxy.
func (c *chain) echoed() []harness.Scenario {
	load := c.load()
	// A server of 2.26 leaves sockets to an agent that has gone open and silent.
	short := 2 * time.Second
	return []harness.Scenario{
		{Name: "terminal", Runner: runners.TerminalConfig{Workspaces: c.workspaces, Load: load, DrainTimeout: short}.Runner()},
		{Name: "ssh", Runner: runners.SSHConfig{Workspaces: c.workspaces, Dialer: runners.ToAgent("tailnet", c.tailnet.Dial), Load: load, DrainTimeout: short}.Runner()},
		{Name: "app", Runner: runners.AppConfig{Workspaces: c.workspaces, Slug: "wsec", Load: load, DrainTimeout: short}.Runner()},
	}
}

var chainEcho = map[string]string{"terminal": "echo", "ssh": "ssh_echo", "app": "app_echo"}

// soFar are the counters and the numbers of successful actions of a scenario.
type soFar map[string]map[string]int64

// echoes are those that have come back in all scenarios: the least of them.
func (s soFar) echoes() int64 {
	least := int64(1 << 62)
	for name, numbers := range s {
		if action, ok := chainEcho[name]; ok {
			least = min(least, numbers[action])
		}
	}
	return least
}

// run lets scenarios go on side by side until all that is to happen has happened,
// one after the other, however long that takes. What happens is told of the numbers
// once a second.
func (c *chain) run(t *testing.T, scenarios []harness.Scenario, happens ...func(soFar) (done bool)) map[string]*harness.ScenarioResult {
	t.Helper()
	for i := range scenarios {
		if scenarios[i].Schedule == nil {
			scenarios[i].Schedule = harness.AllAtOnce(len(c.workspaces)).Hold(time.Minute)
		}
	}
	numbers := soFar{}
	over := make(chan struct{})
	run, err := harness.Start(t.Context(), harness.Plan{
		Scenarios: scenarios, GracefulStop: 30 * time.Second, MaxLag: time.Hour,
		OnSnapshot: func(s harness.Snapshot) {
			for _, sec := range s.Scenarios {
				if numbers[sec.Scenario] == nil {
					numbers[sec.Scenario] = map[string]int64{}
				}
				for name, n := range sec.Counters {
					numbers[sec.Scenario][name] += n
				}
				for name, a := range sec.Actions {
					numbers[sec.Scenario][name] += int64(a.Count)
				}
			}
			if len(happens) > 0 && happens[0](maps.Clone(numbers)) {
				if happens = happens[1:]; len(happens) == 0 {
					close(over)
				}
			}
		},
	})
	require.NoError(t, err)
	ended := make(chan *harness.Result, 1)
	go func() { ended <- run.Wait() }()
	var res *harness.Result
	select {
	case <-over:
		run.Stop()
		res = <-ended
	case res = <-ended:
		assert.Empty(t, happens, "that many things did not happen: %v", numbers)
	}
	out := map[string]*harness.ScenarioResult{}
	for i := range res.Scenarios {
		s := &res.Scenarios[i]
		for _, f := range s.Failures {
			t.Errorf("%s: user %d, %s: %s\n%s", s.Name, f.User, f.Phase, f.Error, f.Log)
		}
		out[s.Name] = s
	}
	return out
}

// flow waits for more echoes than there were.
func flow(more int64) func(soFar) bool {
	from := int64(-1)
	return func(s soFar) bool {
		if from < 0 {
			from = s.echoes()
		}
		return s.echoes() >= from+more
	}
}

// then does something once and waits for what follows.
func then(do func(), until func(soFar) bool) func(soFar) bool {
	done := false
	return func(s soFar) bool {
		if !done {
			done = true
			do()
		}
		return until(s)
	}
}

func echoOf(s *harness.ScenarioResult) string {
	for action := range s.Actions {
		if action == "echo" || action == "ssh_echo" || action == "app_echo" {
			return action
		}
	}
	return ""
}

// accounted holds that nothing came back wrong, and that each tick that was meant
// to be sent is somewhere.
func accounted(t *testing.T, s *harness.ScenarioResult) {
	t.Helper()
	echo := s.Actions[echoOf(s)]
	assert.Zero(t, s.Counters["echoes_corrupt"], s.Name)
	foreign := int64(0)
	if s.Name == "terminal" {
		foreign = s.Counters["reconnects"] * int64(len("ready")+32+len("\r\n")) // its first line, which was no load, is replayed too
	}
	assert.LessOrEqual(t, s.Counters["bytes_foreign"], foreign, s.Name)
	assert.Positive(t, echo.Count, s.Name)
	missed := s.Counters["echoes_lost"] + s.Counters["echoes_corrupt"] + s.Counters["ticks_blocked"] + s.Counters["ticks_disconnected"]
	assert.Equal(t, missed, echo.Errors, s.Name)
	ticks := int64(echo.Count) + echo.Errors + s.Counters["ticks_late"]
	assert.Equal(t, s.Throughput.BytesIntended, chainTick*ticks, "%s: %+v", s.Name, s.Counters)
}

// intact holds that everything came back, over the connections that there were.
func intact(t *testing.T, s *harness.ScenarioResult) {
	t.Helper()
	accounted(t, s)
	assert.Zero(t, s.Actions[echoOf(s)].Errors, s.Name)
	assert.Zero(t, s.Counters["reconnects"], s.Name)
}

func TestWhatIsSentThroughTheWholeChainToSimulatedAgentsComesBack(t *testing.T) {
	for _, version := range chainVersions {
		t.Run(version, func(t *testing.T) {
			c := chained(t, codertest.Config{Workspaces: 4, Version: version})
			load := c.load()
			app, _ := c.workspaces[0].Agent.App("wsec")
			s := c.run(t, append(c.echoed(),
				harness.Scenario{Name: "discard", Runner: runners.App(c.workspaces, "wsdi", load)},
				harness.Scenario{Name: "http", Runner: runners.AppConfig{Workspaces: c.workspaces, Slug: "wsec", Mode: runners.AppHTTPMode, Method: "POST", Load: load}.Runner()},
				harness.Scenario{Name: "tunnel", Runner: runners.TunnelConfig{Workspaces: c.workspaces, Dial: c.tailnet.Dial, Ping: c.tailnet.Ping, URL: app.URL, Load: load}.Runner()},
			), flow(100), func(s soFar) bool {
				return s["discard"]["bytes_sent"] > 10*chainTick && s["http"]["app_request"] > 10 && s["tunnel"]["tunnel_request"] > 10
			})
			for name := range chainEcho {
				intact(t, s[name])
			}
			assert.Equal(t, s["ssh"].Counters["bytes_sent"], s["ssh"].Counters["bytes_received"])
			assert.Equal(t, s["app"].Counters["bytes_sent"], s["app"].Counters["bytes_received"])
			assert.Equal(t, s["discard"].Throughput.BytesIntended, s["discard"].Counters["bytes_sent"])
			assert.Zero(t, s["discard"].Counters["bytes_received"])
			for name, action := range map[string]string{"http": "app_request", "tunnel": "tunnel_request"} {
				assert.Zero(t, s[name].Actions[action].Errors)
			}
			// It floods, and so it has the machine for itself.
			flood := c.run(t, []harness.Scenario{{Name: "read", Runner: runners.App(c.workspaces, "wsra", load), Schedule: harness.AllAtOnce(1).Hold(time.Minute)}},
				func(s soFar) bool { return s["read"]["bytes_received"] > 1<<20 })
			assert.Zero(t, flood["read"].Counters["reconnects"])
			// The agents had all of it, and the deployment knows what went through it.
			served, st := c.fleet.Stats(), c.Stats()
			into := s["terminal"].Counters["bytes_sent"] + s["ssh"].Counters["bytes_sent"] + s["app"].Counters["bytes_sent"] + s["discard"].Counters["bytes_sent"]
			assert.Greater(t, served.Served.BytesReceived, into)
			assert.EqualValues(t, 4+4+1, st.AppSocketsOpened)
			assert.EqualValues(t, 4, st.TerminalsOpened)
			assert.Zero(t, c.AppSawSessionToken())
			assert.Zero(t, served.Failed(), served.LastError)
			assert.Zero(t, served.Lost, served.LastError)
		})
	}
}
