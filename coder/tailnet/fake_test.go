package tailnet_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/internal/node"
	"github.com/coderscale/scaletest/coder/internal/relay"
	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/tailnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is the part of one that takes part in the tailnet.
type agent struct {
	id     uuid.UUID
	node   *node.Node
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// startAgent connects the agent of a workspace, with a new key each time.
func startAgent(t testing.TB, server *codertest.Server, client *coder.Client, workspace string, home int) *agent {
	t.Helper()
	token, err := server.AgentToken(workspace)
	require.NoError(t, err)
	d, err := relay.New(t.Context(), client)
	require.NoError(t, err)
	if home == 0 {
		home = d.Home()
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &agent{id: agentOf(t, client, workspace), cancel: cancel}
	a.node, err = node.New(ctx, node.Config{ID: a.id, Agent: true, Home: home, Relay: d.Dial})
	require.NoError(t, err)
	up := make(chan struct{})
	a.wg.Go(func() {
		for first := true; ctx.Err() == nil; first = false {
			if s, err := connectAgent(ctx, client.WithToken(token)); err == nil {
				st, err := s.Stream(ctx, "/coder.tailnet.v2.Tailnet/Coordinate")
				if err == nil {
					if first {
						close(up)
					}
					_ = a.node.Coordinate(ctx, st)
				}
				_ = s.Close()
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	<-up
	t.Cleanup(a.stop)
	return a
}

func connectAgent(ctx context.Context, c *coder.Client) (*rpc.Session, error) {
	socket, err := c.Socket(ctx, "connect", "/api/v2/workspaceagents/me/rpc?version=2.0&role=agent")
	if err != nil {
		return nil, err
	}
	return rpc.Client(socket)
}

// stop says goodbye.
func (a *agent) stop() {
	_ = a.node.Close()
	a.kill()
}

// kill does not.
func (a *agent) kill() {
	a.cancel()
	a.wg.Wait()
	_ = a.node.Close()
}

// serve answers on a port.
func (a *agent) serve(t testing.TB, port uint16, answer func(net.Conn)) {
	t.Helper()
	l, err := a.node.Listen(port)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				answer(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		_ = a.node.Close()
		wg.Wait()
	})
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

func agentOf(t testing.TB, client *coder.Client, workspace string) uuid.UUID {
	t.Helper()
	all, err := client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	for _, w := range all {
		if w.FullName() == workspace {
			return w.Agents()[0].ID
		}
	}
	t.Fatalf("there is no workspace %s", workspace)
	return uuid.Nil
}

// deploy starts a deployment whose agents are up to the test.
func deploy(t testing.TB, cfg codertest.Config) (*codertest.Server, *coder.Client) {
	t.Helper()
	cfg.ExternalAgents = true
	server, err := codertest.New(cfg)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return server, client
}

func open(t testing.TB, cfg tailnet.Config) *tailnet.Tailnet {
	t.Helper()
	n, err := tailnet.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
