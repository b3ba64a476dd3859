package scaletest

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/tailnet"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// maxTailnetNodes is how many WireGuard nodes a target's tailnet has at most. One
// carries hundreds of sessions; beyond a few they only share the same cores.
const maxTailnetNodes = 4

// sharedTailnet is opened when something first goes through it.
type sharedTailnet struct {
	once sync.Once
	net  *tailnet.Tailnet
	err  error
}

// joinTailnet opens the tailnet, or returns the one that is open.
func (t *Target) joinTailnet(ctx context.Context) (*tailnet.Tailnet, error) {
	t.tailnet.once.Do(func() {
		// The others who wait for it may have more time.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		nodes := min(runtime.GOMAXPROCS(0), maxTailnetNodes)
		t.tailnet.net, t.tailnet.err = tailnet.Open(ctx, tailnet.Config{Client: t.client, Nodes: nodes})
	})
	return t.tailnet.net, t.tailnet.err
}

// leaveTailnet closes it, if it was opened.
func (t *Target) leaveTailnet() {
	t.tailnet.once.Do(func() {})
	if t.tailnet.net != nil {
		_ = t.tailnet.net.Close() // it reports nothing
	}
}

// Tailnet reaches the agents of the target's workspaces natively: by WireGuard
// over the deployment's relays, with a few nodes for all agents, as the token's
// user. It is opened once for a target and closed with it. It fails the test if
// the tailnet can't be joined.
//
// All traffic goes by relays, as that of Coder's own clients does with
// --disable-direct-connections. The result says by which.
func (t *Target) Tailnet(tb TB) *tailnet.Tailnet {
	tb.Helper()
	n, err := t.joinTailnet(tb.Context())
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
	}
	return n
}

// SSHDialer is the way to the SSH servers of workspaces: the tailnet, or that of
// the embedded deployment, which spares its two cores the encryption. To go by
// Coder's command line instead, one process for each connection, use
// [runners.ProxyCommand].
func (t *Target) SSHDialer(tb TB) runners.Dialer {
	tb.Helper()
	if t.embedded != nil {
		return runners.ToAgent("the embedded deployment", t.embedded.DialAgent)
	}
	return runners.ToAgent("tailnet", t.Tailnet(tb).Dial)
}

// Tunnel is what the environment says of tunnels to hold: CODER_SCALETEST_CONNECT_URL
// is asked for every CODER_SCALETEST_CONNECT_INTERVAL. Without a URL the agents
// themselves are asked for signs of life.
func (t *Target) Tunnel(tb TB) runners.TunnelConfig {
	tb.Helper()
	n := t.Tailnet(tb)
	return t.cfg.Connect.tunnel(n.Dial, n.Ping)
}

func (o ConnectOptions) tunnel(dial runners.AgentDial, ping runners.PingAgent) runners.TunnelConfig {
	every := o.Interval
	if every == 0 { // it is asked for once
		every = noLimit
	}
	return runners.TunnelConfig{Dial: dial, Ping: ping, URL: o.URL, Load: traffic.Load{Shape: traffic.Every(every)}, Timeout: o.Timeout}
}

// holdTunnel is what is done with a workspace that was created when there is a URL
// to connect to.
func (t *Target) holdTunnel() func(context.Context, *harness.Recorder, runners.Workspace) error {
	o := t.cfg.Connect
	if o.URL == "" {
		return nil
	}
	cfg := o.tunnel(
		func(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error) {
			n, err := t.joinTailnet(ctx)
			if err != nil {
				return nil, err
			}
			return n.Dial(ctx, agent, port)
		},
		func(ctx context.Context, agent uuid.UUID) (time.Duration, error) {
			n, err := t.joinTailnet(ctx)
			if err != nil {
				return 0, err
			}
			return n.Ping(ctx, agent)
		})
	return cfg.Hold(o.Hold)
}

// describeTailnet says by which relays how much has gone; "" if nothing has.
func (t *Target) describeTailnet() string {
	if t.tailnet.net == nil {
		return ""
	}
	s := t.tailnet.net.Stats()
	slices.SortFunc(s.Relays, func(a, b tailnet.RelayStats) int { return a.Region - b.Region })
	var parts []string
	for _, r := range s.Relays {
		parts = append(parts, fmt.Sprintf("relay %s (region %d): %.1f MB sent, %.1f MB received, %d reconnects",
			r.Name, r.Region, float64(r.BytesSent)/1e6, float64(r.BytesReceived)/1e6, r.Reconnects))
	}
	text := strings.Join(parts, "; ") + fmt.Sprintf("; %d packets dropped", s.PacketsDropped)
	if t.cfg.given("WORKSPACE_TRAFFIC_DISABLE_DIRECT_CONNECTIONS") && !t.cfg.NoDirect {
		text += "; direct connections were allowed, but are never made here"
	}
	return text
}
