// Package relay is a DERP relay: it hands packets from one client to another by
// their public keys, and tells who is not there. It knows nothing of HTTP, nor of
// what is in a packet.
//
// A client has a goroutine that reads and one that writes. What is sent to a
// client is appended to what waits for it already, as it goes on the wire, and
// its writer takes all of it at once. So a packet is copied once, costs no
// allocation, and many of them cost one system call.
package relay

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

const (
	// KeepAlive is how often a client hears of a relay that has nothing else to
	// say.
	KeepAlive = time.Minute
	// Queue is how many packets wait for a client. More are dropped.
	Queue = 512
	// welcomeTime bounds the handshake.
	welcomeTime = 10 * time.Second
)

// Why a peer is gone.
const (
	disconnected = 0
	notHere      = 1
)

// Mesh is a relay, or several that know of each other's clients.
type Mesh struct {
	private derp.Key

	mu      sync.RWMutex
	clients map[derp.Key][]*client // the last one gets what is sent to the key
	version atomic.Uint64          // of clients

	packets, bytes, dropped atomic.Int64
}

// Stats are counters since the beginning.
type Stats struct {
	// Clients are connected now.
	Clients int
	// Packets and Bytes were taken for a client that is there. Dropped ones
	// found its queue full.
	Packets, Bytes, Dropped int64
}

// New makes a relay with this private key.
func New(private derp.Key) *Mesh {
	return &Mesh{private: private, clients: map[derp.Key][]*client{}}
}

// PublicKey is what clients know the relay by.
func (m *Mesh) PublicKey() derp.Key { return m.private.Public() }

// Stats returns the counters.
func (m *Mesh) Stats() Stats {
	st := Stats{Packets: m.packets.Load(), Bytes: m.bytes.Load(), Dropped: m.dropped.Load()}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.clients {
		st.Clients += len(c)
	}
	return st
}

// Conns are the connections of the clients.
func (m *Mesh) Conns() []io.ReadWriteCloser {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []io.ReadWriteCloser
	for _, some := range m.clients {
		for _, c := range some {
			out = append(out, c.conn)
		}
	}
	return out
}

// Serve serves a client until its connection ends, and closes it.
func (m *Mesh) Serve(conn io.ReadWriteCloser) error {
	defer conn.Close()
	r := derp.NewReader(conn, readBuffer)
	late := time.AfterFunc(welcomeTime, func() { _ = conn.Close() }) // the reader finds out
	key, err := derp.Welcome(conn, r, m.private)
	if err != nil {
		late.Stop()
		return err
	}
	c := m.add(key, conn) // others may know the client as soon as it is admitted
	err = derp.Admit(conn, key, m.private)
	if !late.Stop() && err == nil {
		err = io.ErrUnexpectedEOF
	}
	var writer sync.WaitGroup
	if err == nil {
		writer.Go(c.write)
		err = c.read(r)
	}
	m.remove(c)
	close(c.done)
	_ = conn.Close() // the writer may be in the middle of something
	writer.Wait()
	return err
}

func (m *Mesh) add(key derp.Key, conn io.ReadWriteCloser) *client {
	c := &client{
		mesh: m, key: key, conn: conn, talked: map[*client]struct{}{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clients[key] = append(m.clients[key], c)
	m.version.Add(1)
	return c
}

// remove takes a client away and tells those who had to do with it, unless
// another connection has the same key.
func (m *Mesh) remove(c *client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.clients[c.key]
	for i, o := range left {
		if o == c {
			left = append(left[:i:i], left[i+1:]...)
			break
		}
	}
	if m.clients[c.key] = left; len(left) == 0 {
		delete(m.clients, c.key)
	}
	m.version.Add(1)
	c.gone = true
	for peer := range c.talked {
		delete(peer.talked, c)
		if len(left) == 0 {
			peer.control(derp.PeerGone, c.key[:], []byte{disconnected})
			peer.signal()
		}
	}
	c.talked = nil
}

// route finds who has a key. Sender and receiver are told of each other's end
// from then on.
func (m *Mesh) route(from *client, to derp.Key) *client {
	m.mu.RLock()
	all := m.clients[to]
	if len(all) == 0 {
		m.mu.RUnlock()
		return nil
	}
	c := all[len(all)-1]
	_, known := from.talked[c]
	m.mu.RUnlock()
	if known {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.gone {
		return nil
	}
	from.talked[c], c.talked[from] = struct{}{}, struct{}{}
	return c
}
