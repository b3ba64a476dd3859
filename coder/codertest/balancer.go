package codertest

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// balancer gives TCP connections to the replicas in turn, as the service of a
// cluster does. It knows nothing of HTTP.
type balancer struct {
	server   *Server
	listener net.Listener
	mu       sync.Mutex
	next     int
	conns    map[net.Conn]struct{}
	wg       sync.WaitGroup
}

func (s *Server) newBalancer(addr string) (*balancer, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	b := &balancer{server: s, listener: l, conns: map[net.Conn]struct{}{}}
	b.wg.Go(b.accept)
	return b, nil
}

func (b *balancer) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.wg.Go(func() { b.forward(c) })
	}
}

// dial connects to the next replica that lives.
func (b *balancer) dial() net.Conn {
	for range b.server.replicas {
		b.mu.Lock()
		r := b.server.replicas[b.next%len(b.server.replicas)]
		b.next++
		b.mu.Unlock()
		if r.stopped.Load() {
			continue
		}
		if c, err := net.Dial("tcp", r.listener.Addr().String()); err == nil {
			return c
		}
	}
	return nil
}

func (b *balancer) forward(client net.Conn) {
	defer b.keep(client)()
	server := b.dial()
	if server == nil {
		return
	}
	defer b.keep(server)()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{server, client}, {client, server}} {
		b.wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1]) // either side may end it
			done <- struct{}{}
		})
	}
	<-done
}

// keep remembers a connection so that close finds it. The function that it
// returns closes and forgets it.
func (b *balancer) keep(c net.Conn) func() {
	b.mu.Lock()
	b.conns[c] = struct{}{}
	b.mu.Unlock()
	return func() {
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
		_ = c.Close() // both directions have ended
	}
}

func (b *balancer) close() {
	_ = b.listener.Close() // nothing can be done about it
	b.mu.Lock()
	for c := range b.conns {
		_ = c.Close() // it is going away
	}
	b.mu.Unlock()
	b.wg.Wait()
}

// StopReplica takes a replica away, with its share of the connections. New
// connections go to the others. It reports an error if there is no such
// replica; stopping one twice is not an error.
func (s *Server) StopReplica(i int) error {
	if i < 0 || i >= len(s.replicas) {
		return fmt.Errorf("replica %d does not exist: there are %d", i, len(s.replicas))
	}
	s.replicas[i].stop()
	return nil
}

// StartReplica brings a replica back that was stopped. It begins without
// connections, and gets its share of the new ones. It reports an error if there is
// no such replica or if another process has taken its port; starting one that runs
// is not an error.
func (s *Server) StartReplica(i int) error {
	if i < 0 || i >= len(s.replicas) {
		return fmt.Errorf("replica %d does not exist: there are %d", i, len(s.replicas))
	}
	if err := s.start(s.replicas[i]); err != nil {
		return fmt.Errorf("start replica %d: %w", i, err)
	}
	return nil
}
