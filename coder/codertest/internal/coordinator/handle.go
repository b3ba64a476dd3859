package coordinator

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// errDisconnect is a peer that leaves in good order.
var errDisconnect = errors.New("disconnect")

// handle does what a peer asks. An error ends the peer.
func (c *Coordinator) handle(p *peer, r *request) error {
	if u := r.UpdateSelf; u != nil {
		if err := p.rules.checkNode(p.id, u.Node); err != nil {
			return fmt.Errorf("update the node: %w", err)
		}
	}
	add, err := tunnelID(r.AddTunnel)
	if err != nil {
		return fmt.Errorf("add a tunnel: %w", err)
	}
	remove, err := tunnelID(r.RemoveTunnel)
	if err != nil {
		return fmt.Errorf("remove a tunnel: %w", err)
	}
	if r.AddTunnel != nil {
		if err := p.rules.checkTunnel(add); err != nil { // it may wait for somebody else's lock
			return fmt.Errorf("add a tunnel: %w", err)
		}
	}
	if len(r.ReadyForHandshake) > 0 && !p.rules.Agent {
		return errors.New("only agents may say that they are ready for a handshake")
	}
	if err := c.do(p, r, add, remove); err != nil {
		return err
	}
	if r.AddTunnel != nil && p.rules.Opened != nil {
		p.rules.Opened(add)
	}
	return nil
}

// do does what has been found to be allowed.
func (c *Coordinator) do(p *peer, r *request, add, remove uuid.UUID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.over {
		return errors.New(p.cause)
	}
	if u := r.UpdateSelf; u != nil {
		p.node = u.Node
		c.tell(p, node, p.node, "node update")
	}
	if r.AddTunnel != nil {
		c.open(p, add)
	}
	if r.RemoveTunnel != nil {
		c.close(p, remove)
	}
	for _, f := range r.ReadyForHandshake {
		if err := c.ready(p, f); err != nil {
			return err
		}
	}
	if r.Disconnect != nil {
		return errDisconnect
	}
	return nil
}

func tunnelID(t *tailnetpb.CoordinateRequest_Tunnel) (uuid.UUID, error) {
	if t == nil {
		return uuid.Nil, nil
	}
	return uuid.FromBytes(t.Id)
}

// open opens a tunnel and introduces its ends to each other.
func (c *Coordinator) open(p *peer, to uuid.UUID) {
	add(c.to, p.id, to)
	add(c.from, to, p.id)
	o := c.peers[to]
	if o == nil {
		return
	}
	if o.node != nil {
		c.send(p, to, node, o.node, "add tunnel")
	}
	if p.node != nil && !p.over {
		c.send(o, p.id, node, p.node, "add tunnel")
	}
}

// close closes a tunnel, if there is one, and tells both ends.
func (c *Coordinator) close(p *peer, to uuid.UUID) {
	if _, ok := c.to[p.id][to]; !ok {
		return
	}
	c.cut(p.id, to)
	c.send(p, to, disconnected, nil, "remove tunnel")
	if o := c.peers[to]; o != nil {
		c.send(o, p.id, disconnected, nil, "remove tunnel")
	}
}

// ready tells a client that an agent expects it. A tunnel that is gone already is
// nobody's fault: the agent is told and goes on.
func (c *Coordinator) ready(p *peer, f *tailnetpb.CoordinateRequest_ReadyForHandshake) error {
	to, err := uuid.FromBytes(f.Id)
	if err != nil {
		return fmt.Errorf("ready for a handshake: %w", err)
	}
	if _, ok := c.tunnelsOf(p.id)[to]; !ok {
		c.respond(p, &response{Error: fmt.Sprintf("ready for a handshake: there is no tunnel with %s", to)})
		return nil
	}
	if o := c.peers[to]; o != nil {
		c.send(o, p.id, ready, nil, "")
	}
	return nil
}
