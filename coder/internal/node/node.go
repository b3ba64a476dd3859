package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.zx2c4.com/wireguard/device"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

const (
	defaultQueue = 512
	defaultBatch = 8
	maxBatch     = 128
)

// Config describes a node.
type Config struct {
	// ID is the agent's. A client that has none gets a random one.
	ID uuid.UUID

	// Agent says that this is an agent: it owns the addresses of its ID, takes
	// whoever the coordination sends, and says when it is ready for them.
	Agent bool

	// Home is the region in which the node listens.
	Home int

	// Relay opens a connection to the relay of a region, on which the protocol
	// then begins.
	Relay func(ctx context.Context, region int) (io.ReadWriteCloser, error)

	// Queue is how many packets wait between the stack and the device. 0 means 512.
	Queue int

	// Batch is how many packets are handled at a time, at most 128. 0 means 8.
	Batch int

	// OnEvent is told what happens to links and peers. It must not block. Nil
	// means nobody is.
	OnEvent func(text string)
}

// Node is a member of a tailnet.
type Node struct {
	cfg      Config
	self     uuid.UUID
	number   int64 // any, but positive
	private  derp.Key
	public   derp.Key
	disco    derp.Key
	addrs    []netip.Addr
	tunnel   *tunnel
	stack    *netstack
	device   *device.Device
	homeLink *link
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	once     sync.Once
	stats    counters
	pings    pings

	several    atomic.Bool  // there are links to more than one relay
	handedOver sync.Once    // the relay at home is read by a goroutine of its own from then on
	relayed    chan relayed // what comes from them

	mu     sync.Mutex
	links  map[int]*link // of regions, home too
	peers  map[uuid.UUID]*peer
	outbox *outbox // nil while there is no coordination

	known     sync.RWMutex
	endpoints map[derp.Key]*endpoint
}

type counters struct {
	packetsIn, packetsOut, dropped, peersGone, coordinations, restarts atomic.Int64
}

// New connects to the relay at home and starts a node. It has no peers before
// [Node.Coordinate].
func New(ctx context.Context, cfg Config) (*Node, error) {
	if cfg.Relay == nil || cfg.Home == 0 {
		return nil, errors.New("node: Relay and Home are needed")
	}
	if cfg.Queue <= 0 {
		cfg.Queue = defaultQueue
	}
	if cfg.Batch <= 0 {
		cfg.Batch = defaultBatch
	}
	cfg.Batch = min(cfg.Batch, maxBatch)
	n := &Node{
		cfg: cfg, self: cfg.ID, private: derp.NewPrivateKey(), disco: derp.NewPrivateKey().Public(),
		links: map[int]*link{}, peers: map[uuid.UUID]*peer{}, endpoints: map[derp.Key]*endpoint{},
		relayed: make(chan relayed, cfg.Queue),
	}
	if n.self == uuid.Nil {
		n.self = uuid.New()
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	n.number = int64(binary.BigEndian.Uint64(random[:])>>12) | 1
	n.public = n.private.Public()
	n.addrs = addresses(n.self, cfg.Agent)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	home, err := n.openLink(ctx, cfg.Home)
	if err != nil {
		n.cancel()
		return nil, err
	}
	n.homeLink, n.links[cfg.Home] = home, home
	n.tunnel = newTunnel(n, cfg.Queue, cfg.Batch)
	if n.stack, err = newNetstack(card{n.tunnel}, n.addrs); err != nil {
		n.cancel()
		home.close()
		return nil, fmt.Errorf("start the node's TCP stack: %w", err)
	}
	silent := &device.Logger{Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf} // it would log keys
	n.device = device.NewDevice(n.tunnel, &bind{node: n}, silent)
	err = n.device.IpcSet("private_key=" + hex.EncodeToString(n.private[:]) + "\n")
	if err == nil {
		err = n.device.Up()
	}
	if err != nil {
		_ = n.Close() // it has not begun
		return nil, fmt.Errorf("start the node's WireGuard device: %w", err)
	}
	return n, nil
}

// ID is whose addresses the node has.
func (n *Node) ID() uuid.UUID { return n.self }

// Close tells the coordination, ends all connections and stops the node.
func (n *Node) Close() error {
	n.once.Do(func() {
		n.sayGoodbye()
		n.mu.Lock()
		for _, p := range n.peers {
			p.drop(errClosed)
			if p.idle != nil {
				p.idle.Stop()
			}
		}
		n.mu.Unlock()
		n.cancel()
		n.device.Close()
		_ = n.tunnel.Close() // the device has, if it began
		n.mu.Lock()
		for _, l := range n.links {
			l.close()
		}
		n.mu.Unlock()
		n.stack.close()
		n.wg.Wait()
	})
	return nil
}

// sayGoodbye gives the coordination a moment to hear it.
func (n *Node) sayGoodbye() {
	n.mu.Lock()
	o := n.outbox
	n.mu.Unlock()
	if o == nil {
		return
	}
	o.leave()
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-o.ended:
	case <-t.C:
	}
}

func (n *Node) event(format string, args ...any) {
	if n.cfg.OnEvent != nil {
		n.cfg.OnEvent(fmt.Sprintf(format, args...))
	}
}

// endpointFor finds where a key is. Of a stranger it is known only which way its
// packet came.
func (n *Node) endpointFor(k derp.Key, via *link) *endpoint {
	n.known.RLock()
	e := n.endpoints[k]
	n.known.RUnlock()
	if e == nil {
		e = &endpoint{key: k}
		e.link.Store(via)
	}
	return e
}

// Stats is what a node has done.
type Stats struct {
	// PacketsIn and PacketsOut are WireGuard's, and so a little more than the
	// stack's.
	PacketsIn, PacketsOut int64
	// Dropped are packets that found a queue full, or a relay gone.
	Dropped int64
	// PeersGone is how often a relay said that a peer is not there.
	PeersGone int64
	// Coordinations is how often the coordination has begun.
	Coordinations int64
	// Restarts is how often a peer came back with another key.
	Restarts int64
	// Peers is how many the node knows now, and Connections how many it has open
	// to them.
	Peers, Connections int
	// Relays are the regions that packets went by.
	Relays []RelayStats
}

// RelayStats is the traffic with the relay of a region, in bytes of packets.
type RelayStats struct {
	Region  int
	In, Out int64
	Redials int64
}

// Stats reads the counters.
func (n *Node) Stats() Stats {
	c := &n.stats
	s := Stats{
		PacketsIn: c.packetsIn.Load(), PacketsOut: c.packetsOut.Load(), Dropped: c.dropped.Load(), PeersGone: c.peersGone.Load(),
		Coordinations: c.coordinations.Load(), Restarts: c.restarts.Load(),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		if p.known {
			s.Peers++
		}
		s.Connections += len(p.conns)
	}
	for region, l := range n.links {
		s.Relays = append(s.Relays, RelayStats{region, l.in.Load(), l.out.Load(), l.redials.Load()})
	}
	return s
}

// CutRelays loses the connections to all relays, which are made again. It is for
// tests.
func (n *Node) CutRelays() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.cut()
	}
}
