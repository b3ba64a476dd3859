package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/derp"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

const (
	// maxPeers is how many an agent takes.
	maxPeers = 10_000
	// maxReason is how much of what the coordination says is passed on.
	maxReason = 200
)

// peer is somebody whom the node talks with. A client's peers are agents that it
// has asked for.
type peer struct {
	id      uuid.UUID
	key     derp.Key
	placing int           // the region that is being connected to for it
	known   bool          // the coordination has told the key
	placed  bool          // the device has the key, and there is a relay for it
	ready   bool          // it waits for a handshake
	refused error         // the coordination did not want to tell the key
	changed chan struct{} // closed at any change of these
	gone    chan struct{} // closed when what is at the other end is no longer
	refs    int           // who dials or is connected
	idle    *time.Timer   // of a tunnel that nobody uses
	conns   map[*Conn]struct{}
}

func newPeer(id uuid.UUID) *peer {
	return &peer{id: id, changed: make(chan struct{}), gone: make(chan struct{}), conns: map[*Conn]struct{}{}}
}

// change tells those who wait. The node's lock is held, as in what follows.
func (p *peer) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// drop ends everything that was with the peer's present self.
func (p *peer) drop(why error) {
	close(p.gone)
	p.gone = make(chan struct{})
	for c := range p.conns {
		go c.abort(why) // it takes the stack's locks
	}
	clear(p.conns)
	p.known, p.placed, p.ready, p.placing = false, false, false, 0
	p.change()
}

// apply does what the coordination says of a peer.
func (n *Node) apply(u *tailnetpb.CoordinateResponse_PeerUpdate) {
	id, err := uuid.FromBytes(u.GetId())
	if err != nil {
		return
	}
	if n.cfg.OnEvent != nil {
		reason := u.GetReason()
		n.event("peer %s: %s %s", id, strings.ToLower(u.GetKind().String()), reason[:min(len(reason), maxReason)])
	}
	switch u.GetKind() {
	case tailnetpb.CoordinateResponse_PeerUpdate_NODE:
		n.meet(id, u.GetNode())
	case tailnetpb.CoordinateResponse_PeerUpdate_READY_FOR_HANDSHAKE:
		n.with(id, func(p *peer) {
			p.ready = true
			p.change()
		})
	case tailnetpb.CoordinateResponse_PeerUpdate_LOST:
		// It may go on all the same: only its coordination has broken off. But
		// whoever dials now had better wait until it is back.
		n.with(id, func(p *peer) {
			p.ready = false
			p.change()
		})
	case tailnetpb.CoordinateResponse_PeerUpdate_DISCONNECTED:
		n.part(id)
	}
}

func (n *Node) with(id uuid.UUID, do func(*peer)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.peers[id]; p != nil {
		do(p)
	}
}

// meet takes a peer's key, and forgets the one that it had before.
func (n *Node) meet(id uuid.UUID, info *tailnetpb.Node) {
	raw := info.GetKey()
	if len(raw) != 34 || string(raw[:2]) != "np" || info.GetPreferredDerp() == 0 {
		return // it can't be reached, or not yet
	}
	key, region := derp.Key(raw[2:]), int(info.GetPreferredDerp())
	n.mu.Lock()
	p := n.peers[id]
	if p == nil {
		if !n.cfg.Agent || len(n.peers) >= maxPeers || n.ctx.Err() != nil {
			n.mu.Unlock()
			return // nobody has asked for it
		}
		p = newPeer(id)
		n.peers[id] = p
	}
	var old *derp.Key
	if p.known && p.key != key {
		before := p.key
		old = &before
		n.stats.restarts.Add(1)
		p.drop(errRestarted)
	}
	p.key, p.known = key, true
	l := n.links[region]
	waits := l == nil && p.placing == region // for that link already
	if l == nil {
		p.placing = region
	}
	n.mu.Unlock()
	if old != nil {
		n.unplace(*old)
	}
	ips := info.GetAllowedIps()
	if !n.cfg.Agent { // an agent has the addresses of its ID, and no others
		ips = nil
		for _, a := range addresses(id, true) {
			ips = append(ips, a.String()+"/128")
		}
	}
	if l != nil {
		n.place(p, key, l, ips)
		return
	}
	if !waits {
		n.wg.Go(func() { n.placeElsewhere(p, region, ips) })
	}
}

// place tells the device where a peer is.
func (n *Node) place(p *peer, key derp.Key, l *link, ips []string) {
	n.mu.Lock()
	if !p.known || p.key != key || n.peers[p.id] != p {
		n.mu.Unlock()
		return // it is somebody else by now
	}
	n.known.Lock()
	e := n.endpoints[key]
	if e == nil {
		e = &endpoint{key: key}
		n.endpoints[key] = e
	}
	e.link.Store(l)
	n.known.Unlock()
	n.mu.Unlock()
	k := hex.EncodeToString(key[:])
	var b strings.Builder
	fmt.Fprintf(&b, "public_key=%s\nendpoint=%s\nreplace_allowed_ips=true\n", k, k)
	for _, ip := range allowed(ips) {
		fmt.Fprintf(&b, "allowed_ip=%s\n", ip)
	}
	if err := n.device.IpcSet(b.String()); err != nil {
		n.event("peer %s: the device does not take it", p.id)
		return
	}
	n.mu.Lock()
	if p.known && p.key == key {
		p.placed = true
		p.change()
	}
	n.mu.Unlock()
	if n.cfg.Agent {
		n.say(&tailnetpb.CoordinateRequest{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: p.id[:]}}})
	}
}

// placeElsewhere connects to the region in which a peer listens first.
func (n *Node) placeElsewhere(p *peer, region int, ips []string) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 10*time.Second
	for {
		l, err := n.linkTo(region)
		n.mu.Lock()
		key, gone := p.key, p.gone
		current := p.known && p.placing == region
		if current && err == nil {
			p.placing = 0
		}
		n.mu.Unlock()
		switch {
		case !current:
			return
		case err == nil:
			n.place(p, key, l, ips)
			return
		}
		n.event("%v", err)
		select {
		case <-time.After(wait.NextBackOff()):
		case <-gone:
			return
		case <-n.ctx.Done():
			return
		}
	}
}

// linkTo is the link to a region, which is opened if there is none.
func (n *Node) linkTo(region int) (*link, error) {
	n.mu.Lock()
	l := n.links[region]
	n.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := n.openLink(n.ctx, region)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if first := n.links[region]; first != nil || n.ctx.Err() != nil {
		l.close()
		if first == nil {
			return nil, errClosed
		}
		return first, nil
	}
	n.links[region] = l
	n.homeLink.handOver()
	n.wg.Go(func() { n.readLink(l) })
	return l, nil
}

// part is the end of a peer that has said goodbye.
func (n *Node) part(id uuid.UUID) {
	n.mu.Lock()
	p := n.peers[id]
	if p == nil {
		n.mu.Unlock()
		return
	}
	key, known := p.key, p.known
	p.drop(errLeft)
	if n.cfg.Agent {
		delete(n.peers, id)
	}
	n.mu.Unlock()
	if known {
		n.unplace(key)
	}
}

// unplace takes a key from the device.
func (n *Node) unplace(key derp.Key) {
	n.known.Lock()
	delete(n.endpoints, key)
	n.known.Unlock()
	// It fails only if the device is closed.
	_ = n.device.IpcSet("public_key=" + hex.EncodeToString(key[:]) + "\nremove=true\n")
}

var (
	errRestarted = errors.New("the agent has restarted")
	errLeft      = errors.New("the agent has gone")
)
