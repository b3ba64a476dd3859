package harnesstest

import (
	"bytes"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection that can be made to fail.
type conn struct {
	net.Conn
	env    *Env
	dialed operation
	closed chan struct{}
	once   sync.Once
	lost   atomic.Bool // the next answer is to be lost

	read, write deadline

	mu     sync.Mutex
	answer []byte      // what is read instead of what comes
	canned bool        // there was an answer: what is sent is dropped, and then it ends
	held   []byte      // what came while the other side said nothing
	asked  []operation // that nothing came back for yet
}

// halfConn is a connection whose writing end can be closed alone.
type halfConn struct {
	*conn
	inner interface{ CloseWrite() error }
}

// CloseWrite says that nothing more will be written.
func (c halfConn) CloseWrite() error { return c.inner.CloseWrite() }

func (e *Env) wrap(inner net.Conn, op operation) net.Conn {
	c := &conn{Conn: inner, env: e, dialed: op, closed: make(chan struct{}), read: newDeadline(), write: newDeadline()}
	e.mu.Lock()
	e.conns[c] = struct{}{}
	e.mu.Unlock()
	if half, ok := inner.(interface{ CloseWrite() error }); ok {
		return halfConn{c, half}
	}
	return c
}

// Write implements net.Conn. Each call is an operation.
func (c *conn) Write(b []byte) (int, error) {
	if c.isCanned() {
		return len(b), nil // the rest of a request that is answered already
	}
	f, op := c.env.begin(describe(b, c.dialed))
	switch f {
	case faultReset, faultGone:
		c.reset()
		return 0, broken("write", op, syscall.ECONNRESET)
	case faultStatus:
		if !isRequest(b) {
			c.reset()
			return 0, broken("write", op, syscall.ECONNRESET)
		}
		c.can()
		return len(b), nil
	case faultLost:
		c.lost.Store(true)
	case faultSilence:
		if err := c.hear(&c.write); err != nil {
			return 0, err
		}
	}
	c.mu.Lock()
	c.asked = append(c.asked, op)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	for {
		if n, err, ok := c.prepared(b); ok {
			return n, err
		}
		if c.holds() { // something that came before the silence
			if err := c.hear(&c.read); err != nil {
				return 0, err
			}
			continue
		}
		n, err := c.Conn.Read(b)
		if err != nil && c.isCanned() {
			continue // it was woken to read that
		}
		if n > 0 {
			c.mu.Lock()
			asked := c.asked
			c.asked = nil
			c.mu.Unlock()
			c.env.answer(asked)
		}
		if c.lost.Load() && !c.env.isHealed() {
			c.reset()
			return 0, broken("read", c.dialed, syscall.ECONNRESET)
		}
		if c.env.silence() == nil {
			return n, err
		}
		if herr := c.hear(&c.read); herr != nil {
			c.mu.Lock()
			c.held = append(c.held, b[:n]...)
			c.mu.Unlock()
			return 0, herr
		}
		return n, err
	}
}

// prepared is what there is to read without the other side.
func (c *conn) prepared(b []byte) (n int, err error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.answer) > 0:
		n = copy(b, c.answer)
		c.answer = c.answer[n:]
		return n, nil, true
	case c.canned:
		return 0, broken("read", c.dialed, syscall.ECONNRESET), true
	case len(c.held) > 0 && c.env.silence() == nil:
		n = copy(b, c.held)
		c.held = c.held[n:]
		return n, nil, true
	}
	return 0, nil, false
}

func (c *conn) holds() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) > 0
}

const cannedAnswer = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nmade to fail"

// can answers a request in the other side's place.
func (c *conn) can() {
	c.mu.Lock()
	c.answer, c.canned = []byte(cannedAnswer), true
	c.mu.Unlock()
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // wakes who reads
}

func (c *conn) isCanned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.canned
}

// hear waits until the other side speaks again.
func (c *conn) hear(d *deadline) error {
	for {
		wait := c.env.silence()
		if wait == nil {
			return nil
		}
		select {
		case <-wait:
		case <-c.closed:
		case <-d.passed():
			return os.ErrDeadlineExceeded
		}
		if isClosed(c.closed) { // before anything is sent that was given up
			return net.ErrClosed
		}
	}
}

// reset ends the connection as a reset does.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.closed)
		c.env.mu.Lock()
		delete(c.env.conns, c)
		c.env.mu.Unlock()
		c.read.set(time.Time{})
		c.write.set(time.Time{})
		err = c.Conn.Close()
	})
	return err
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// describe says what is written, in a word or two.
func describe(b []byte, dialed operation) string {
	if isRequest(b) {
		line, _, _ := bytes.Cut(b, []byte(" HTTP/1.1\r\n"))
		path, _, _ := bytes.Cut(line, []byte("?"))
		return string(path)
	}
	return "a write, after \"" + dialed.what + "\""
}

// isRequest reports whether it is the beginning of an HTTP request.
func isRequest(b []byte) bool {
	line, _, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok || !bytes.HasSuffix(line, []byte(" HTTP/1.1")) {
		return false
	}
	method, _, ok := bytes.Cut(line, []byte(" "))
	return ok && len(method) > 0 && len(bytes.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0
}
