package codertest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"
)

// farDialTime is how long the deployment tries to reach an agent.
const farDialTime = 30 * time.Second

// openFarTerminal is a terminal of an agent that is not played here: what the
// client and the agent say to each other goes through unchanged.
func (c *call) openFarTerminal(id uuid.UUID, in terminalJSON) (int, any) {
	sock := c.openSocket()
	if sock == nil {
		return handled, nil
	}
	sock.late = c.s.probeFailed()
	c.s.wg.Go(func() { sock.probe(c.s.cfg.PingInterval, false) })
	c.s.wg.Go(func() { c.s.serveFarTerminal(sock, id, in) })
	return handled, nil
}

func (s *Server) serveFarTerminal(sock *socketConn, id uuid.UUID, in terminalJSON) {
	defer sock.Close()
	conn, err := s.dialFar(sock, id, in)
	if err != nil {
		sock.goodbye(1011, "dial workspace agent: "+err.Error())
		return
	}
	defer conn.Close()
	s.stats.terminals.Add(1)
	s.stats.terminalsOpened.Add(1)
	defer s.stats.terminals.Add(-1)
	var typing sync.WaitGroup
	typing.Go(func() {
		_, _ = io.Copy(conn, countedFar{sock, &s.hub.farMessagesIn, &s.hub.farBytesIn}) // either side may end it
		_ = conn.Close()                                                                // the output ends too
	})
	_, _ = io.Copy(countedFar{sock, &s.hub.farMessagesOut, &s.hub.farBytesOut}, conn) // as above
	if s.as.abruptEnd {
		_ = sock.conn.Close() // this version says nothing
	} else {
		sock.goodbye(1000, "")
	}
	_ = sock.Close() // so that nobody types any more
	typing.Wait()
}

// dialFar connects to the terminals of an agent and asks for one. A client that
// goes meanwhile is not waited for.
func (s *Server) dialFar(sock *socketConn, id uuid.UUID, in terminalJSON) (net.Conn, error) {
	n, err := s.node()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, farDialTime)
	defer cancel()
	dialed := make(chan struct{})
	defer close(dialed)
	s.wg.Go(func() {
		select {
		case <-sock.over:
			cancel()
		case <-dialed:
		}
	})
	conn, err := n.Dial(ctx, id, terminalPort)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(in)
	if err == nil {
		_, err = conn.Write(append(binary.LittleEndian.AppendUint16(nil, uint16(len(b))), b...))
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return conn, nil
}
