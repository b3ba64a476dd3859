package codertest

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder/codertest/internal/keystream"
	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
)

// ptyConn is a WebSocket of a terminal.
type ptyConn struct {
	input
	hub     *ptyHub
	session *session
	frames  wsframe.Reader
	carry   []byte // the beginning of an object

	wmu    sync.Mutex
	closed bool     // a close frame was sent
	raw    net.Conn // in the tailnet: it has no frames

	pingAt   time.Time
	awaiting atomic.Bool

	messages, bytes, sent, sentBytes atomic.Int64 // Stats reads them meanwhile
}

// input reads a connection without keeping a buffer for it: see waiter.
type input struct {
	conn    *trackedConn
	scratch *[]byte
	n       int
	readErr error
}

// inputs are buffers for reads. A connection has one only while there is
// something to read.
var inputs = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// errTextFrame says that a client sent text.
var errTextFrame = errors.New("unexpected frame type read (expected MessageBinary): MessageText")

// serve reads until the end. The early bytes came with the handshake.
func (c *ptyConn) serve(early []byte) {
	err := c.frames.Feed(early, c)
	wait, waitErr := c.waiter()
	if err == nil {
		err = waitErr
	}
	for err == nil {
		if err = wait(); err != nil {
			break
		}
		c.hub.server.faults.gate.pass()
		if c.readErr != nil {
			err = c.readErr
		} else {
			err = c.frames.Feed((*c.scratch)[:c.n], c)
		}
		inputs.Put(c.scratch)
		c.scratch = nil
	}
	switch {
	case errors.Is(err, errTextFrame):
		c.close(1003, err.Error())
	case errors.Is(err, wsframe.ErrProtocol):
		c.close(1002, err.Error())
	case errors.Is(err, errInvalidJSON):
		c.finish()
	}
	c.session.detach(c)
	c.hub.remove(c)
	_ = c.conn.Close() // there is nothing left to say
}

var (
	errInvalidJSON = errors.New("invalid JSON")
	errClosed      = errors.New("closed by the client")
)

// Payload is a piece of what is typed.
func (c *ptyConn) Payload(opcode byte, b []byte) error {
	if opcode == wsframe.Text {
		return errTextFrame
	}
	c.bytes.Add(int64(len(b)))
	carried := len(c.carry) > 0
	if carried {
		c.carry = append(c.carry, b...)
		b = c.carry
	}
	for {
		m, n, err := keystream.Next(b)
		if err != nil {
			if !errors.Is(err, keystream.ErrIncomplete) {
				return errInvalidJSON
			}
			break
		}
		c.messages.Add(1)
		c.session.input(m)
		b = b[n:]
	}
	for len(b) > 0 && (b[0] == '\n' || b[0] == ' ' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	switch {
	case len(b) == 0:
		c.carry = nil
	case carried:
		c.carry = append(c.carry[:0], b...)
	default:
		c.carry = append([]byte(nil), b...)
	}
	return nil
}

// Control answers pings and closes.
func (c *ptyConn) Control(opcode byte, b []byte) error {
	switch opcode {
	case wsframe.Ping:
		c.write(wsframe.AppendControl(nil, wsframe.Pong, b), 0)
	case wsframe.Pong:
		if !c.session.frozen.Load() || c.session.gone.Load() { // the probe goes through to the agent
			c.awaiting.Store(false)
		}
	case wsframe.Close:
		c.close(1000, "")
		return errClosed
	}
	return nil
}

// write sends a frame, or several. It blocks while the client takes nothing,
// and so does the terminal.
func (c *ptyConn) write(frame []byte, payload int) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.closed {
		return
	}
	if payload > 0 {
		c.sent.Add(1)
		c.sentBytes.Add(int64(payload))
	}
	var err error
	switch {
	case c.raw == nil:
		_, err = c.conn.Write(frame)
	case payload > 0:
		_, err = c.raw.Write(frame[len(frame)-payload:])
	}
	if err != nil {
		c.closed = true
		c.cut() // the reader finds out
	}
}

// cut ends the connection without a word.
func (c *ptyConn) cut() {
	if c.raw != nil {
		_ = c.raw.Close() // the reader finds out
		return
	}
	_ = c.conn.Close() // as above
}

// send cuts output into messages. The payload begins after room for a header.
func (c *ptyConn) send(b []byte) {
	for at := 0; at+wsframe.MaxHeader < len(b); {
		n := min(len(b)-at-wsframe.MaxHeader, maxMessage)
		part := b[at : at+wsframe.MaxHeader+n]
		start := wsframe.PutHeader(part, wsframe.Binary)
		c.write(part[start:], n)
		at += n
	}
}

// close says goodbye once. The client has a moment to answer.
func (c *ptyConn) close(code uint16, reason string) {
	if c.raw != nil {
		c.cut()
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // a stalled client is not waited for
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	_, err := c.conn.Write(wsframe.AppendClose(nil, code, reason))
	if err == nil {
		err = c.conn.CloseWrite()
	}
	if err == nil {
		err = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	}
	if err != nil {
		_ = c.conn.Close() // the reader finds out
	}
}

// finish is the end of the program.
func (c *ptyConn) finish() {
	if c.raw != nil || !c.hub.server.as.abruptEnd {
		c.close(1000, "")
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // as in close
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.closed = true
	_ = c.conn.CloseWrite()                                     // the reader finds out
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // as above
}

// probeFailed is why a terminal is closed that does not answer.
func (s *Server) probeFailed() string {
	if s.as.old {
		return "Ping failed"
	}
	return "liveness probe failed"
}

// ptyHub knows all terminal connections and probes them.
type ptyHub struct {
	server *Server
	mu     sync.Mutex
	conns  map[*ptyConn]struct{}
	ended  terminalTraffic // of connections that are gone

	farMessagesIn, farMessagesOut, farBytesIn, farBytesOut atomic.Int64 // with agents in the tailnet
	once                                                   sync.Once
}

func (h *ptyHub) add(c *ptyConn) {
	s := h.server
	s.stats.terminals.Add(1)
	s.stats.terminalsOpened.Add(1)
	c.pingAt = time.Now().Add(s.cfg.PingInterval)
	h.mu.Lock()
	if h.conns == nil {
		h.conns = map[*ptyConn]struct{}{}
	}
	h.conns[c] = struct{}{}
	h.mu.Unlock()
	h.once.Do(func() { s.wg.Go(h.probe) })
}

func (h *ptyHub) remove(c *ptyConn) {
	h.server.stats.terminals.Add(-1)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	h.ended.add(c)
}

// traffic is the sum over the terminals that are open and those that were.
func (h *ptyHub) traffic() terminalTraffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.ended
	sum.messagesIn, sum.messagesOut = sum.messagesIn+h.farMessagesIn.Load(), sum.messagesOut+h.farMessagesOut.Load()
	sum.bytesIn, sum.bytesOut = sum.bytesIn+h.farBytesIn.Load(), sum.bytesOut+h.farBytesOut.Load()
	for c := range h.conns {
		sum.add(c)
	}
	return sum
}

// terminalTraffic is what terminals were sent and sent back.
type terminalTraffic struct{ messagesIn, messagesOut, bytesIn, bytesOut int64 }

func (t *terminalTraffic) add(c *ptyConn) {
	t.messagesIn += c.messages.Load()
	t.messagesOut += c.sent.Load()
	t.bytesIn += c.bytes.Load()
	t.bytesOut += c.sentBytes.Load()
}

// probe pings all connections, each when its time comes. One that has not
// answered the last ping by then is closed.
func (h *ptyHub) probe() {
	every := h.server.cfg.PingInterval
	tick := time.NewTicker(max(every/15, time.Millisecond))
	defer tick.Stop()
	ping := wsframe.AppendControl(nil, wsframe.Ping, []byte{'1'})
	for {
		select {
		case <-h.server.ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range h.due(now) {
				if !c.awaiting.Swap(true) {
					c.probe(ping)
				} else {
					c.close(1001, h.server.probeFailed())
				}
			}
		}
	}
}

func (h *ptyHub) due(now time.Time) []*ptyConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*ptyConn
	for c := range h.conns {
		if now.After(c.pingAt) {
			c.pingAt = now.Add(h.server.cfg.PingInterval)
			out = append(out, c)
		}
	}
	return out
}

// probe does not wait for a connection that is being written to: no answer will
// come either if the client reads nothing.
func (c *ptyConn) probe(ping []byte) {
	if !c.wmu.TryLock() {
		return
	}
	defer c.wmu.Unlock()
	if c.closed {
		return
	}
	if _, err := c.conn.Write(ping); err != nil {
		_ = c.conn.Close() // the reader finds out
	}
}
