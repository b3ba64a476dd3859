package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	tsmp     = 99 // the next header of Tailscale's own messages
	tsmpPing = 'p'
	tsmpPong = 'o'
	pingSize = 1 + 8     // its kind, and what comes back
	pongSize = 1 + 8 + 2 // and a port
	// pingAgain is after how long a ping is sent once more: it may have been lost.
	pingAgain = time.Second
)

// pings are those that wait for an answer.
type pings struct {
	mu      sync.Mutex
	waiting map[uint64]chan struct{}
}

// Ping asks an agent's node for a sign of life and returns how long that took. It
// waits for the agent as [Node.Dial] does.
func (n *Node) Ping(ctx context.Context, agent uuid.UUID) (time.Duration, error) {
	fail := func(err error) (time.Duration, error) { return 0, fmt.Errorf("ping agent %s: %w", agent, err) }
	p, err := n.hold(agent)
	if err != nil {
		return fail(err)
	}
	defer n.release(p)
	if _, err := n.await(ctx, p); err != nil {
		return fail(err)
	}
	again := time.NewTicker(pingAgain)
	defer again.Stop()
	for {
		id, answered := n.pings.begin()
		begin := time.Now()
		n.tunnel.ping(n.addrs[0].As16(), AgentAddress(agent).As16(), id)
		select {
		case <-answered:
			return time.Since(begin), nil
		case <-again.C:
		case <-n.ctx.Done():
			err = errClosed
		case <-ctx.Done():
			err = fmt.Errorf("no answer: %w", context.Cause(ctx))
		}
		n.pings.end(id)
		if err != nil {
			return fail(err)
		}
	}
}

func (p *pings) begin() (id uint64, answered chan struct{}) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	id, answered = binary.BigEndian.Uint64(b[:]), make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = map[uint64]chan struct{}{}
	}
	p.waiting[id] = answered
	return id, answered
}

// end forgets a ping. It returns what waits for it.
func (p *pings) end(id uint64) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.waiting[id]
	delete(p.waiting, id)
	return c
}

// ping sends one.
func (t *tunnel) ping(from, to [16]byte, id uint64) {
	b := make([]byte, header.IPv6MinimumSize+pingSize)
	header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: pingSize, TransportProtocol: tsmp, HopLimit: 64})
	copy(b[8:24], from[:])
	copy(b[24:40], to[:])
	b[header.IPv6MinimumSize] = tsmpPing
	binary.BigEndian.PutUint64(b[header.IPv6MinimumSize+1:], id)
	t.sendRaw(b)
}

// tsmp handles such a message: it answers a ping, and takes the answer to one.
func (t *tunnel) tsmp(p []byte) {
	const at = header.IPv6MinimumSize
	switch {
	case len(p) >= at+pingSize && p[at] == tsmpPing:
		r := make([]byte, at+pongSize) // the port is that of none
		copy(r, p[:at])
		binary.BigEndian.PutUint16(r[4:], pongSize)
		copy(r[8:24], p[24:40])
		copy(r[24:40], p[8:24])
		r[at] = tsmpPong
		copy(r[at+1:], p[at+1:at+pingSize])
		t.sendRaw(r)
	case len(p) >= at+pongSize && p[at] == tsmpPong:
		if c := t.node.pings.end(binary.BigEndian.Uint64(p[at+1:])); c != nil {
			close(c)
		}
	}
}

// sendRaw sends a packet that the stack has not made.
func (t *tunnel) sendRaw(b []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	var l stack.PacketBufferList
	l.PushBack(pkt)
	_, _ = t.WritePackets(l) // counted if there is no room
	pkt.DecRef()
}
