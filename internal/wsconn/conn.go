package wsconn

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a client's WebSocket connection. Its Read gives the payload of data
// frames as a stream; its Write takes whole frames as [AppendFrame] makes them.
// One goroutine may read while others write.
type Conn struct {
	conn net.Conn
	raw  syscall.RawConn // of a plain TCP connection, otherwise nil

	// reading
	parser  parser
	pre     []byte // what came with the handshake
	small   []byte // for connections that can't wait without a buffer
	scratch Scratch
	readFn  func(fd uintptr) bool
	tryFn   func(fd uintptr)
	readN   int
	readErr error
	ended   error // the peer's close, once it has come

	// writing
	write    sync.Mutex // held while a frame is on its way
	writeFn  func(fd uintptr) bool
	frame    []byte
	wroteN   int
	wroteErr error

	// dirty says that there is something in what follows, so that most writes
	// need not look.
	dirty    atomic.Bool
	state    sync.Mutex // guards what follows
	spill    []byte     // the rest of a frame that the kernel did not take
	control  []byte     // control frames that wait for the frame before them
	writable func()
	onClose  func()
	failed   error
}

// Scratch lends a buffer to a reader.
type Scratch = interface {
	Acquire() []byte
	Release()
}

func newConn(conn net.Conn, pre []byte) *Conn {
	c := &Conn{conn: conn, pre: pre}
	c.parser.onControl = c.handleControl
	if tcp, ok := conn.(*net.TCPConn); ok && nonblocking {
		if raw, err := tcp.SyscallConn(); err == nil {
			c.raw = raw
			c.readFn, c.tryFn, c.writeFn = c.readReady, c.tryReady, c.writeReady
		}
	}
	return c
}

// Stream returns the connection for hot paths: a [FastConn] if it is plain
// TCP, otherwise the connection itself.
func (c *Conn) Stream() io.ReadWriter {
	if c.raw != nil {
		return FastConn{c}
	}
	return c
}

// NetConn is the connection underneath.
func (c *Conn) NetConn() net.Conn { return c.conn }

// SetReadDeadline bounds the next reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline bounds the next writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// Close tells the peer that the connection ends, if it listens, and ends it.
func (c *Conn) Close() error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	c.sendControl(closeFrame, binary.BigEndian.AppendUint16(nil, 1000))
	c.state.Lock()
	onClose := c.onClose
	c.onClose = nil
	c.state.Unlock()
	if onClose != nil {
		onClose()
	}
	return c.conn.Close()
}

// Write sends frames that are already encoded. It blocks until the kernel has
// taken them.
func (c *Conn) Write(frames []byte) (int, error) {
	c.write.Lock()
	err := c.flushSpill()
	n := 0
	if err == nil {
		n, err = c.conn.Write(frames)
	}
	c.write.Unlock()
	if err != nil {
		c.fail(err)
		return n, err
	}
	c.flushControl()
	return n, nil
}

// flushSpill writes the rest of an earlier frame. c.write is held.
func (c *Conn) flushSpill() error {
	c.state.Lock()
	spill := c.spill
	c.state.Unlock()
	if len(spill) == 0 {
		return nil
	}
	_, err := c.conn.Write(spill)
	c.state.Lock()
	c.spill = c.spill[:0]
	if cap(c.spill) > 16<<10 {
		c.spill = nil
	}
	c.state.Unlock()
	return err
}

func (c *Conn) fail(err error) {
	c.state.Lock()
	if c.failed == nil {
		c.failed = err
	}
	c.dirty.Store(true)
	c.state.Unlock()
}

// handleControl answers what the peer asks.
func (c *Conn) handleControl(op Opcode, payload []byte) {
	switch op {
	case pingFrame:
		c.sendControl(pongFrame, payload)
	case closeFrame:
		e := &CloseError{Code: 1005}
		if len(payload) >= 2 {
			e.Code, e.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			payload = payload[:2]
		}
		c.ended = e
		c.sendControl(closeFrame, payload)
	}
}

// sendControl queues a control frame and sends it from a goroutine of its own:
// the reader must not wait for a writer, who may be waiting for the peer, who
// may be waiting for the reader.
func (c *Conn) sendControl(op Opcode, payload []byte) {
	c.state.Lock()
	if len(c.control) > 4096 { // a peer that pings and does not read
		c.state.Unlock()
		return
	}
	c.control = AppendFrame(c.control, op, 0x9e3779b9, payload)
	c.dirty.Store(true)
	c.state.Unlock()
	if op == closeFrame {
		c.flushControl()
		return
	}
	go c.flushControl()
}

// flushControl sends the queued control frames, or leaves them to whoever is
// writing.
func (c *Conn) flushControl() {
	for {
		c.state.Lock()
		empty := len(c.control) == 0
		if empty && len(c.spill) == 0 {
			c.dirty.Store(c.failed != nil)
		}
		c.state.Unlock()
		if empty || !c.write.TryLock() {
			return
		}
		err := c.flushSpill()
		c.state.Lock()
		frames := c.control
		c.control = nil
		c.dirty.Store(c.failed != nil)
		c.state.Unlock()
		if err == nil && len(frames) > 0 {
			_, err = c.conn.Write(frames)
		}
		c.write.Unlock()
		if err != nil {
			c.fail(err)
			return
		}
	}
}
