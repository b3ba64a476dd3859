package rpc

import (
	"encoding/binary"
	"io"
)

// coalesced sends the header of a yamux data frame together with its body. yamux
// writes them one after the other, which over a WebSocket is two messages and two
// system calls for each frame. One goroutine writes.
type coalesced struct {
	io.ReadWriteCloser
	head [12]byte
	held bool
}

// Write implements io.Writer.
func (c *coalesced) Write(b []byte) (int, error) {
	if !c.held {
		// Version, type (0 is data), flags, stream, length: 12 bytes.
		if len(b) == len(c.head) && b[1] == 0 && binary.BigEndian.Uint32(b[8:]) > 0 {
			c.held = true
			return copy(c.head[:], b), nil
		}
		return c.ReadWriteCloser.Write(b)
	}
	c.held = false
	p := buffers.Get().(*[]byte)
	frame := append(append((*p)[:0], c.head[:]...), b...)
	n, err := c.ReadWriteCloser.Write(frame)
	recycle(p, frame)
	return max(n-len(c.head), 0), err
}
