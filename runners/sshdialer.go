package runners

import (
	"context"
	"fmt"
	"net"

	"github.com/google/uuid"
)

// Dialer connects to the SSH server of a workspace's agent. There are
// [ProxyCommand], which asks Coder's own command line, [TCP], and [ToAgent] for
// whatever reaches agents by their ID, such as a tailnet node.
type Dialer interface {
	// Dial connects. The context bounds the dialing only.
	Dial(ctx context.Context, w Workspace) (net.Conn, error)

	// String names the way in a word or two, for results and errors.
	String() string
}

// TCP dials an address.
type TCP struct {
	// Address of a workspace's SSH server, as host:port.
	Address func(w Workspace) string

	// Dialer opens the connections. The zero value does.
	Dialer net.Dialer
}

// Dial implements [Dialer].
func (d TCP) Dial(ctx context.Context, w Workspace) (net.Conn, error) {
	if d.Address == nil {
		return nil, fmt.Errorf("ssh to %s: TCP.Address is not set", w.Name)
	}
	return d.Dialer.DialContext(ctx, "tcp", d.Address(w))
}

// String implements [Dialer].
func (TCP) String() string { return "tcp" }

// agentSSHPort is where an agent serves SSH inside the tailnet. Port 22 is
// there too, but only from 2.22 on.
const agentSSHPort = 1

// AgentDial connects to a port of an agent, wherever it is: by a tailnet node, for
// example. The context bounds the dialing only.
type AgentDial func(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error)

// ToAgent makes a [Dialer] of something that reaches agents by their ID. The
// name says what that is.
func ToAgent(name string, dial AgentDial) Dialer { return toAgent{name, dial} }

type toAgent struct {
	name string
	dial AgentDial
}

func (d toAgent) Dial(ctx context.Context, w Workspace) (net.Conn, error) {
	return d.dial(ctx, w.Agent.ID, agentSSHPort)
}

func (d toAgent) String() string { return d.name }
