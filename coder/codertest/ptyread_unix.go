//go:build unix

package codertest

import (
	"io"
	"syscall"
)

// waiter returns what waits for input and reads it into a buffer that is
// borrowed only then.
func (c *input) waiter() (func() error, error) {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	try := c.try
	return func() error { return raw.Read(try) }, nil
}

// try reads when there is something, and returns false to wait for it.
func (c *input) try(fd uintptr) bool {
	p := inputs.Get().(*[]byte)
	n, err := syscall.Read(int(fd), *p)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), *p)
	}
	if err == syscall.EAGAIN {
		inputs.Put(p)
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	c.scratch, c.n, c.readErr = p, n, err
	return true
}
