package codertest

import (
	"errors"
	"fmt"
	"time"
)

// KillAgent ends the agent of a workspace, given as "owner/name", as if its
// process were killed: it counts as disconnected, and its terminals, apps
// and SSH sessions lose their connections without a word. Clients that have
// reached it by the tailnet hear nothing any more. One that somebody else
// plays loses its connection to the deployment, and may come back. It is an error
// if there is no such agent.
func (s *Server) KillAgent(workspace string) error {
	a, err := s.findAgent(workspace)
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if a.live != nil {
		for x := range a.live.sessions {
			x.sock.reset()
		}
		return nil
	}
	if a.dead.IsZero() {
		a.dead = now()
	}
	a.killed = true
	a.node.silence()
	a.terminals.kill()
	a.conns.leave(false)
	a.build.workspace.changed.fire()
	return nil
}

var errNoAgent = errors.New("has no agent")

func (s *Server) findAgent(workspace string) (*agent, error) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	w := s.state.byFullName[workspace]
	if w == nil {
		return nil, fmt.Errorf("workspace %q does not exist", workspace)
	}
	if a := w.latest().agent; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("workspace %q %w", workspace, errNoAgent)
}

// ReviveAgent starts the agent of a workspace again that [Server.KillAgent] has
// ended, as a supervisor does: it is the same agent, with none of its processes.
// Reviving one that lives is not an error; one that somebody else plays comes back
// by itself.
func (s *Server) ReviveAgent(workspace string) error {
	a, err := s.findAgent(workspace)
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if a.live != nil || !a.killed {
		return nil
	}
	gone := a.dead
	a.lost = &gone
	a.killed, a.frozen, a.dead = false, false, time.Time{}
	a.terminals, a.conns, a.node = nil, nil, nil
	s.connected(a)
	a.build.workspace.changed.fire()
	return nil
}

// FreezeAgent makes the agent of a workspace deaf and mute, as a machine under
// memory pressure is. Its terminals stay open, but nothing comes back. The
// deployment counts it as disconnected after Config.AgentTimeout. It is an error
// if there is no such agent, or if somebody else plays it.
func (s *Server) FreezeAgent(workspace string) error { return s.freezeAgent(workspace, true) }

// ThawAgent ends a freeze.
func (s *Server) ThawAgent(workspace string) error { return s.freezeAgent(workspace, false) }

func (s *Server) freezeAgent(workspace string, frozen bool) error {
	a, err := s.findAgent(workspace)
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	if a.live != nil {
		s.state.mu.Unlock()
		return fmt.Errorf("freeze or thaw the agent of %q: it is not played here", workspace)
	}
	t := now()
	switch {
	case frozen && !a.frozen:
		a.dead = t
	case !frozen && a.frozen:
		if gone := a.gone(s.cfg.AgentTimeout); gone.Before(t) {
			a.lost = &gone
		}
		a.dead = time.Time{}
	}
	a.frozen = frozen
	home, conns := a.terminals, a.conns
	a.build.workspace.changed.fire()
	s.state.mu.Unlock()
	home.freeze(frozen)
	conns.freeze(frozen)
	return nil
}
