package codertest

import (
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
)

// liveAgent is what an agent has reported whom somebody else plays: who connects
// with its token. It is guarded by the state's lock.
type liveAgent struct {
	sessions   map[*agentSession]struct{}
	current    *agentSession // the one that counts, nil if the agent is not connected
	api        string        // the version that it speaks
	lifecycle  string
	started    *time.Time
	version    string
	directory  string
	subsystems []string
	health     map[uuid.UUID]string // of apps

	metadata  map[string]metadataResultJSON
	collected signal

	logs       []agentLogJSON
	logBytes   int
	overflowed bool
	foreign    bool // it has written to the log of others
	logged     signal
}

// subAgent is what sets an agent apart that another one has made.
type subAgent struct {
	parent                                      *agent
	name, directory, architecture, operatingSys string
}

// wait makes an agent one that waits for somebody to play it.
func (a *agent) wait() {
	a.live = &liveAgent{sessions: map[*agentSession]struct{}{}, lifecycle: "created"}
}

// external reports whether the agents of a build wait for somebody.
func (st *state) external(b *build) bool { return st.externalAgents || b.version.external }

func (a *agent) name() string {
	if a.sub != nil {
		return a.sub.name
	}
	return "main"
}

// directory is where its shells begin.
func (a *agent) directory() string {
	if a.sub != nil {
		return a.sub.directory
	}
	return "/home/coder/ws/" + a.build.workspace.id.String()
}

// agents are all of a build.
func (b *build) agents() iter.Seq[*agent] {
	return func(yield func(*agent) bool) {
		if b.agent == nil || !yield(b.agent) {
			return
		}
		for _, a := range b.subAgents {
			if !yield(a) {
				return
			}
		}
	}
}

// connectionTimeout is how long nobody worries about an agent that has not
// connected yet.
const connectionTimeout = 120 * time.Second

func (a *agent) liveStatus() string {
	switch {
	case a.off:
		return "disconnected"
	case a.live.current != nil:
		return "connected"
	case a.firstConnected != nil:
		return "disconnected"
	case time.Since(a.created) > connectionTimeout:
		return "timeout"
	}
	return "connecting"
}

// current reports whether the agent may speak: its build is done, and the latest
// one. An agent of the newer version may also report how it is being stopped.
func (s *Server) current(a *agent) bool {
	b, last := a.build, a.build.workspace.latest()
	switch {
	case a.off || b.workspace.deleted || !b.done():
		return false
	case b == last:
		return true
	}
	return !s.as.old && last.transition == "stop" && last.number == b.number+1 && !last.done()
}

// begin notes that a session counts from here on. An agent that was played here
// is not any more.
func (s *Server) begin(x *agentSession) {
	a, t := x.agent, now()
	if a.live == nil {
		a.wait()
		a.node.silence()
		a.terminals.kill()
		a.conns.leave(false)
		a.terminals, a.conns = nil, nil
		a.killed, a.frozen, a.dead, a.ready = false, false, time.Time{}, nil
	}
	a.live.sessions[x] = struct{}{}
	if x.untracked {
		return
	}
	a.live.current, a.live.api = x, x.api
	if a.firstConnected == nil {
		a.firstConnected = &t
	}
	a.lastConnected, a.updated = &t, t
	a.build.workspace.changed.fire()
}

// end notes that a session is over. If it was the one that counted, the agent is
// disconnected, even if an earlier one goes on.
func (s *Server) end(x *agentSession) {
	a, t := x.agent, now()
	delete(a.live.sessions, x)
	if a.live.current != x {
		return
	}
	a.live.current, a.lost, a.updated = nil, &t, t
	a.build.workspace.changed.fire()
}

// AgentToken is the token with which the agent of a workspace, given as
// "owner/name", connects. It changes with every start of the workspace. It is an
// error if there is no such agent.
func (s *Server) AgentToken(workspace string) (string, error) {
	a, err := s.findAgent(workspace)
	if err != nil {
		return "", fmt.Errorf("find the token of an agent: %w", err)
	}
	return a.token.String(), nil
}
