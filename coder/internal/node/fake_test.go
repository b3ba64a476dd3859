package node

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/coder/internal/derp"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// fakeRelay relays between whoever connects.
type fakeRelay struct {
	t       testing.TB
	l       net.Listener
	private derp.Key
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns map[derp.Key]*fakeClient
}

type fakeClient struct {
	c   net.Conn
	out chan []byte
}

func newRelay(t testing.TB) *fakeRelay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &fakeRelay{t: t, l: l, private: derp.NewPrivateKey(), conns: map[derp.Key]*fakeClient{}}
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
		r.wg.Wait()
	})
	return r
}

func (r *fakeRelay) dial(context.Context, int) (io.ReadWriteCloser, error) {
	return net.Dial("tcp", r.l.Addr().String())
}

func (r *fakeRelay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.c.Close()
	}
}

func (r *fakeRelay) serve(c net.Conn) {
	defer c.Close()
	reader := derp.NewReader(c, 64<<10)
	key, err := derp.Welcome(c, reader, r.private)
	if err != nil {
		return
	}
	me := &fakeClient{c, make(chan []byte, 512)}
	r.mu.Lock()
	r.conns[key] = me
	r.mu.Unlock()
	if derp.Admit(c, key, r.private) != nil {
		return
	}
	done := make(chan struct{})
	defer close(done)
	r.wg.Go(func() {
		var b []byte
		for {
			select {
			case b = <-me.out:
			case <-done:
				return
			}
			for more := true; more && len(b) < 128<<10; {
				select {
				case f := <-me.out:
					b = append(b, f...)
				default:
					more = false
				}
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	for {
		typ, body, err := reader.Next()
		if err != nil {
			break
		}
		if typ != derp.SendPacket {
			continue
		}
		r.mu.Lock()
		to := r.conns[derp.Key(body[:32])]
		r.mu.Unlock()
		if to != nil {
			select {
			case to.out <- derp.AppendFrame(nil, derp.RecvPacket, key[:], body[32:]):
			default:
			}
		}
	}
	r.mu.Lock()
	if r.conns[key] == me {
		delete(r.conns, key)
	}
	r.mu.Unlock()
}

// hub is a coordination service.
type hub struct {
	mu      sync.Mutex
	members map[uuid.UUID]*member
	silent  bool // passes no READY_FOR_HANDSHAKE on
}

func newHub() *hub { return &hub{members: map[uuid.UUID]*member{}} }

// member is a node's stream.
type member struct {
	hub     *hub
	id      uuid.UUID
	in      chan *tailnetpb.CoordinateResponse
	closed  chan struct{}
	once    sync.Once
	node    *tailnetpb.Node
	tunnels map[uuid.UUID]bool
}

func (h *hub) join(id uuid.UUID) *member {
	m := &member{hub: h, id: id, in: make(chan *tailnetpb.CoordinateResponse, 1024), closed: make(chan struct{}), tunnels: map[uuid.UUID]bool{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[id] = m
	return m
}

func (m *member) update(from uuid.UUID, kind tailnetpb.CoordinateResponse_PeerUpdate_Kind, node *tailnetpb.Node) {
	u := &tailnetpb.CoordinateResponse_PeerUpdate{Id: from[:], Kind: kind, Node: node}
	m.in <- &tailnetpb.CoordinateResponse{PeerUpdates: []*tailnetpb.CoordinateResponse_PeerUpdate{u}}
}

func (m *member) Send(msg proto.Message) error {
	h := m.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-m.closed:
		return io.ErrClosedPipe
	default:
	}
	r := msg.(*tailnetpb.CoordinateRequest)
	if s := r.GetUpdateSelf(); s != nil {
		m.node = s.GetNode()
	}
	if a := r.GetAddTunnel(); a != nil {
		m.tunnels[uuid.UUID(a.GetId())] = true
	}
	if a := r.GetRemoveTunnel(); a != nil {
		delete(m.tunnels, uuid.UUID(a.GetId()))
	}
	for _, to := range r.GetReadyForHandshake() {
		if o := h.members[uuid.UUID(to.GetId())]; o != nil && !h.silent {
			o.update(m.id, tailnetpb.CoordinateResponse_PeerUpdate_READY_FOR_HANDSHAKE, nil)
		}
	}
	if r.GetDisconnect() != nil {
		for _, o := range h.members {
			if o != m && (o.tunnels[m.id] || m.tunnels[o.id]) {
				o.update(m.id, tailnetpb.CoordinateResponse_PeerUpdate_DISCONNECTED, nil)
			}
		}
	}
	if r.GetUpdateSelf() != nil || r.GetAddTunnel() != nil {
		for _, o := range h.members {
			if o != m && o.node != nil && m.node != nil && (o.tunnels[m.id] || m.tunnels[o.id]) {
				o.update(m.id, tailnetpb.CoordinateResponse_PeerUpdate_NODE, m.node)
				m.update(o.id, tailnetpb.CoordinateResponse_PeerUpdate_NODE, o.node)
			}
		}
	}
	return nil
}

func (m *member) Recv(msg proto.Message) error {
	select {
	case r := <-m.in:
		proto.Merge(msg, r)
		return nil
	case <-m.closed:
		return errors.New("the stream is closed")
	}
}

func (m *member) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

// start makes a node and coordinates it.
func start(t testing.TB, h *hub, cfg Config) *Node {
	n, err := New(context.Background(), cfg)
	require.NoError(t, err)
	done := make(chan struct{})
	m := h.join(n.ID())
	go func() {
		defer close(done)
		_ = n.Coordinate(context.Background(), m)
	}()
	t.Cleanup(func() {
		_ = n.Close()
		<-done
	})
	return n
}

// serve answers on a port.
func serve(t testing.TB, n *Node, port uint16, answer func(net.Conn)) {
	l, err := n.Listen(port)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				answer(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		_ = n.Close() // its connections end
		wg.Wait()
	})
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }
