package runners

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// The metrics of [TunnelConfig].
var (
	// TunnelPing is a round trip to the agent's node, in which nothing of the
	// workspace takes part.
	TunnelPing = harness.NewAction("tunnel_ping")
	// TunnelDial is the opening of a connection to the port.
	TunnelDial = harness.NewAction("tunnel_dial")
	// TunnelRequest is an HTTP request through the tunnel, with its answer's body.
	TunnelRequest = harness.NewAction("tunnel_request")
	// TunnelEcho is the round trip of a tick's bytes over TCP.
	TunnelEcho = harness.NewAction("tunnel_echo")
	// AgentLatency is what the agent itself has measured to its relay, as it last
	// told the deployment.
	AgentLatency = harness.NewAction("agent_latency")
)

// PingAgent asks an agent's node for a sign of life, and returns how long that
// took.
type PingAgent func(ctx context.Context, agent uuid.UUID) (time.Duration, error)

// TunnelConfig configures people who hold a tunnel to a port of their workspace,
// as a port-forward is.
//
// What one does: it asks the agent's node for a sign of life, connects to the
// port, and holds that connection until the load ends. At each tick it makes an
// HTTP request (URL), or sends some bytes and waits for them to come back (Port
// and bytes in Load), or asks for another sign of life (neither). A connection
// that is lost is opened again at the next tick, and counted; to another agent if
// the workspace was built anew. When the load ends it reads what the agent itself
// has measured.
//
// Metrics: tunnel_ping, tunnel_dial, tunnel_request or tunnel_echo,
// agent_latency; the counters bytes_sent, bytes_received and reconnects.
//
// Its cleanup closes the connection. It creates nothing on the deployment.
type TunnelConfig struct {
	// Workspaces are connected to: user i to workspace i.
	Workspaces []Workspace

	// Dial reaches their agents.
	Dial AgentDial

	// Ping asks for signs of life. Nil connects to the agent's own port 4 instead.
	Ping PingAgent

	// URL is asked for, as it is inside the workspace: http://localhost:8080/x. Its
	// host's name is only sent along. HTTP only: inside the tunnel everything is
	// encrypted already.
	URL string

	// Port is connected to over TCP when there is no URL. Bytes that are sent to it
	// must come back.
	Port uint16

	// Load says when, and for Port also how many bytes. The zero value is once a
	// second.
	Load traffic.Load

	// Timeout bounds each dial, request, echo and ping. 0 means 5 s.
	Timeout time.Duration

	// Share lets users share workspaces when there are more users.
	Share bool
}

// Tunnel makes runners that ask for a URL inside of a workspace once a second, see
// [TunnelConfig].
func Tunnel(workspaces []Workspace, dial AgentDial, url string) func(user int) (harness.Runner, error) {
	return TunnelConfig{Workspaces: workspaces, Dial: dial, URL: url}.Runner()
}

// agentAPIPort is where an agent serves its own API. Each one does.
const agentAPIPort = 4

// Validate reports everything that is wrong with the configuration.
func (c TunnelConfig) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Dial == nil {
		errs = append(errs, errors.New("tunnel: there is nothing to dial with"))
	}
	if c.URL != "" {
		if _, _, err := c.target(); err != nil {
			errs = append(errs, err)
		}
		if c.Port != 0 {
			errs = append(errs, errors.New("tunnel: URL and Port exclude each other"))
		}
	} else if c.Load.BytesPerTick > 0 && c.Port == 0 {
		errs = append(errs, errors.New("tunnel: there are bytes to send, but no Port to send them to"))
	}
	if c.Load.BytesPerTick < 0 {
		errs = append(errs, fmt.Errorf("tunnel: BytesPerTick is %d, want 0 or more", c.Load.BytesPerTick))
	}
	if err := c.Load.Shape.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("tunnel: %w", err))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("tunnel: Timeout is %v, want 0 (5 s) or more", c.Timeout))
	}
	return errors.Join(errs...)
}

func (c TunnelConfig) withDefaults() TunnelConfig {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Load.Shape == nil {
		c.Load.Shape = traffic.Every(time.Second)
	}
	return c
}

// target is the URL and the port that it is at.
func (c TunnelConfig) target() (*url.URL, uint16, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		return nil, 0, fmt.Errorf("tunnel: the URL is %q, want one such as http://localhost:8080/", c.URL)
	}
	if u.Port() == "" {
		return u, 80, nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return nil, 0, fmt.Errorf("tunnel: the URL's port is %q, want 1 to 65535", u.Port())
	}
	return u, uint16(port), nil
}

// Runner returns what harness.Scenario.Runner takes.
func (c TunnelConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	c = c.withDefaults()
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		w, err := pick(c.Workspaces, user, c.Share)
		if err != nil {
			return nil, err
		}
		return c.tunnel(w), nil
	}
}

// Hold holds a tunnel to one workspace for a while, for
// [CreateWorkspacesConfig.After]. Anything that fails is its error. Workspaces and
// Share are not used.
func (c TunnelConfig) Hold(d time.Duration) func(ctx context.Context, rec *harness.Recorder, w Workspace) error {
	invalid := c.Validate()
	c = c.withDefaults()
	return func(ctx context.Context, rec *harness.Recorder, w Workspace) error {
		if invalid != nil {
			return invalid
		}
		t := c.tunnel(&w)
		defer t.close()
		if err := t.open(ctx, rec); err != nil {
			return err
		}
		return t.hold(ctx, rec, time.Now(), d, true)
	}
}
