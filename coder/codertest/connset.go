package codertest

import (
	"net"
	"slices"
	"sync"
)

// connSet knows the open connections of a replica, hijacked ones too, so that
// they can be taken away.
type connSet struct {
	mu    sync.Mutex
	conns map[*trackedConn]struct{}
	count int // that were accepted
}

func newConnSet() *connSet { return &connSet{conns: map[*trackedConn]struct{}{}} }

// list has the oldest first, so that a seed chooses the same ones again.
func (s *connSet) list() []*trackedConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*trackedConn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *trackedConn) int { return a.number - b.number })
	return out
}

func (s *connSet) closeAll() {
	for _, c := range s.list() {
		_ = c.Close() // it is going away
	}
}

func (s *connSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// socket says that a connection has become a WebSocket of this path.
func (s *connSet) socket(c *trackedConn, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.path = path
}

// sockets counts the WebSockets by path.
func (s *connSet) sockets(into map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.path != "" {
			into[c.path]++
		}
	}
}

type trackingListener struct {
	net.Listener
	conns  *connSet
	faults *faults
}

func (l *trackingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &trackedConn{TCPConn: c.(*net.TCPConn), set: l.conns, faults: l.faults}
	l.conns.mu.Lock()
	l.conns.count++
	t.number = l.conns.count
	l.conns.conns[t] = struct{}{}
	l.conns.mu.Unlock()
	return t, nil
}

// trackedConn leaves its set when it is closed. Its reads and writes wait while
// connections are frozen.
type trackedConn struct {
	*net.TCPConn
	set    *connSet
	faults *faults
	number int
	path   string // of a WebSocket, guarded by the set
}

func (c *trackedConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.faults.gate.pass()
	c.faults.band.pass(n)
	return n, err
}

func (c *trackedConn) Write(b []byte) (int, error) {
	c.faults.gate.pass()
	c.faults.band.pass(len(b))
	return c.TCPConn.Write(b)
}

// Close ends it at once.
func (c *trackedConn) Close() error {
	c.set.mu.Lock()
	delete(c.set.conns, c)
	c.set.mu.Unlock()
	return c.TCPConn.Close()
}

// reset ends it with a TCP reset, as a crashed machine or a middlebox does.
func (c *trackedConn) reset() {
	_ = c.SetLinger(0) // best effort: without it the end is orderly
	_ = c.Close()      // it is going away
}
