package relay

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

const (
	// readBuffer is what a client's frames are read into: a dozen packets.
	readBuffer = 16 << 10
	// batch is how many packets wait before their receiver is woken while there
	// are more to read. With it the writer's system calls are few.
	batch = 64
	// keptBuffer is the longest buffer that is used again.
	keptBuffer = 1 << 20
)

// buffers hold what waits for a client. One that nothing waits for has none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// client is a connection.
type client struct {
	mesh *Mesh
	key  derp.Key
	conn io.ReadWriteCloser
	home atomic.Bool
	wake chan struct{} // something waits
	done chan struct{} // the reader has ended

	mu      sync.Mutex
	waiting *[]byte // frames, nil for none
	packets int     // among them
	others  int     // frames that are no packets

	talked map[*client]struct{} // guarded by the mesh's lock, as is gone
	gone   bool

	// What the reader remembers.
	lastKey  derp.Key
	last     *client // who has that key, while the mesh has this version
	version  uint64
	sleeping []*client // to be woken before the reader waits
}

// read handles frames until the end.
func (c *client) read(r *derp.Reader) error {
	for {
		if !r.Buffered() {
			c.flush()
		}
		t, body, err := r.Next()
		if err != nil {
			c.flush()
			return err
		}
		switch t {
		case derp.SendPacket:
			if len(body) >= len(c.key) && len(body)-len(c.key) <= derp.MaxPacket {
				c.forward(derp.Key(body[:len(c.key)]), body[len(c.key):])
			}
		case derp.Ping:
			if len(body) == pingSize {
				c.control(derp.Pong, body)
				c.signal()
			}
		case derp.Preferred:
			c.home.Store(len(body) == 1 && body[0] != 0)
		default: // others are for meshes of relays, or came later
		}
	}
}

const pingSize = 8

// forward hands a packet to the receiver's writer.
func (c *client) forward(to derp.Key, packet []byte) {
	version := c.mesh.version.Load()
	if c.last == nil || to != c.lastKey || version != c.version {
		c.last, c.lastKey, c.version = c.mesh.route(c, to), to, version
	}
	if c.last == nil {
		c.control(derp.PeerGone, to[:], []byte{notHere})
		c.signal()
		return
	}
	waiting := c.last.packet(c.key, packet)
	if waiting == 0 {
		c.mesh.dropped.Add(1)
		return
	}
	c.mesh.packets.Add(1)
	c.mesh.bytes.Add(int64(len(packet)))
	if n := len(c.sleeping); n == 0 || c.sleeping[n-1] != c.last {
		c.sleeping = append(c.sleeping, c.last)
	}
	if waiting >= batch || len(c.sleeping) >= batch {
		c.flush()
	}
}

// flush wakes the writers of those who were sent something.
func (c *client) flush() {
	for i, o := range c.sleeping {
		o.signal()
		c.sleeping[i] = nil
	}
	c.sleeping = c.sleeping[:0]
}

func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// packet lets a packet wait and returns how many do, or 0 if it was dropped.
func (c *client) packet(from derp.Key, packet []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packets >= Queue {
		return 0
	}
	c.packets++
	b := derp.AppendHeader(*c.buffer(), derp.RecvPacket, len(from)+len(packet))
	*c.waiting = append(append(b, from[:]...), packet...)
	return c.packets
}

// control lets another frame wait. There is a bound to them too, for those who
// ask much and read nothing.
func (c *client) control(t derp.Type, parts ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.others >= Queue {
		return
	}
	c.others++
	*c.waiting = derp.AppendFrame(*c.buffer(), t, parts...)
}

func (c *client) buffer() *[]byte {
	if c.waiting == nil {
		c.waiting = buffers.Get().(*[]byte)
	}
	return c.waiting
}

// write writes what waits until the reader has ended.
func (c *client) write() {
	idle := time.NewTicker(KeepAlive)
	defer idle.Stop()
	defer c.discard()
	for {
		select {
		case <-c.done:
			return
		case <-idle.C:
			c.control(derp.KeepAlive)
		case <-c.wake:
		}
		if !c.drain() {
			_ = c.conn.Close() // the reader finds out
			return
		}
	}
}

// drain writes all that waits, and what comes meanwhile. It reports false when
// the connection is lost.
func (c *client) drain() bool {
	for {
		c.mu.Lock()
		b := c.waiting
		c.waiting, c.packets, c.others = nil, 0, 0
		c.mu.Unlock()
		if b == nil {
			return true
		}
		_, err := c.conn.Write(*b)
		recycle(b)
		if err != nil {
			return false
		}
	}
}

// discard forgets what can't be written any more. From here on everything finds
// a full queue.
func (c *client) discard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		recycle(c.waiting)
	}
	c.waiting, c.packets, c.others = nil, Queue, Queue
}

func recycle(b *[]byte) {
	if cap(*b) <= keptBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
