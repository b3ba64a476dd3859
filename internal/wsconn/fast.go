package wsconn

import (
	"net"
	"os"
	"syscall"
)

// FastConn is a [Conn] over plain TCP that can also write without blocking.
type FastConn struct{ *Conn }

// TryWrite takes all of frame and returns true, or nothing and returns false
// because an earlier frame is still on its way. What the kernel does not take
// at once is kept and written in the background.
func (c FastConn) TryWrite(frame []byte) (bool, error) {
	if !c.write.TryLock() {
		return false, nil
	}
	if c.dirty.Load() {
		c.state.Lock()
		err, busy := c.failed, len(c.spill) > 0
		c.state.Unlock()
		if err != nil || busy {
			c.write.Unlock()
			return false, err
		}
	}
	c.frame, c.wroteN, c.wroteErr = frame, 0, nil
	err := c.raw.Write(c.writeFn)
	if err == nil {
		err = c.wroteErr
	}
	c.frame = nil
	if err != nil {
		c.write.Unlock()
		c.fail(err)
		return false, err
	}
	if c.wroteN == len(frame) {
		c.write.Unlock()
		if c.dirty.Load() {
			go c.flushControl()
		}
		return true, nil
	}
	c.state.Lock()
	c.spill = append(c.spill[:0], frame[c.wroteN:]...)
	c.dirty.Store(true)
	c.state.Unlock()
	go c.drain()
	return true, nil
}

// drain writes the spilled rest and then says that there is room again. The
// write lock was taken by TryWrite.
func (c FastConn) drain() {
	err := c.flushSpill()
	c.write.Unlock()
	if err != nil {
		c.fail(err)
	}
	c.flushControl()
	c.state.Lock()
	notify := c.writable
	c.state.Unlock()
	if notify != nil {
		notify() // also after a failure: the next TryWrite reports it
	}
}

// NotifyWritable has f called each time that a TryWrite which was taken only
// partly by the kernel has been written.
func (c FastConn) NotifyWritable(f func()) {
	c.state.Lock()
	c.writable = f
	c.state.Unlock()
}

// writeReady writes once, whether the kernel takes it or not.
func (c *Conn) writeReady(fd uintptr) bool {
	n, err := writeFD(fd, c.frame)
	switch {
	case err == syscall.EAGAIN:
		n = 0
	case err != nil:
		c.wroteErr = &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", err)}
	}
	c.wroteN = max(n, 0)
	return true
}
