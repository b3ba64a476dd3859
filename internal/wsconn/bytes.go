package wsconn

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Bytes is a connection as a stream of bytes both ways: what is read is the
// payload of messages, and what is written goes out in one binary message. One
// goroutine may read while others write.
type Bytes struct {
	*Conn
	idle time.Duration
}

// Bytes makes a stream of the connection. A read fails when nothing has come for
// the idle time, pings neither; with 0 it waits for ever.
func (c *Conn) Bytes(idle time.Duration) *Bytes { return &Bytes{c, idle} }

// Read gives the payload of messages.
func (s *Bytes) Read(b []byte) (int, error) {
	if s.idle > 0 {
		if err := s.SetReadDeadline(time.Now().Add(s.idle)); err != nil {
			return 0, err
		}
	}
	return s.Conn.Read(b)
}

// frames are buffers for frames that are being written.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// Write sends b in a message.
func (s *Bytes) Write(b []byte) (int, error) {
	p := frames.Get().(*[]byte)
	*p = AppendFrame((*p)[:0], Binary, rand.Uint32(), b)
	_, err := s.Conn.Write(*p)
	if cap(*p) <= 128<<10 {
		frames.Put(p)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}
