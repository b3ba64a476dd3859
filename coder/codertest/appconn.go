package codertest

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
)

// appConn is a WebSocket of a workspace app. The app at its other end is played
// by whoever reads the connection.
type appConn struct {
	input
	hub    *appHub
	home   *agentHome
	mode   AppMode
	frames wsframe.Reader
	out    []byte      // what this read gives cause to send
	mute   atomic.Bool // the agent has left without telling anybody

	wmu    sync.Mutex
	closed bool

	received, sent atomic.Int64
}

// serve reads until the end. The early bytes came with the handshake.
func (c *appConn) serve(early []byte) {
	if c.mode == AppFlood {
		c.hub.server.wg.Go(c.flood)
	}
	err := c.feed(early)
	wait, waitErr := c.waiter()
	if err == nil {
		err = waitErr
	}
	for err == nil {
		if err = wait(); err != nil {
			break
		}
		c.hub.server.faults.gate.pass()
		c.home.pass(c.hub.server.ctx.Done())
		if c.readErr != nil {
			err = c.readErr
		} else {
			err = c.feed((*c.scratch)[:c.n])
		}
		inputs.Put(c.scratch)
		c.scratch = nil
	}
	c.end()
	c.hub.remove(c)
}

// feed handles a piece of input, and sends all that it gives cause to in one
// write.
func (c *appConn) feed(b []byte) error {
	p := outputs.Get().(*[]byte)
	c.out = (*p)[:0]
	err := c.frames.Feed(b, c)
	if len(c.out) > 0 {
		c.write(c.out)
	}
	*p = c.out[:0]
	c.out = nil
	outputs.Put(p)
	return err
}

// Payload is a piece of a message. An echo keeps the frames as they came.
func (c *appConn) Payload(_ byte, b []byte) error {
	c.received.Add(int64(len(b)))
	if c.mode != AppEcho || c.mute.Load() {
		return nil
	}
	if first, length, begins := c.frames.Frame(b); begins {
		c.out = wsframe.AppendHeader(c.out, first, length)
	}
	c.out = append(c.out, b...)
	c.sent.Add(int64(len(b)))
	return nil
}

// Control answers pings and closes.
func (c *appConn) Control(opcode byte, b []byte) error {
	if c.mute.Load() {
		return nil
	}
	switch opcode {
	case wsframe.Ping:
		c.out = wsframe.AppendControl(c.out, wsframe.Pong, b)
	case wsframe.Close:
		code := uint16(1000)
		if len(b) >= 2 {
			code = binary.BigEndian.Uint16(b)
		}
		c.out = wsframe.AppendClose(c.out, code, "")
		_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // a stalled client is not waited for
		c.write(c.out)
		c.out = c.out[:0]
		return errClosed
	}
	return nil
}

// write blocks while the client takes nothing, and so does the app.
func (c *appConn) write(frames []byte) bool {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.closed {
		return false
	}
	if _, err := c.conn.Write(frames); err != nil {
		c.closed = true
		_ = c.conn.Close() // the reader finds out
	}
	return !c.closed
}

// flood sends until the end.
func (c *appConn) flood() {
	frames := c.hub.frames()
	for !c.mute.Load() && c.write(frames) {
		c.sent.Add(floodBytes)
		c.home.pass(c.hub.server.ctx.Done())
	}
}

// end takes the connection away without a close frame. It does not wait for a
// write.
func (c *appConn) end() {
	_ = c.conn.Close() // it is going away
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.closed = true
}

// leave is the end of the agent at the other end.
func (c *appConn) leave(silent bool) {
	if c.mute.Store(silent); !silent {
		_ = c.conn.Close() // no close frame: the other end is gone
	}
}
