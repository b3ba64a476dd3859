package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// Stream is a call of the coordination service. One goroutine sends while another
// receives.
type Stream interface {
	Send(proto.Message) error
	Recv(proto.Message) error
	Close() error
}

// maxOutbox is how much may wait to be said. Answers beyond that are not given.
const maxOutbox = 1 << 14

// outbox is what is still to be said on a stream. It never makes anybody wait.
type outbox struct {
	mu     sync.Mutex
	queue  []*tailnetpb.CoordinateRequest
	wake   chan struct{}
	over   bool
	leaves bool
	ended  chan struct{} // closed when the sender has
}

func (o *outbox) put(m *tailnetpb.CoordinateRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || o.leaves || len(o.queue) >= maxOutbox {
		return
	}
	o.queue = append(o.queue, m)
	o.wakeUp()
}

func (o *outbox) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// leave says goodbye, after which nothing is said.
func (o *outbox) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over && !o.leaves {
		o.leaves = true
		o.queue = append(o.queue, &tailnetpb.CoordinateRequest{Disconnect: &tailnetpb.CoordinateRequest_Disconnect{}})
		o.wakeUp()
	}
}

func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.wakeUp()
}

// run sends until the end.
func (o *outbox) run(s Stream) {
	defer close(o.ended)
	for range o.wake {
		o.mu.Lock()
		queue := o.queue
		o.queue = nil
		over, leaves := o.over, o.leaves
		o.mu.Unlock()
		for _, m := range queue {
			if over || s.Send(m) != nil {
				over = true // the receiver finds out
				break
			}
		}
		if over || leaves {
			_ = s.Close() // there is no more to say
			return
		}
	}
}

func (n *Node) say(m *tailnetpb.CoordinateRequest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outbox != nil {
		n.outbox.put(m)
	}
}

// Coordinate announces the node on a stream and does what that says of peers,
// until it ends. It closes the stream. Called again with another stream, it goes
// on: connections to peers don't need the coordination. With ctx's end it returns
// at once; with the node's it says goodbye first.
func (n *Node) Coordinate(ctx context.Context, s Stream) error {
	o := &outbox{wake: make(chan struct{}, 1), ended: make(chan struct{})}
	o.put(&tailnetpb.CoordinateRequest{UpdateSelf: &tailnetpb.CoordinateRequest_UpdateSelf{Node: n.describe()}})
	n.mu.Lock()
	if n.ctx.Err() != nil || n.outbox != nil {
		n.mu.Unlock()
		_ = s.Close() // it is not used
		if n.ctx.Err() != nil {
			return errClosed
		}
		return errors.New("node: there is a coordination already")
	}
	n.outbox = o
	if !n.cfg.Agent {
		for _, p := range n.peers {
			o.put(addTunnel(p))
		}
	}
	n.mu.Unlock()
	n.stats.coordinations.Add(1)
	go o.run(s)
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	err := n.listenTo(s)
	n.mu.Lock()
	n.outbox = nil
	n.mu.Unlock()
	o.end()
	_ = s.Close() // it has ended
	<-o.ended
	switch {
	case n.ctx.Err() != nil:
		return errClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

func (n *Node) listenTo(s Stream) error {
	for {
		var m tailnetpb.CoordinateResponse
		if err := s.Recv(&m); err != nil {
			return fmt.Errorf("the coordination has ended: %w", err)
		}
		for _, u := range m.GetPeerUpdates() {
			n.apply(u)
		}
		if text := m.GetError(); text != "" {
			err := fmt.Errorf("the coordination refuses: %s", text[:min(len(text), maxReason)])
			n.blame(err)
			return err
		}
	}
}

// blame finds out whom a refusal is about: the service does not say. It ends the
// coordination of all peers, so that one who may not be reached must not be asked
// for again and again.
func (n *Node) blame(why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var asked []*peer
	for _, p := range n.peers {
		if !p.known && p.refs > 0 {
			asked = append(asked, p)
		}
	}
	if len(asked) == 1 {
		asked[0].refused = why
		asked[0].change()
	}
}

// describe is what peers are told.
func (n *Node) describe() *tailnetpb.Node {
	info := &tailnetpb.Node{
		Id: n.number, AsOf: timestamppb.Now(), Key: append([]byte("np"), n.public[:]...),
		Disco: "discokey:" + hex.EncodeToString(n.disco[:]), PreferredDerp: int32(n.cfg.Home),
	}
	for _, a := range n.addrs {
		info.Addresses = append(info.Addresses, a.String()+"/128")
	}
	info.AllowedIps = info.Addresses
	return info
}

func addTunnel(p *peer) *tailnetpb.CoordinateRequest {
	return &tailnetpb.CoordinateRequest{AddTunnel: &tailnetpb.CoordinateRequest_Tunnel{Id: p.id[:]}}
}

func removeTunnel(p *peer) *tailnetpb.CoordinateRequest {
	return &tailnetpb.CoordinateRequest{RemoveTunnel: &tailnetpb.CoordinateRequest_Tunnel{Id: p.id[:]}}
}
