// Package coordinator introduces the peers of a tailnet to each other: who has
// opened a tunnel to whom, and what each must know of the other. It speaks the
// messages of Coder's tailnet API and knows nothing of their transport.
//
// A client opens tunnels to agents. From then on both ends hear of each other's
// node, whenever it changes, and of its end. A tunnel goes with the peer that
// opened it. One whose other end leaves stays, so that an agent which comes back
// finds its clients again.
package coordinator

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// Queue is how many responses wait for a peer. One that takes them too slowly is
// disconnected.
const Queue = 512

type (
	request  = tailnetpb.CoordinateRequest
	response = tailnetpb.CoordinateResponse
	update   = tailnetpb.CoordinateResponse_PeerUpdate
	kind     = tailnetpb.CoordinateResponse_PeerUpdate_Kind
)

const (
	node         = tailnetpb.CoordinateResponse_PeerUpdate_NODE
	disconnected = tailnetpb.CoordinateResponse_PeerUpdate_DISCONNECTED
	lost         = tailnetpb.CoordinateResponse_PeerUpdate_LOST
	ready        = tailnetpb.CoordinateResponse_PeerUpdate_READY_FOR_HANDSHAKE
)

type ids map[uuid.UUID]struct{}

// Coordinator knows the peers. The zero value is not ready: see [New].
type Coordinator struct {
	mu    sync.Mutex
	peers map[uuid.UUID]*peer
	to    map[uuid.UUID]ids // tunnels, by who has opened them
	from  map[uuid.UUID]ids // the same by the other end
}

// New makes a coordinator without peers.
func New() *Coordinator {
	return &Coordinator{peers: map[uuid.UUID]*peer{}, to: map[uuid.UUID]ids{}, from: map[uuid.UUID]ids{}}
}

// Peers is how many there are now.
func (c *Coordinator) Peers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.peers)
}

// Wanted reports whether somebody has a tunnel to this peer.
func (c *Coordinator) Wanted(id uuid.UUID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.from[id]) > 0
}

// peer is one that is connected. All of it is guarded by the coordinator's lock,
// but for the channel's contents.
type peer struct {
	id    uuid.UUID
	rules Rules
	node  *tailnetpb.Node // nil until it has said
	out   chan *response  // closed when it is over
	over  bool
	cause string // that the peer is told
	abort func()
	late  *time.Timer // aborts a peer that is over and reads nothing
}

// join adds a peer. One that has this ID already is sent away.
func (c *Coordinator) join(id uuid.UUID, rules Rules, abort func()) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.peers[id]; old != nil {
		old.end("another connection has the same peer ID")
	}
	p := &peer{id: id, rules: rules, out: make(chan *response, Queue), abort: abort}
	c.peers[id] = p
	there := &response{} // one for all, however many they are
	for other := range c.tunnelsOf(id) {
		if o := c.peers[other]; o != nil && o.node != nil {
			there.PeerUpdates = append(there.PeerUpdates, &update{Id: o.id[:], Node: o.node, Kind: node, Reason: "already there"})
		}
	}
	if len(there.PeerUpdates) > 0 {
		c.respond(p, there)
	}
	return p
}

// tunnelsOf are the other ends of a peer's tunnels.
func (c *Coordinator) tunnelsOf(id uuid.UUID) ids {
	out := ids{}
	for other := range c.to[id] {
		out[other] = struct{}{}
	}
	for other := range c.from[id] {
		out[other] = struct{}{}
	}
	return out
}

// end closes the queue. The cause is said after what is in it.
func (p *peer) end(cause string) {
	if !p.over {
		p.over, p.cause = true, cause
		p.late = time.AfterFunc(stuckTime, p.abort)
		close(p.out)
	}
}

// send lets a response wait. A peer whose queue is full is lost.
func (c *Coordinator) send(p *peer, about uuid.UUID, k kind, n *tailnetpb.Node, reason string) {
	c.respond(p, &response{PeerUpdates: []*update{{Id: about[:], Node: n, Kind: k, Reason: reason}}})
}

func (c *Coordinator) respond(p *peer, r *response) {
	if p.over {
		return
	}
	select {
	case p.out <- r:
	default:
		p.end(fmt.Sprintf("more than %d responses wait to be read", Queue))
		c.forget(p, lost, "too slow")
	}
}

// tell tells the other ends of a peer's tunnels.
func (c *Coordinator) tell(p *peer, k kind, n *tailnetpb.Node, reason string) {
	for other := range c.tunnelsOf(p.id) {
		if o := c.peers[other]; o != nil {
			c.send(o, p.id, k, n, reason)
		}
	}
}

// leave is the end of a peer's stream.
func (c *Coordinator) leave(p *peer, k kind, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.end("")
	c.forget(p, k, reason)
}

// forget takes a peer and its tunnels away, unless another has its place.
func (c *Coordinator) forget(p *peer, k kind, reason string) {
	if c.peers[p.id] != p {
		return
	}
	delete(c.peers, p.id)
	c.tell(p, k, nil, reason)
	for other := range c.to[p.id] {
		c.cut(p.id, other)
	}
}

func (c *Coordinator) cut(from, to uuid.UUID) {
	remove(c.to, from, to)
	remove(c.from, to, from)
}

func remove(m map[uuid.UUID]ids, key, id uuid.UUID) {
	if delete(m[key], id); len(m[key]) == 0 {
		delete(m, key)
	}
}

func add(m map[uuid.UUID]ids, key, id uuid.UUID) {
	if m[key] == nil {
		m[key] = ids{}
	}
	m[key][id] = struct{}{}
}
