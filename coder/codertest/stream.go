package codertest

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
)

// stream is a WebSocket that only the server talks on: logs and watches.
type stream struct {
	conn   net.Conn
	ctx    context.Context
	cancel context.CancelFunc
	frames wsframe.Reader
	mu     sync.Mutex
	closed bool
	pong   chan struct{}
	inbox  chan []byte // of JSON values, nil if the client has nothing to say
	part   []byte
}

// stream upgrades a request. It returns nil if it was refused.
func (c *call) stream() *stream { return c.openStream(nil) }

// listeningStream is a stream on which the client sends JSON values.
func (c *call) listeningStream() *stream { return c.openStream(make(chan []byte)) }

func (c *call) openStream(inbox chan []byte) *stream {
	if !c.mayUpgrade() {
		return nil
	}
	conn, early, err := c.hijack()
	if err != nil {
		return nil
	}
	st := &stream{conn: conn, pong: make(chan struct{}, 1), inbox: inbox}
	st.ctx, st.cancel = context.WithCancel(c.s.ctx)
	c.s.wg.Go(func() { st.read(early) })
	c.s.wg.Go(func() { st.probe(c.s.cfg.PingInterval, c.s.as.onePing) })
	return st
}

// read answers control frames until the end.
func (st *stream) read(early []byte) {
	defer st.cancel()
	defer st.conn.Close()
	err := st.frames.Feed(early, st)
	buf := make([]byte, 512)
	for err == nil {
		var n int
		if n, err = st.conn.Read(buf); n > 0 {
			if feedErr := st.frames.Feed(buf[:n], st); feedErr != nil {
				err = feedErr
			}
		}
	}
}

// maxInput is how long a value may be that a client sends.
const maxInput = 64 << 10

// Payload is not expected by most.
func (st *stream) Payload(_ byte, b []byte) error {
	if st.inbox != nil && len(st.part)+len(b) <= maxInput {
		if st.part = append(st.part, b...); json.Valid(st.part) {
			select {
			case st.inbox <- st.part:
			case <-st.ctx.Done():
			}
			st.part = nil
		}
		return nil
	}
	st.close(1008, "unexpected data message")
	return errClosed
}

// Control answers pings and closes.
func (st *stream) Control(opcode byte, b []byte) error {
	switch opcode {
	case wsframe.Ping:
		st.write(wsframe.AppendControl(nil, wsframe.Pong, b))
	case wsframe.Pong:
		select {
		case st.pong <- struct{}{}:
		default:
		}
	case wsframe.Close:
		st.close(1000, "")
		return errClosed
	}
	return nil
}

// probe pings, and closes a connection that does not answer, or with once lets it
// be.
func (st *stream) probe(every time.Duration, once bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	waiting := false
	for {
		select {
		case <-st.ctx.Done():
			return
		case <-st.pong:
			waiting = false
		case <-tick.C:
			if waiting && once {
				continue
			}
			if waiting {
				st.close(1001, "liveness probe failed")
				_ = st.conn.Close() // it does not answer
				return
			}
			waiting = true
			st.write(wsframe.AppendControl(nil, wsframe.Ping, []byte{'1'}))
		}
	}
}

func (st *stream) write(frame []byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return
	}
	_ = st.conn.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a slow reader loses its connection
	if _, err := st.conn.Write(frame); err != nil {
		st.closed = true
		_ = st.conn.Close() // the reader finds out
	}
}

// message is the frame of a JSON value.
func message(v any, opcode byte) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte(`{"message":"cannot encode"}`)
	}
	b := append(make([]byte, wsframe.MaxHeader, wsframe.MaxHeader+len(data)+1), data...)
	b = append(b, '\n')
	return b[wsframe.PutHeader(b, opcode):]
}

// send sends a value in one frame.
func (st *stream) send(v any) { st.write(message(v, wsframe.Text)) }

// sendBinary is sendFragmented with another kind of message.
func (st *stream) sendBinary(v any) {
	b := message(v, wsframe.Binary)
	b[0] &^= 0x80
	st.write(append(b, 0x80|wsframe.Continuation, 0))
}

// sendFragmented sends a value as logs are sent: a frame that is not the last
// one, and an empty one that is.
func (st *stream) sendFragmented(v any) {
	b := message(v, wsframe.Text)
	b[0] &^= 0x80
	st.write(append(b, 0x80|wsframe.Continuation, 0))
}

// close says goodbye once.
func (st *stream) close(code uint16, reason string) {
	st.write(wsframe.AppendClose(nil, code, reason))
	st.mu.Lock()
	defer st.mu.Unlock()
	st.closed = true
	_ = st.conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // the answer is not waited for much longer
}
