package runners_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// slight is a load that few ticks make up.
var slight = traffic.Constant(100, 10*time.Millisecond)

// ofPumps are the counters of a load that is echoed.
var ofPumps = []harness.Counter{
	runners.BytesSent, runners.BytesReceived, runners.BytesRepeated, runners.BytesForeign, runners.EchoesLost, runners.EchoesCorrupt,
	runners.TicksBlocked, runners.TicksDisconnected, runners.TicksLate,
}

func TestTrafficKeepsTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Workspaces: 3})
	for _, tt := range []struct {
		name    string
		of      func(env *harnesstest.Env, ws []runners.Workspace) makers
		subject harnesstest.Subject
	}{
		{"terminal", func(_ *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.TerminalConfig{Workspaces: ws, Load: slight, DrainTimeout: 200 * time.Millisecond}.Runner()
		}, harnesstest.Subject{
			Actions:  []harness.Action{runners.TerminalOpen, runners.TerminalReady, runners.Echo},
			Counters: ofPumps, MayRecord: []string{"reconnect", "reconnects"},
		}},
		{"app that echoes", func(_ *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.AppConfig{Workspaces: ws, Slug: "wsec", Load: slight, DrainTimeout: 200 * time.Millisecond}.Runner()
		}, harnesstest.Subject{
			Actions:  []harness.Action{runners.AppOpen, runners.AppEcho},
			Counters: ofPumps, MayRecord: []string{"reconnect", "reconnects"},
		}},
		{"app that takes", func(_ *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.AppConfig{Workspaces: ws, Slug: "wsdi", Load: slight}.Runner()
		}, harnesstest.Subject{
			Actions: []harness.Action{runners.AppOpen}, Counters: ofPumps, MayRecord: []string{"app_echo", "reconnect", "reconnects"},
		}},
		{"app that sends", func(_ *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.AppConfig{Workspaces: ws, Slug: "wsra"}.Runner()
		}, harnesstest.Subject{
			Actions: []harness.Action{runners.AppOpen}, Counters: []harness.Counter{runners.BytesReceived},
			MayRecord: []string{"reconnect", "reconnects"},
		}},
		{"app that is asked", func(_ *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.AppConfig{Workspaces: ws, Slug: "wsec", Mode: runners.AppHTTPMode, Load: slight}.Runner()
		}, harnesstest.Subject{
			Actions: []harness.Action{runners.AppRequest}, Counters: []harness.Counter{runners.BytesSent, runners.BytesReceived},
		}},
		{"SSH", func(env *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.SSHConfig{Workspaces: ws, Dialer: s.ssh(env), Load: slight, DrainTimeout: 200 * time.Millisecond}.Runner()
		}, harnesstest.Subject{
			Actions:  []harness.Action{runners.SSHDial, runners.SSHHandshake, runners.SSHSession, runners.SSHEcho},
			Counters: ofPumps, MayRecord: []string{"reconnect", "reconnects"},
		}},
		{"terminal over SSH", func(env *harnesstest.Env, ws []runners.Workspace) makers {
			return runners.SSHConfig{Workspaces: ws, Dialer: s.ssh(env), Mode: runners.SSHTerminalMode, Load: slight, DrainTimeout: 200 * time.Millisecond}.Runner()
		}, harnesstest.Subject{
			Actions:  []harness.Action{runners.SSHDial, runners.SSHHandshake, runners.SSHSession, runners.SSHEcho},
			Counters: ofPumps, MayRecord: []string{"reconnect", "reconnects"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.subject.Hold = 100 * time.Millisecond
			tt.subject.New = func(env *harnesstest.Env) (makers, error) {
				ws, err := s.targets(env)
				return tt.of(env, ws), err
			}
			conforms(t, tt.subject)
		})
	}
}

func TestWatchersKeepTheHarnessContract(t *testing.T) {
	t.Parallel() // each load measures the server's clock for up to a second
	s := newStage(t, codertest.Config{Workspaces: 3})
	conforms(t, harnesstest.Subject{
		New: func(env *harnesstest.Env) (makers, error) {
			ws, err := s.targets(env)
			return runners.WatchConfig{Workspaces: ws}.Runner(), err
		},
		Hold: 100 * time.Millisecond, Actions: []harness.Action{runners.WatchOpen},
		Counters:  []harness.Counter{runners.WatchEvents, runners.WatchesLost},
		MayRecord: []string{"workspace_event", "metadata_event", "log_event"},
	})
}

func TestTunnelsKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Workspaces: 3})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer web.Close()
	inside := ports{
		8080: web.Listener.Addr().String(), 4: listen(t, nothing),
		7: listen(t, func(c net.Conn) { _, _ = io.Copy(c, c) }),
	}
	for name, tt := range map[string]struct {
		cfg     runners.TunnelConfig
		actions []harness.Action
	}{
		"a URL":         {runners.TunnelConfig{URL: "http://localhost:8080/x", Load: every(10*time.Millisecond, 0)}, []harness.Action{runners.TunnelDial, runners.TunnelRequest}},
		"a port":        {runners.TunnelConfig{Port: 7, Load: every(10*time.Millisecond, 100)}, []harness.Action{runners.TunnelDial, runners.TunnelEcho}},
		"signs of life": {runners.TunnelConfig{Load: every(10*time.Millisecond, 0)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			conforms(t, harnesstest.Subject{
				New: func(env *harnesstest.Env) (makers, error) {
					ws, err := s.targets(env)
					cfg := tt.cfg
					cfg.Workspaces = ws
					cfg.Dial = func(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error) {
						return env.DialBy(ctx, fmt.Sprintf("port %d of an agent", port), func(ctx context.Context) (net.Conn, error) {
							return inside.dial(ctx, agent, port)
						})
					}
					return cfg.Runner(), err
				},
				Hold: 100 * time.Millisecond, Actions: append(tt.actions, runners.TunnelPing),
				MayRecord: []string{"agent_latency", "bytes_sent", "bytes_received", "reconnects", "tunnel_dial"},
			})
		})
	}
}

func TestSimulatedAgentsKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{})
	agents, err := agentfleet.Pool{Client: s.owner, Count: 9}.Ensure(t.Context())
	require.NoError(t, err)
	free := lender[agentfleet.Agent]{free: agents}
	for _, first := range []bool{false, true} {
		t.Run(fmt.Sprintf("first %v", first), func(t *testing.T) {
			conforms(t, harnesstest.Subject{
				New: func(env *harnesstest.Env) (makers, error) {
					c, err := s.client(env)
					if err != nil {
						return nil, err
					}
					mine, err := free.take(env, 3)
					if err != nil {
						return nil, err
					}
					fleet, err := agentfleet.Start(context.Background(), agentfleet.Config{Client: c})
					if err != nil {
						return nil, err
					}
					env.Finally(func() { _ = fleet.Close(context.Background()) }) // no agents are left in it
					connect := func(ctx context.Context, user int, on runners.AgentEvents) (runners.AgentConnection, error) {
						return fleet.Connect(ctx, mine[user], agentfleet.Events(on))
					}
					return runners.AgentsConfig{Agents: len(mine), Connect: connect, ConnectFirst: first}.Runner(), nil
				},
				Hold:      100 * time.Millisecond,
				Patience:  200 * time.Millisecond, // agents go on trying for as long as they are let
				Actions:   []harness.Action{runners.AgentConnect, runners.AgentReady},
				Counters:  []harness.Counter{runners.AgentsLost, runners.AgentsRefused, runners.AgentsEnded},
				MayRecord: []string{"agent_reconnect"},
			})
		})
	}
}

// ssh reaches SSH servers by way of the Env.
func (s *onStage) ssh(env *harnesstest.Env) runners.Dialer {
	return runners.ToAgent("codertest", func(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error) {
		return env.DialBy(ctx, fmt.Sprintf("port %d of an agent", port), func(ctx context.Context) (net.Conn, error) {
			return s.DialAgent(ctx, agent, port)
		})
	})
}

func TestThingsThatAreDoneOverSSHKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Workspaces: 3})
	for mode, actions := range map[runners.SSHMode][]harness.Action{
		runners.SSHExecMode:  {runners.SSHDial, runners.SSHHandshake, runners.SSHExec},
		runners.SSHShellMode: {runners.SSHDial, runners.SSHHandshake, runners.SSHShell},
		runners.SSHBulkMode:  {runners.SSHDial, runners.SSHHandshake, runners.SSHUpload, runners.SSHDownload},
	} {
		t.Run(string(mode), func(t *testing.T) {
			conforms(t, harnesstest.Subject{
				New: func(env *harnesstest.Env) (makers, error) {
					ws, err := s.targets(env)
					return runners.SSHConfig{Workspaces: ws, Dialer: s.ssh(env), Mode: mode, Bytes: 100_000}.Runner(), err
				},
				Actions: actions, MayRecord: []string{"bytes_sent", "bytes_received"},
				Points: 20, // these are quick
			})
		})
	}
}
