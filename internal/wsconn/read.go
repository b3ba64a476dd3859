package wsconn

import (
	"io"
	"os"
	"syscall"
)

// smallBuffer is what a connection reads into that can't wait without a
// buffer: over TLS, where data may be waiting in the layer between.
const smallBuffer = 2 << 10

// Read gives the payload of data frames. After the peer has closed it returns
// a [*CloseError], or io.EOF when the connection just ended.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if c.ended != nil {
			return 0, c.ended
		}
		var n int
		var err error
		if len(c.pre) > 0 {
			n = copy(p, c.pre)
			c.keepRest(n)
		} else {
			n, err = c.conn.Read(p)
		}
		payload, perr := c.parser.parse(p[:n])
		if perr != nil {
			err = perr
		}
		if len(payload) > 0 {
			if err != nil {
				c.ended = err
			}
			return copy(p, payload), nil
		}
		if err != nil && c.ended == nil {
			return 0, err
		}
	}
}

func (c *Conn) keepRest(n int) {
	if c.pre = c.pre[n:]; len(c.pre) == 0 {
		c.pre = nil
	}
}

// ReadScratch waits for data without holding a buffer where that is possible,
// and returns payload either in the buffer that it took from scratch or in one
// of its own.
func (c *Conn) ReadScratch(scratch Scratch) ([]byte, error) {
	if c.raw == nil || len(c.pre) > 0 {
		if c.small == nil {
			c.small = make([]byte, smallBuffer)
		}
		n, err := c.Read(c.small)
		return c.small[:n], err
	}
	c.small = nil
	for {
		if c.ended != nil {
			return nil, c.ended
		}
		c.scratch, c.readN, c.readErr = scratch, 0, nil
		err := c.raw.Read(c.readFn)
		if err == nil {
			err = c.readErr
		}
		if err == nil && c.readN == 0 {
			err = io.EOF
		}
		if err != nil {
			scratch.Release()
			return nil, err
		}
		payload, err := c.parser.parse(scratch.Acquire()[:c.readN])
		if len(payload) > 0 {
			if err != nil {
				c.ended = err
			}
			return payload, nil
		}
		scratch.Release()
		if err != nil {
			return nil, err
		}
	}
}

// ReadReady reads what is there without blocking: nothing and no error if there
// is nothing.
func (c FastConn) ReadReady(scratch Scratch) ([]byte, error) {
	if c.ended != nil {
		return nil, c.ended
	}
	n, err := 0, error(nil)
	if len(c.pre) > 0 {
		n = copy(scratch.Acquire(), c.pre)
		c.keepRest(n)
	} else {
		c.scratch, c.readN, c.readErr = scratch, -1, nil
		err = c.raw.Control(c.tryFn)
		if err == nil {
			err = c.readErr
		}
		n = c.readN
		switch {
		case err != nil:
			scratch.Release()
			return nil, err
		case n < 0: // nothing there
			return nil, nil
		case n == 0:
			scratch.Release()
			return nil, io.EOF
		}
	}
	payload, err := c.parser.parse(scratch.Acquire()[:n])
	switch {
	case err != nil:
		c.ended = err
	case c.ended != nil:
		err = c.ended
	}
	return payload, err
}

// tryReady is readReady for those who do not wait.
func (c *Conn) tryReady(fd uintptr) { _ = c.readReady(fd) }

// readReady is called when there may be something to read. It returns false to
// wait for more.
func (c *Conn) readReady(fd uintptr) bool {
	buf := c.scratch.Acquire()
	n, err := readFD(fd, buf)
	if err == syscall.EAGAIN {
		c.scratch.Release()
		return false
	}
	if err != nil {
		c.readErr = os.NewSyscallError("read", err)
	}
	c.readN = max(n, 0)
	return true
}

// NotifyClose has f called when this side closes the connection.
func (c FastConn) NotifyClose(f func()) {
	c.state.Lock()
	c.onClose = f
	c.state.Unlock()
}

// SyscallConn is the descriptor underneath.
func (c FastConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }
