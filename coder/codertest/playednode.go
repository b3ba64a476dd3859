package codertest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/coordinator"
	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
	"github.com/coderscale/scaletest/coder/internal/node"
	"github.com/coderscale/scaletest/coder/internal/shell"
)

// playedNode is the member of the tailnet of an agent that is played here. It
// begins when a client first opens a tunnel to the agent, and ends with that.
type playedNode struct {
	s       *Server
	agent   *agent
	home    *agentHome
	ctx     context.Context
	end     context.CancelFunc
	orderly atomic.Bool // the end is one that the agent announces

	mu     sync.Mutex
	relays []io.Closer
	silent bool
}

// playNode gives an agent its node, if it has none and is played here.
func (s *Server) playNode(id uuid.UUID) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	a := s.state.agents[id]
	if a == nil || a.live != nil || a.node != nil || s.ctx.Err() != nil || a.status(s.cfg.AgentTimeout) != "connected" {
		return
	}
	n := &playedNode{s: s, agent: a, home: a.home()}
	if !n.home.add(n) {
		return // it has gone already
	}
	n.ctx, n.end = context.WithCancel(s.ctx)
	a.node = n
	s.wg.Go(n.run)
}

// connected makes a played agent connected, for those who wait for it too.
func (s *Server) connected(a *agent) {
	a.connect(now())
	if s.tailnet.Wanted(a.id) {
		s.wg.Go(func() { s.playNode(a.id) }) // the state is locked
	}
}

// leave is the end of the agent. A killed one does not say so.
func (n *playedNode) leave(bool) {
	n.orderly.Store(n.agent.off)
	n.end()
}

// relay connects the node to a relay, as long as anything may be heard of it.
func (n *playedNode) relay(ctx context.Context, region int) (io.ReadWriteCloser, error) {
	conn, err := n.s.innerRelay(ctx, region)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.silent {
		_ = conn.Close() // it is not used
		return nil, errNotConnected
	}
	n.relays = append(n.relays, conn)
	return conn, nil
}

// silence is the end of a process that was killed: not even the end of its
// connections goes out.
func (n *playedNode) silence() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = true
	for _, c := range n.relays {
		_ = c.Close() // there is nothing left to say
	}
}

// terminalPort is where an agent listens for those who want a terminal.
const terminalPort = 2

func (n *playedNode) run() {
	defer n.home.remove(n)
	defer n.end()
	in, err := node.New(n.ctx, node.Config{ID: n.agent.id, Agent: true, Home: embeddedRegion, Relay: n.relay})
	if err != nil {
		return // the agent has gone meanwhile: nothing else stops a relay of this process
	}
	defer in.Close()
	n.s.state.mu.RLock()
	key := n.s.hostKey(n.agent)
	n.s.state.mu.RUnlock()
	ssh := func(c *agentConn) { n.s.serveSSH(c, key) }
	for port, serve := range map[uint16]func(*agentConn){sshPort: ssh, standardSSHPort: ssh, terminalPort: n.serveTerminal} {
		l, err := in.Listen(port)
		if err != nil {
			return // as above
		}
		n.s.wg.Go(func() { n.accept(l, serve) })
	}
	// An agent that was killed loses its coordination. One that leaves in good
	// order says goodbye there.
	coordination, stop := context.WithCancel(context.Background())
	var coordinates sync.WaitGroup
	coordinates.Go(func() {
		n.s.coordinateInside(coordination, n.ctx.Done(), in, coordinator.Rules{Agent: true, Strict: true})
	})
	<-n.ctx.Done()
	if n.orderly.Load() {
		_ = in.Close() // it reports nothing
	}
	stop()
	coordinates.Wait()
}

// accept serves connections until the node ends.
func (n *playedNode) accept(l net.Listener, serve func(*agentConn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c := &agentConn{Conn: conn, home: n.home, server: n.s}
		if !n.home.add(c) {
			_ = conn.Close() // the agent has gone
			return
		}
		n.s.wg.Go(func() { serve(c) })
	}
}

// terminalJSON is how a terminal of an agent is asked for: its length in two
// bytes, and this.
type terminalJSON struct {
	ID            uuid.UUID
	Height, Width uint16
	Command       string
	Container     string
	ContainerUser string
	BackendType   string
}

// readTerminalJSON reads what asks for a terminal.
func readTerminalJSON(r io.Reader) (in terminalJSON, err error) {
	var size [2]byte
	if _, err = io.ReadFull(r, size[:]); err != nil {
		return in, err
	}
	b := make([]byte, binary.LittleEndian.Uint16(size[:]))
	if _, err = io.ReadFull(r, b); err == nil {
		err = json.Unmarshal(b, &in)
	}
	return in, err
}

// serveTerminal is a terminal in the tailnet: no frames, but the same bytes.
func (n *playedNode) serveTerminal(c *agentConn) {
	defer n.home.remove(c)
	defer c.Close()
	in, err := readTerminalJSON(c)
	if err != nil {
		return // it is no client of ours
	}
	size := shell.Size{Columns: int(in.Width), Rows: int(in.Height)}
	pc := &ptyConn{hub: &n.s.hub, raw: c}
	if !n.s.attachTerminal(n.agent, pc, in.ID, in.Command, size) {
		return
	}
	defer pc.session.detach(pc)
	buf := make([]byte, 4<<10)
	for {
		k, err := c.Read(buf)
		if pc.Payload(wsframe.Binary, buf[:k]) != nil || err != nil {
			return
		}
	}
}
