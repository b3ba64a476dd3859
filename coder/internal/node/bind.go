package node

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

// bind is WireGuard's way to the relays. Packets have keys for addresses.
type bind struct {
	node *Node
	mu   sync.Mutex
	open bool
	stop chan struct{}
}

// endpoint is where a peer is.
type endpoint struct {
	key  derp.Key
	link atomic.Pointer[link] // to the region in which the peer listens
}

func (*endpoint) ClearSrc()             {}
func (*endpoint) SrcToString() string   { return "" }
func (e *endpoint) DstToString() string { return e.key.String() }
func (e *endpoint) DstToBytes() []byte  { return e.key[:] }
func (*endpoint) DstIP() netip.Addr     { return netip.Addr{} }
func (*endpoint) SrcIP() netip.Addr     { return netip.Addr{} }

// Open implements conn.Bind. There is one receiver, because each has buffers of
// its own. It reads the relay at home itself, which saves a queue and a goroutine,
// for as long as there is no other relay.
func (b *bind) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	b.open, b.stop = true, make(chan struct{})
	stop := b.stop
	return []conn.ReceiveFunc{func(packets [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
		if !b.node.several.Load() {
			n, err := b.fromHome(packets, sizes, eps)
			if !errors.Is(err, errSeveral) {
				return n, err
			}
		}
		// Also where there came to be several while the device was busy with what it
		// had got: nobody reads the relay at home then.
		b.node.handedOver.Do(func() {
			b.node.homeLink.direct = false
			b.node.wg.Go(func() { b.node.readLink(b.node.homeLink) })
		})
		return b.fromAll(stop, packets, sizes, eps)
	}}, 0, nil
}

// fromHome waits for one packet and takes what else has come with it.
func (b *bind) fromHome(packets [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	home := b.node.homeLink
	n := 0
	for n < len(packets) {
		from, packet, ok, err := home.next(n == 0)
		switch {
		case err != nil && n == 0 && errors.Is(err, errSeveral):
			return 0, err
		case err != nil && n == 0:
			return 0, net.ErrClosed
		}
		if !ok {
			break
		}
		if b.take(from, packet, home, packets, sizes, eps, n) {
			n++
		}
	}
	return n, nil
}

// take copies a packet of somebody known. Strangers may ask for a handshake: the
// coordination may be slower than they are.
func (b *bind) take(from derp.Key, packet []byte, via *link, packets [][]byte, sizes []int, eps []conn.Endpoint, n int) bool {
	if len(packet) > len(packets[n]) {
		b.node.stats.dropped.Add(1)
		return false
	}
	sizes[n] = copy(packets[n], packet)
	eps[n] = b.node.endpointFor(from, via)
	b.node.stats.packetsIn.Add(1)
	return true
}

// relayed is a packet from one of several relays.
type relayed struct {
	from   derp.Key
	packet []byte
	via    *link
}

func (b *bind) fromAll(stop chan struct{}, packets [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	for {
		var r relayed
		select {
		case r = <-b.node.relayed:
		case <-stop:
			return 0, net.ErrClosed
		}
		n := 0
		for {
			if b.take(r.from, r.packet, r.via, packets, sizes, eps, n) {
				n++
			}
			if n == len(packets) {
				return n, nil
			}
			select {
			case r = <-b.node.relayed:
				continue
			default:
			}
			break
		}
		if n > 0 {
			return n, nil
		}
	}
}

// readLink is the reader of a link where there are several. A device that is slower
// than the relay makes the relay wait.
func (n *Node) readLink(l *link) {
	for {
		from, packet, _, err := l.next(true)
		if err != nil {
			return
		}
		select {
		case n.relayed <- relayed{from, append([]byte(nil), packet...), l}:
		case <-n.ctx.Done():
			return
		}
	}
}

// Close implements conn.Bind.
func (b *bind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return nil
	}
	b.open = false
	close(b.stop)
	if b.node.ctx.Err() != nil {
		b.node.homeLink.close()
	}
	return nil
}

// SetMark implements conn.Bind.
func (*bind) SetMark(uint32) error { return nil }

// BatchSize implements conn.Bind.
func (b *bind) BatchSize() int { return b.node.cfg.Batch }

// ParseEndpoint implements conn.Bind. Endpoints are keys.
func (b *bind) ParseEndpoint(s string) (conn.Endpoint, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(derp.Key{}) {
		return nil, errors.New("an endpoint is a key in hexadecimal digits")
	}
	return b.node.endpointFor(derp.Key(raw), nil), nil
}

// Send implements conn.Bind.
func (b *bind) Send(packets [][]byte, to conn.Endpoint) error {
	e, ok := to.(*endpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	l := e.link.Load()
	if l == nil {
		l = b.node.homeLink
	}
	b.node.stats.packetsOut.Add(int64(len(packets)))
	l.send(e.key, packets)
	return nil
}
