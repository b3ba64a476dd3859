package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

const (
	// readyWait is how long a peer that is known may take to say that it is ready,
	// before it is dialed all the same: agents of old servers don't say so.
	readyWait = 5 * time.Second
	// tunnelIdle is how long a tunnel is kept that nobody uses.
	tunnelIdle = time.Minute
)

var errRefused = fmt.Errorf("connection refused: %w", syscall.ECONNREFUSED)

// Conn is a connection to a port of a peer.
type Conn struct {
	*gonet.TCPConn
	node *Node
	peer *peer
	ep   tcpip.Endpoint
	once sync.Once

	mu  sync.Mutex
	why error // it was aborted
}

// Dial connects to a port of an agent. The context bounds the dialing. An agent
// that restarts meanwhile is dialed again.
func (n *Node) Dial(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error) {
	p, err := n.hold(agent)
	if err != nil {
		return nil, fmt.Errorf("dial port %d of agent %s: %w", port, agent, err)
	}
	c, err := n.dial(ctx, p, port)
	if err != nil {
		n.release(p)
		return nil, fmt.Errorf("dial port %d of agent %s: %w", port, agent, err)
	}
	return c, nil
}

func (n *Node) dial(ctx context.Context, p *peer, port uint16) (*Conn, error) {
	for {
		gone, err := n.await(ctx, p)
		if err != nil {
			return nil, err
		}
		dialing, cancel := context.WithCancelCause(ctx)
		stop := make(chan struct{})
		go func() {
			select {
			case <-gone:
				cancel(errRestarted)
			case <-stop:
			}
		}()
		tcp, ep, err := n.stack.dial(dialing, netip.AddrPortFrom(AgentAddress(p.id), port))
		close(stop)
		cancel(nil)
		switch {
		case errors.Is(err, errRestarted) && ctx.Err() == nil && n.ctx.Err() == nil:
			continue
		case n.ctx.Err() != nil:
			if err == nil {
				ep.Abort()
			}
			return nil, errClosed
		case err != nil:
			return nil, err
		}
		c := &Conn{TCPConn: tcp, node: n, peer: p, ep: ep}
		n.mu.Lock()
		stale := p.gone != gone
		if !stale {
			p.conns[c] = struct{}{}
		}
		n.mu.Unlock()
		if stale {
			ep.Abort()
			continue
		}
		return c, nil
	}
}

// await waits until the peer can be dialed. It returns the channel that says when
// it is no longer who it is now.
func (n *Node) await(ctx context.Context, p *peer) (gone chan struct{}, err error) {
	var late <-chan time.Time // readyWait after the peer was placed
	timeUp := false
	for {
		n.mu.Lock()
		placed, ready, refused := p.placed, p.ready, p.refused
		changed := p.changed
		gone = p.gone
		n.mu.Unlock()
		switch {
		case refused != nil:
			return nil, refused
		case placed && (ready || timeUp):
			return gone, nil
		case !placed:
			late, timeUp = nil, false
		case late == nil:
			t := time.NewTimer(readyWait)
			defer t.Stop()
			late = t.C
		}
		select {
		case <-changed:
		case <-late:
			timeUp = true
		case <-n.ctx.Done():
			return nil, errClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", n.missing(p), context.Cause(ctx))
		}
	}
}

// missing says what a peer still lacks.
func (n *Node) missing(p *peer) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case p.placed:
		return "it is not ready for a connection"
	case p.known:
		return "the relay of its region can't be reached"
	case n.outbox == nil:
		return "there is no connection to the deployment's coordination"
	}
	return "the deployment does not know where it is: it is not connected, or this user may not reach it"
}

// hold asks for a tunnel, or takes part in it.
func (n *Node) hold(id uuid.UUID) (*peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() != nil {
		return nil, errClosed
	}
	p := n.peers[id]
	if p == nil {
		p = newPeer(id)
		n.peers[id] = p
		if n.outbox != nil && !n.cfg.Agent {
			n.outbox.put(addTunnel(p))
		}
	}
	if p.idle != nil {
		p.idle.Stop()
		p.idle = nil
	}
	p.refs++
	return p, nil
}

// release gives a tunnel back. One that nobody uses is kept for a while: the next
// connection is quicker then.
func (n *Node) release(p *peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.refs--; p.refs > 0 || n.ctx.Err() != nil || n.cfg.Agent {
		return
	}
	keep := tunnelIdle
	if !p.known { // there is nothing to keep
		keep = 0
	}
	p.idle = time.AfterFunc(keep, func() { n.forget(p) })
}

func (n *Node) forget(p *peer) {
	n.mu.Lock()
	if p.refs > 0 || n.peers[p.id] != p || n.ctx.Err() != nil {
		n.mu.Unlock()
		return
	}
	key, known := p.key, p.known
	delete(n.peers, p.id)
	p.drop(errLeft)
	if n.outbox != nil {
		n.outbox.put(removeTunnel(p))
	}
	n.mu.Unlock()
	if known {
		n.unplace(key)
	}
}

// Listen waits for connections to a port, at all addresses of the node.
func (n *Node) Listen(port uint16) (net.Listener, error) { return n.stack.listen(port) }

// Close ends the connection.
func (c *Conn) Close() error {
	err := c.TCPConn.Close()
	c.leave()
	return err
}

func (c *Conn) leave() {
	c.once.Do(func() {
		c.node.mu.Lock()
		delete(c.peer.conns, c)
		c.node.mu.Unlock()
		c.node.release(c.peer)
	})
}

// abort ends a connection whose other end is no longer.
func (c *Conn) abort(why error) {
	c.mu.Lock()
	c.why = why
	c.mu.Unlock()
	c.ep.Abort()
}

// Read reads. After the agent's end its error says so.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	return n, c.explain(err)
}

// Write writes. After the agent's end its error says so.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	return n, c.explain(err)
}

func (c *Conn) explain(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return fmt.Errorf("connection to agent %s lost: %w", c.peer.id, c.why)
	}
	return err
}
