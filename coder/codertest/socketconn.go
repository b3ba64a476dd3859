package codertest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
)

// socketConn is a WebSocket whose binary messages are a stream of bytes, in which
// their boundaries mean nothing.
type socketConn struct {
	conn   *trackedConn
	early  []byte // came with the handshake
	frames wsframe.Reader
	into   []byte // where the payload of this read goes
	have   int    // of it
	failed error  // why there is no more

	wmu      sync.Mutex
	closed   bool
	awaiting atomic.Bool // a pong
	over     chan struct{}
	once     sync.Once
	late     string // why one that does not answer is closed, "" for the usual
}

// openSocket upgrades a request that may be. It returns nil if the client has
// gone.
func (c *call) openSocket() *socketConn {
	conn, early, err := c.hijack()
	if err != nil {
		return nil
	}
	return &socketConn{conn: conn.(*trackedConn), early: early, over: make(chan struct{})}
}

// Read reads payload. Frames are taken apart in the caller's buffer, in which the
// payload moves to the front.
func (c *socketConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		if c.failed != nil {
			return 0, c.failed
		}
		n, err := copy(b, c.early), error(nil)
		if c.early = c.early[n:]; n == 0 {
			n, err = c.conn.Read(b)
		}
		c.into, c.have = b, 0
		if feedErr := c.frames.Feed(b[:n], c); feedErr != nil {
			err = c.fail(feedErr)
		}
		if c.failed = err; c.have > 0 {
			return c.have, nil
		}
	}
}

// fail says why the reading ends, if anybody wants to know.
func (c *socketConn) fail(err error) error {
	switch {
	case errors.Is(err, errClosed):
		return io.EOF
	case errors.Is(err, errTextFrame):
		c.goodbye(1003, err.Error())
	case errors.Is(err, wsframe.ErrProtocol):
		c.goodbye(1002, err.Error())
	}
	return err
}

// Payload is a piece of a message.
func (c *socketConn) Payload(opcode byte, b []byte) error {
	if opcode == wsframe.Text {
		return errTextFrame
	}
	c.have += copy(c.into[c.have:], b)
	return nil
}

// Control answers pings and closes.
func (c *socketConn) Control(opcode byte, b []byte) error {
	switch opcode {
	case wsframe.Ping:
		return c.write(wsframe.AppendControl(nil, wsframe.Pong, b))
	case wsframe.Pong:
		c.awaiting.Store(false)
	case wsframe.Close:
		code := uint16(1000)
		if len(b) >= 2 {
			code = binary.BigEndian.Uint16(b)
		}
		c.goodbye(code, "")
		return errClosed
	}
	return nil
}

// Write sends bytes, in messages of a size that clients take.
func (c *socketConn) Write(b []byte) (int, error) {
	p := outputs.Get().(*[]byte)
	out := (*p)[:0]
	for rest := b; len(rest) > 0; {
		n := min(len(rest), maxMessage)
		out = wsframe.AppendHeader(out, 0x80|wsframe.Binary, uint64(n))
		out = append(out, rest[:n]...)
		rest = rest[n:]
	}
	err := c.write(out)
	if cap(out) <= 1<<20 {
		*p = out[:0]
		outputs.Put(p)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *socketConn) write(frames []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	_, err := c.conn.Write(frames)
	return err
}

// goodbye sends the last frame. Whoever is writing for longer is not waited for.
func (c *socketConn) goodbye(code uint16, reason string) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // it is going away
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	if _, err := c.conn.Write(wsframe.AppendClose(nil, code, reason)); err == nil {
		_ = c.conn.CloseWrite() // the client knows that nothing follows
	}
}

// Close says goodbye and ends the connection.
func (c *socketConn) Close() error {
	var err error
	c.once.Do(func() {
		close(c.over)
		c.goodbye(1000, "")
		err = c.conn.Close()
	})
	return err
}

// reset ends the connection without a word.
func (c *socketConn) reset() { c.conn.reset() }

// probe pings until the connection ends, and closes one that does not answer, or
// with once lets it be.
func (c *socketConn) probe(every time.Duration, once bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-c.over:
			return
		case <-tick.C:
			switch {
			case !c.awaiting.Swap(true):
				c.ping(every)
			case !once:
				c.goodbye(1001, cmp.Or(c.late, "liveness probe failed"))
				_ = c.conn.Close() // it does not answer
				return
			}
		}
	}
}

// ping does not wait for a connection that is being written to: no answer will
// come either if the client reads nothing.
func (c *socketConn) ping(within time.Duration) {
	if !c.wmu.TryLock() {
		return
	}
	defer c.wmu.Unlock()
	if c.closed {
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(within))                        // the reader finds out
	_, _ = c.conn.Write(wsframe.AppendControl(nil, wsframe.Ping, []byte{'1'})) // as above
	_ = c.conn.SetWriteDeadline(time.Time{})                                   // as above
}
