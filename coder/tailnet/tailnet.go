package tailnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/relay"
)

// Ports on which agents listen inside the tailnet. All others are the
// workspace's own.
const (
	PortSSH       = 1 // 22 too, from 2.22 on
	PortTerminal  = 2
	PortSpeedtest = 3
	PortAPI       = 4
)

// Config describes a client's part of the tailnet. Only Client is required.
type Config struct {
	// Client is whose rights count: its user reaches the agents of the workspaces
	// that it may open an SSH session to. An owner reaches all of them.
	Client *coder.Client

	// Nodes is how many WireGuard nodes share the agents. One carries some
	// hundred MB/s at most, because a connection to a relay does. 0 means 1.
	Nodes int

	// Queue is how many packets a node lets wait for its device. 0 means 512.
	Queue int

	// OnEvent is told what happens to relays, peers and the coordination, in
	// words for people. It must not block. Nil means nobody is told.
	OnEvent func(text string)
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Client == nil {
		errs = append(errs, errors.New("tailnet: Client is not set"))
	}
	if c.Nodes < 0 || c.Nodes > maxNodes {
		errs = append(errs, fmt.Errorf("tailnet: Nodes is %d, want 0 (one) to %d", c.Nodes, maxNodes))
	}
	if c.Queue < 0 {
		errs = append(errs, fmt.Errorf("tailnet: Queue is %d, want 0 (512) or more", c.Queue))
	}
	return errors.Join(errs...)
}

const maxNodes = 256

// Tailnet is a client's part of the tailnet. It is safe for use by many
// goroutines.
type Tailnet struct {
	relays  *relay.Dialer
	members []*member
	once    sync.Once
}

// Open connects to the deployment's relay and to its coordination. The context
// bounds that; afterwards both are kept, whatever happens to them, until Close.
func Open(ctx context.Context, cfg Config) (*Tailnet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	relays, err := relay.New(ctx, cfg.Client)
	if err != nil {
		return nil, fmt.Errorf("join the tailnet: %w", err)
	}
	t := &Tailnet{relays: relays}
	for range max(cfg.Nodes, 1) {
		m, err := join(ctx, cfg, relays)
		if err != nil {
			_ = t.Close() // it has not begun
			return nil, fmt.Errorf("join the tailnet: %w", err)
		}
		t.members = append(t.members, m)
	}
	return t, nil
}

// Dial connects to a port of an agent over TCP. It waits until the agent is
// there, as long as the context allows, and dials again if the agent restarts
// meanwhile. A port on which nothing listens is ECONNREFUSED.
//
// The connection fails when the agent restarts or its workspace stops. It
// survives the loss of relays and of the coordination.
func (t *Tailnet) Dial(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error) {
	m := t.of(agent)
	c, err := m.node.Dial(ctx, agent, port)
	if err != nil {
		return nil, m.explain(ctx, err)
	}
	return c, nil
}

// Ping asks an agent's node for a sign of life and returns how long that took,
// without the wait for the agent to be there. Nothing of the workspace takes part
// in it.
func (t *Tailnet) Ping(ctx context.Context, agent uuid.UUID) (time.Duration, error) {
	m := t.of(agent)
	took, err := m.node.Ping(ctx, agent)
	if err != nil {
		return 0, m.explain(ctx, err)
	}
	return took, nil
}

// of is the node that an agent belongs to. The IDs are random, so that each has
// about as many as the others.
func (t *Tailnet) of(agent uuid.UUID) *member {
	return t.members[binary.BigEndian.Uint64(agent[8:])%uint64(len(t.members))]
}

// Close says goodbye and ends all connections.
func (t *Tailnet) Close() error {
	t.once.Do(func() {
		var wg sync.WaitGroup
		for _, m := range t.members {
			wg.Go(m.close)
		}
		wg.Wait()
	})
	return nil
}

// Stats is what the nodes have done, all together.
type Stats struct {
	// Agents is how many are known now, and Connections how many are open.
	Agents, Connections int
	// PacketsSent and PacketsReceived are WireGuard's.
	PacketsSent, PacketsReceived int64
	// PacketsDropped found a queue full, or a relay gone.
	PacketsDropped int64
	// AgentRestarts is how often an agent came back with another key.
	AgentRestarts int64
	// Coordinations is how often the coordination was connected to, once for each
	// node and again after each loss.
	Coordinations int64
	// Relays are the ways that the bytes took.
	Relays []RelayStats
}

// RelayStats is the traffic by way of a region's relay.
type RelayStats struct {
	// Region is its number, and Name its code in the DERP map, such as "coder".
	Region int
	Name   string
	// BytesSent and BytesReceived are those of WireGuard's packets.
	BytesSent, BytesReceived int64
	// Reconnects is how often it was lost and found again.
	Reconnects int64
}

// Stats adds up what the nodes count.
func (t *Tailnet) Stats() Stats {
	var s Stats
	regions := map[int]int{}
	for _, m := range t.members {
		n := m.node.Stats()
		s.Agents += n.Peers
		s.Connections += n.Connections
		s.PacketsSent += n.PacketsOut
		s.PacketsReceived += n.PacketsIn
		s.PacketsDropped += n.Dropped
		s.AgentRestarts += n.Restarts
		s.Coordinations += n.Coordinations
		for _, r := range n.Relays {
			at, ok := regions[r.Region]
			if !ok {
				at = len(s.Relays)
				regions[r.Region] = at
				s.Relays = append(s.Relays, RelayStats{Region: r.Region, Name: t.relays.Name(r.Region)})
			}
			s.Relays[at].BytesSent += r.Out
			s.Relays[at].BytesReceived += r.In
			s.Relays[at].Reconnects += r.Redials
		}
	}
	return s
}
