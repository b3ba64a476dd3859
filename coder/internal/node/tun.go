package node

import (
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/stack/gro"
)

// mtu is that of Coder's tailnets.
const mtu = 1280

// tunnel joins WireGuard, for which it is a device of the system, and the TCP
// stack, for which it is a network card.
type tunnel struct {
	node   *Node
	batch  int
	events chan tun.Event
	once   sync.Once

	mu     sync.Mutex
	queue  []*stack.PacketBuffer // a ring: what the stack wants to send
	first  int
	count  int
	wake   chan struct{} // one token: the queue is no longer empty
	done   chan struct{}
	up     stack.NetworkDispatcher
	closed bool
}

func newTunnel(n *Node, queue, batch int) *tunnel {
	t := &tunnel{
		node: n, batch: batch, events: make(chan tun.Event, 1), queue: make([]*stack.PacketBuffer, queue),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	t.events <- tun.EventUp
	return t
}

// Read implements tun.Device: it takes what the stack wants to send.
func (t *tunnel) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for {
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return 0, os.ErrClosed
		}
		n := min(t.count, len(bufs))
		var taken [maxBatch]*stack.PacketBuffer
		for i := range n {
			taken[i] = t.queue[t.first]
			t.queue[t.first] = nil
			t.first = (t.first + 1) % len(t.queue)
		}
		t.count -= n
		t.mu.Unlock()
		for i, p := range taken[:n] {
			b := bufs[i][offset:offset]
			for _, s := range p.AsSlices() {
				b = append(b, s...)
			}
			sizes[i] = len(b)
			p.DecRef()
		}
		if n > 0 {
			return n, nil
		}
		select {
		case <-t.wake:
		case <-t.done:
			return 0, os.ErrClosed
		}
	}
}

// WritePackets implements stack.LinkWriter. What finds the queue full is dropped
// and counted; TCP sends it again.
func (t *tunnel) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	t.mu.Lock()
	n := 0
	was := t.count
	for _, p := range list.AsSlice() {
		if t.closed || t.count == len(t.queue) {
			break
		}
		t.queue[(t.first+t.count)%len(t.queue)] = p.IncRef()
		t.count++
		n++
	}
	t.mu.Unlock()
	if dropped := list.Len() - n; dropped > 0 {
		t.node.stats.dropped.Add(int64(dropped))
	}
	if was == 0 && n > 0 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	if n == 0 && list.Len() > 0 {
		return 0, &tcpip.ErrNoBufferSpace{}
	}
	return n, nil
}

// Write implements tun.Device: it gives the stack what has come.
func (t *tunnel) Write(bufs [][]byte, offset int) (int, error) {
	t.mu.Lock()
	up := t.up
	t.mu.Unlock()
	if up == nil {
		return 0, os.ErrClosed
	}
	merged := merging.Get().(*gro.GRO)
	merged.Dispatcher = up
	for _, b := range bufs {
		p := b[offset:]
		if len(p) < header.IPv6MinimumSize || p[0]>>4 != 6 {
			continue
		}
		if p[6] == tsmp {
			t.tsmp(p)
			continue
		}
		if p[6] == uint8(header.TCPProtocolNumber) && len(p) >= header.IPv6MinimumSize+header.TCPMinimumSize {
			// Stacks such as this one set it on every segment. It means nothing to
			// the receiver, and would keep segments from being merged.
			p[header.IPv6MinimumSize+header.TCPFlagsOffset] &^= uint8(header.TCPFlagPsh)
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p)})
		pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
		pkt.RXChecksumValidated = true // WireGuard has
		merged.Enqueue(pkt)
		pkt.DecRef()
	}
	merged.Flush()
	merged.Dispatcher = nil
	merging.Put(merged)
	return len(bufs), nil
}

// merging makes one segment of those of a connection that come together, so that
// the stack handles and acknowledges them once.
var merging = sync.Pool{New: func() any {
	g := &gro.GRO{}
	g.Init(true)
	return g
}}

// The rest of tun.Device.

func (*tunnel) File() *os.File             { return nil }
func (*tunnel) Name() (string, error)      { return "tailnet", nil }
func (t *tunnel) Events() <-chan tun.Event { return t.events }
func (t *tunnel) BatchSize() int           { return t.batch }

// Close ends both sides.
func (t *tunnel) Close() error {
	t.once.Do(func() {
		t.mu.Lock()
		t.closed = true
		for ; t.count > 0; t.count-- {
			t.queue[t.first].DecRef()
			t.first = (t.first + 1) % len(t.queue)
		}
		t.mu.Unlock()
		close(t.done)
		close(t.events)
	})
	return nil
}

// card is the tunnel as the stack's network card.
type card struct{ *tunnel }

func (card) MTU() uint32                             { return mtu }
func (card) SetMTU(uint32)                           {}
func (card) MaxHeaderLength() uint16                 { return 0 }
func (card) LinkAddress() tcpip.LinkAddress          { return "" }
func (card) SetLinkAddress(tcpip.LinkAddress)        {}
func (card) GSOMaxSize() uint32                      { return stack.GVisorGSOMaxSize }
func (card) SupportedGSO() stack.SupportedGSO        { return stack.GVisorGSOSupported }
func (card) Wait()                                   {}
func (card) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (card) AddHeader(*stack.PacketBuffer)           {}
func (card) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (card) SetOnCloseAction(func())                 {}
func (card) Close()                                  {}

// Capabilities implements stack.LinkEndpoint. Checksums of what comes in need no
// look: WireGuard has authenticated it.
func (card) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityRXChecksumOffload }

func (c card) Attach(up stack.NetworkDispatcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = up
}

func (c card) IsAttached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up != nil
}

// MTU implements tun.Device.
func (*tunnel) MTU() (int, error) { return mtu, nil }
