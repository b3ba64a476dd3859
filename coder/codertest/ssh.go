package codertest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
)

// sshHub connects callers to the SSH servers of agents, as a tailnet does.
type sshHub struct {
	mu       sync.Mutex
	listener net.Listener // nil before the first connection
	closed   bool
	next     int // replica

	open, opened   atomic.Int64
	received, sent atomic.Int64
}

// Ports of an agent on which its SSH server listens.
const (
	sshPort         = 1
	standardSSHPort = 22
)

var errServerClosed = errors.New("the deployment is closed")

// DialAgent connects to a port of an agent, as a client in the same tailnet
// does. On 1 and 22 is its SSH server, which asks for no credentials. All other
// ports refuse the connection (ECONNREFUSED). Bytes go over loopback TCP.
//
// It is an error if the agent is unknown, stopped or not connected. A frozen one
// does not answer before the context ends. An agent that somebody else plays is
// reached by the tailnet, and has the ports that it wants.
func (s *Server) DialAgent(ctx context.Context, agent uuid.UUID, port uint16) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, fmt.Errorf("dial port %d of agent %s: %w", port, agent, err)
	}
	a, home, err := s.reachAgent(agent)
	if err != nil {
		return fail(err)
	}
	if home == nil {
		n, err := s.node()
		if err != nil {
			return fail(err)
		}
		return n.Dial(ctx, agent, port)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if !home.pass(ctx.Done()) {
		return fail(ctx.Err())
	}
	if port != sshPort && port != standardSSHPort {
		return fail(syscall.ECONNREFUSED)
	}
	client, server, err := s.pair(ctx)
	if err != nil {
		return fail(err)
	}
	c := &agentConn{Conn: server, home: home, server: s}
	if !home.add(c) {
		_, _ = client.Close(), server.Close() // the agent has gone in the meantime
		return fail(errNotConnected)
	}
	s.wg.Go(func() { s.serveSSH(c, s.hostKey(a)) })
	return client, nil
}

var errNotConnected = errors.New("it is not connected")

// reachAgent finds an agent that can be connected to. One that is not played here
// has no home.
func (s *Server) reachAgent(id uuid.UUID) (*agent, *agentHome, error) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	a := s.state.agents[id]
	switch {
	case s.ctx.Err() != nil:
		return nil, nil, errServerClosed
	case a == nil:
		return nil, nil, errors.New("there is no such agent")
	case a.off || a.build.workspace.deleted:
		return nil, nil, errors.New("its workspace was stopped")
	}
	if status := a.status(s.cfg.AgentTimeout); status != "connected" {
		return nil, nil, fmt.Errorf("%w: its state is %q", errNotConnected, status)
	}
	if a.live != nil {
		return a, nil, nil
	}
	return a, a.home(), nil
}

// pair makes a TCP connection with itself, through one of the replicas, so that
// it is lost with that.
func (s *Server) pair(ctx context.Context) (client net.Conn, server *trackedConn, err error) {
	h := &s.ssh
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, errServerClosed
	}
	if h.listener == nil {
		if h.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
	}
	r := s.liveReplica(&h.next)
	if r == nil {
		return nil, nil, errors.New("no replica is left")
	}
	client, err = new(net.Dialer).DialContext(ctx, "tcp", h.listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	accepting := &trackingListener{Listener: h.listener, conns: r.conns, faults: &s.faults}
	for {
		c, err := accepting.Accept()
		if err != nil {
			_ = client.Close() // it leads nowhere
			return nil, nil, err
		}
		if c.RemoteAddr().String() == client.LocalAddr().String() {
			return client, c.(*trackedConn), nil
		}
		_ = c.Close() // a stranger
	}
}

// liveReplica is the next one that was not stopped, or nil.
func (s *Server) liveReplica(next *int) *replica {
	for range s.replicas {
		r := s.replicas[*next%len(s.replicas)]
		*next++
		if !r.stopped.Load() {
			return r
		}
	}
	return nil
}

func (h *sshHub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.listener != nil {
		_ = h.listener.Close() // nothing can be done about it
	}
}

// hostKey is the same whenever somebody connects to the same agent of a
// workspace, after a rebuild too.
func (s *Server) hostKey(a *agent) ed25519.PrivateKey {
	w := a.build.workspace
	name := binary.BigEndian.AppendUint64([]byte("ssh host key of main."+w.fullName()+" "), s.cfg.Seed)
	seed := sha256.Sum256(name)
	return ed25519.NewKeyFromSeed(seed[:])
}

// agentConn is a connection to an agent. It stands still while the agent is
// frozen.
type agentConn struct {
	net.Conn
	home   *agentHome
	server *Server
}

func (c *agentConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.home.pass(c.server.ctx.Done())
	return n, err
}

func (c *agentConn) Write(b []byte) (int, error) {
	c.home.pass(c.server.ctx.Done())
	return c.Conn.Write(b)
}

// leave takes the connection away. The agent closes it even if the deployment
// notices nothing.
func (c *agentConn) leave(bool) { _ = c.Close() }

// serveSSH is the SSH server of an agent.
func (s *Server) serveSSH(c *agentConn, key ed25519.PrivateKey) {
	s.ssh.open.Add(1)
	s.ssh.opened.Add(1)
	defer s.ssh.open.Add(-1)
	defer c.home.remove(c)
	defer c.Close()
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return // an ed25519 key is always taken
	}
	cfg := &ssh.ServerConfig{NoClientAuth: true}
	cfg.AddHostKey(signer)
	conn, channels, requests, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		return // the client has gone, or speaks something else
	}
	s.wg.Go(func() { answerKeepAlives(requests) })
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			s.wg.Go(func() { s.openSession(ch) })
		case "direct-tcpip":
			_ = ch.Reject(ssh.ConnectionFailed, "connection refused") // the client may be gone
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "unsupported channel type") // as above
		}
	}
	_ = conn.Close() // it has ended already
}

func answerKeepAlives(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(r.Type == keepAlive, nil) // the client may be gone
		}
	}
}

const keepAlive = "keepalive@openssh.com"
