package agentserve

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Ports of an agent.
const (
	SSHPort         = 1
	TerminalPort    = 2
	StandardSSHPort = 22
)

// Counters are of many servers together.
type Counters struct {
	// SSH sessions, Terminals and Apps that are open: connections of the latter two.
	SSH, Terminals, Apps atomic.Int64
	// Opened is how many of all three there were.
	Opened atomic.Int64
	// In and Out are bytes of TCP connections.
	In, Out atomic.Int64
}

// Config describes what is served.
type Config struct {
	// Listen opens ports of the agent.
	Listen func(port uint16) (net.Listener, error)

	// Name is the agent's. Its host key depends on it and nothing else, so that
	// clients see the same one after a restart.
	Name string

	// Apps are served at their ports.
	Apps []App

	// Counters count with those of other servers.
	Counters *Counters
}

// Server serves an agent.
type Server struct {
	cfg       Config
	ssh       *ssh.ServerConfig
	terminals terminals
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	listeners []net.Listener
	own       Counters

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	in, out  int64 // at the last report
	stopping bool
}

// Start opens the ports.
func Start(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, conns: map[net.Conn]struct{}{}}
	seed := sha256.Sum256([]byte("scaletest ssh host key of " + cfg.Name))
	signer, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return nil, err
	}
	s.ssh = &ssh.ServerConfig{NoClientAuth: true} // the tailnet has let in who may
	s.ssh.AddHostKey(signer)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.terminals.server = s
	ports := map[uint16]func(net.Conn){
		SSHPort: s.serveSSH, StandardSSHPort: s.serveSSH, TerminalPort: s.serveTerminal,
	}
	for _, app := range cfg.Apps {
		if _, taken := ports[app.Port]; taken || app.Port == 0 {
			continue
		}
		handler := s.appServer(app)
		ports[app.Port] = handler
	}
	for port, serve := range ports {
		l, err := cfg.Listen(port)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("listen on port %d of the agent: %w", port, err)
		}
		s.listeners = append(s.listeners, l)
		s.wg.Go(func() { s.accept(l, serve) })
	}
	return s, nil
}

func (s *Server) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // it was closed
		}
		conn := &counted{Conn: c, server: s}
		s.mu.Lock()
		if s.stopping {
			s.mu.Unlock()
			_ = c.Close() // nobody serves it
			return
		}
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			serve(conn)
			_ = conn.Close() // it is over
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

// Close ends everything.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.stopping = true
	conns := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, l := range s.listeners {
		_ = l.Close() // nothing can be done about it
	}
	for _, c := range conns {
		_ = c.Close() // as above
	}
	s.wg.Wait()
	s.terminals.end()
}

// Traffic is what there was since the last report, and what is open now.
type Traffic struct {
	In, Out        int64 // bytes
	Connections    int
	SSH, Terminals int64
}

// Report takes the traffic since the last one.
func (s *Server) Report() Traffic {
	in, out := s.own.In.Load(), s.own.Out.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Traffic{In: in - s.in, Out: out - s.out, Connections: len(s.conns), SSH: s.own.SSH.Load(), Terminals: s.own.Terminals.Load()}
	s.in, s.out = in, out
	return t
}

// opened counts something that is open, until the function is called.
func (s *Server) opened(of func(*Counters) *atomic.Int64) func() {
	for _, c := range []*Counters{&s.own, s.cfg.Counters} {
		of(c).Add(1)
		c.Opened.Add(1)
	}
	return func() {
		of(&s.own).Add(-1)
		of(s.cfg.Counters).Add(-1)
	}
}

// counted is a connection whose bytes are counted.
type counted struct {
	net.Conn
	server *Server
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.server.own.In.Add(int64(n))
	c.server.cfg.Counters.In.Add(int64(n))
	return n, err
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.server.own.Out.Add(int64(n))
	c.server.cfg.Counters.Out.Add(int64(n))
	return n, err
}

// errEnded ends a read loop without a complaint.
var errEnded = errors.New("it has ended")
