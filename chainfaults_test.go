//go:build !scaletest

package scaletest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

func TestAReplicaThatStopsTakesNoAgentWithIt(t *testing.T) {
	for _, version := range chainVersions {
		t.Run(version, func(t *testing.T) {
			c := chained(t, codertest.Config{Workspaces: 6, Replicas: 3, Version: version})
			s := c.run(t, c.echoed(),
				flow(50),
				then(func() { assert.NoError(t, c.StopReplica(0)) }, func(soFar) bool { return c.fleet.Stats().Reconnects > 0 && c.whole() }),
				flow(200))
			for name := range chainEcho {
				accounted(t, s[name])
				assert.EqualValues(t, 6, s[name].Iterations.Started, "%s: nobody gave up", name)
			}
			intact(t, s["ssh"]) // its connections are those of the tailnet, which are not the replica's
			st := c.fleet.Stats()
			assert.EqualValues(t, st.Lost, st.Reconnects, "each that was lost came back")
			assert.Zero(t, st.Workspaces.Ended)
		})
	}
}

func TestRelaysThatDropTheirClientsLoseNoByte(t *testing.T) {
	c := chained(t, codertest.Config{Workspaces: 4})
	s := c.run(t, c.echoed(),
		flow(50),
		then(func() { assert.GreaterOrEqual(t, c.DropRelays(), 5, "four agents and the client") }, flow(200)),
		then(func() { assert.Positive(t, c.DropRelays()) }, flow(200)))
	for name := range chainEcho {
		intact(t, s[name])
	}
	reconnects := int64(0)
	for _, r := range c.tailnet.Stats().Relays {
		reconnects += r.Reconnects
	}
	assert.Positive(t, reconnects)
	assert.Zero(t, c.fleet.Stats().Lost, "relays are not the agents' connections to the deployment")
}

func TestAnAgentThatIsRestartedIsReachedAgain(t *testing.T) {
	for _, version := range chainVersions {
		t.Run(version, func(t *testing.T) {
			c := chained(t, codertest.Config{Workspaces: 3, Version: version})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			restart := func() {
				c.mu.Lock()
				conn := c.conns[0]
				c.mu.Unlock()
				assert.NoError(t, conn.Close(ctx))
				c.connect(t, ctx, 0)
			}
			// Not the terminals: from 2.37 on the server says that their process has ended,
			// and that is what it is.
			s := c.run(t, c.echoed()[1:], flow(50),
				then(restart, func(s soFar) bool { return s["ssh"]["reconnects"] > 0 && s["app"]["reconnects"] > 0 }),
				flow(200))
			for _, name := range []string{"ssh", "app"} {
				accounted(t, s[name])
				assert.EqualValues(t, 1, s[name].Counters["reconnects"], "%s: that of the one agent", name)
				assert.EqualValues(t, 1, s[name].Actions["reconnect"].Count, name)
				assert.Zero(t, s[name].Iterations.Failed, name)
			}
			assert.Positive(t, c.tailnet.Stats().AgentRestarts)

			// And who comes now, however they come, finds it as if nothing had been.
			again := c.run(t, c.echoed(), flow(20))
			for name := range chainEcho {
				intact(t, again[name])
			}
		})
	}
}

func TestWhoReadsNothingHoldsUpNobodyElse(t *testing.T) {
	c := chained(t, codertest.Config{Workspaces: 3})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Two take nothing of a flood, over the tailnet and through the deployment.
	app, ok := c.workspaces[0].Agent.App("wsra")
	require.True(t, ok)
	u, port := app.URL, uint16(0)
	_, err := fmt.Sscanf(u[len("http://localhost:"):], "%d", &port)
	require.NoError(t, err)
	conn, err := c.tailnet.Dial(ctx, c.workspaces[0].Agent.ID, port)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	require.NoError(t, err)
	through, resp, err := websocket.DefaultDialer.DialContext(ctx, "ws"+c.URL()[len("http"):]+"/@"+c.workspaces[1].Name+"/apps/wsra/",
		http.Header{"Coder-Session-Token": {c.OwnerToken()}})
	require.NoError(t, err)
	_ = resp.Body.Close()
	defer through.Close()
	s := c.run(t, c.echoed(), flow(100))
	for name := range chainEcho {
		intact(t, s[name])
	}
	// They were served all the time, and what was not taken went no further.
	assert.GreaterOrEqual(t, c.fleet.Stats().Served.Apps, int64(2))
}

func TestAnAgentThatIsFrozenHoldsUpNobodyElse(t *testing.T) {
	for _, version := range chainVersions {
		t.Run(version, func(t *testing.T) {
			// One more, which the deployment plays itself and can freeze.
			c := chainedBut(t, codertest.Config{Workspaces: 4, Version: version}, 1)
			last := []runners.Workspace{c.others[0]}
			frozen := harness.Scenario{
				Name: "frozen", Schedule: harness.AllAtOnce(1).Hold(time.Minute),
				Runner: runners.SSH(last, runners.ToAgent("tailnet", c.tailnet.Dial), c.load()),
			}
			before := int64(0)
			s := c.run(t, append(c.echoed(), frozen),
				flow(50),
				then(func() { assert.NoError(t, c.FreezeAgent(last[0].Name)) }, flow(200)),
				then(func() { assert.NoError(t, c.ThawAgent(last[0].Name)) }, func(s soFar) bool {
					if before == 0 {
						before = s["frozen"]["ssh_echo"]
					}
					return s["frozen"]["ssh_echo"] > before+50
				}))
			for name := range chainEcho {
				intact(t, s[name])
			}
			accounted(t, s["frozen"])
		})
	}
}
