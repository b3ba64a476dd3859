package codertest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/coordinator"
	"github.com/coderscale/scaletest/coder/internal/rpc"
)

// agentSession is a connection of an agent.
type agentSession struct {
	s         *Server
	agent     *agent
	sock      *socketConn
	api       string
	untracked bool // it says nothing of whether the agent is connected
}

func (s *Server) agentRoutes() {
	s.public("GET /api/v2/workspaceagents/me/rpc", byAgent(openAgent))
	s.public("GET /api/v2/workspaceagents/me/gitsshkey", byAgent(func(*call, *agent) (int, any) {
		return http.StatusOK, object{"public_key": "ssh-ed25519 codertest\n", "private_key": "codertest\n"}
	}))
}

// byAgent finds the agent by its token. Those of earlier builds and of builds
// that are not done are refused.
func byAgent(h func(*call, *agent) (int, any)) handler {
	return func(c *call) (int, any) {
		token := sessionToken(c.r)
		id, err := uuid.Parse(token)
		if err != nil {
			return http.StatusUnauthorized, apiError{Message: "Workspace agent token invalid.",
				Detail: fmt.Sprintf("An agent token must be a valid UUIDv4. (len %d)", len(token))}
		}
		st := c.s.state
		st.mu.RLock()
		a := st.agentsByToken[id]
		if a != nil && !c.s.current(a) {
			a = nil
		}
		st.mu.RUnlock()
		if a == nil {
			return http.StatusUnauthorized, apiError{Message: "Workspace agent not authorized.",
				Detail: "The agent cannot authenticate until the workspace provision job has been completed. If the job is no longer running, this agent is invalid."}
		}
		return h(c, a)
	}
}

// openAgent is the connection on which an agent reports, and joins the tailnet.
func openAgent(c *call, a *agent) (int, any) {
	query := c.r.URL.Query()
	x := &agentSession{s: c.s, agent: a, api: query.Get("version")}
	if x.api == "" {
		x.api = "2.0"
	}
	if problem := unsupportedVersion(x.api, c.s.as.tailnetAPI); problem != "" {
		return http.StatusBadRequest, invalid("Unknown or unsupported API version", "version", problem)
	}
	role := query.Get("role")
	x.untracked = role != "" && role != "agent"
	if !c.mayUpgrade() {
		return handled, nil
	}
	if x.sock = c.openSocket(); x.sock == nil {
		return handled, nil
	}
	c.s.wg.Go(x.serve)
	return handled, nil
}

// serve answers an agent until the end of its connection.
func (x *agentSession) serve() {
	st := x.s.state
	st.mu.Lock()
	allowed := x.s.current(x.agent)
	if allowed {
		x.s.begin(x)
	}
	st.mu.Unlock()
	if !allowed {
		_ = x.sock.Close() // its workspace was stopped in the meantime
		return
	}
	// The end of an agent is no news: it shows in its state.
	_ = rpc.Serve(x.s.ctx, x.sock, x.call, func(p *rpc.Peer) { x.s.wg.Go(func() { x.watch(p) }) })
	_ = x.sock.Close() // a session that never began leaves it open
	st.mu.Lock()
	defer st.mu.Unlock()
	x.s.end(x)
}

// watch asks for signs of life, and ends a session that gives none, or whose
// agent may not speak any more.
func (x *agentSession) watch(p *rpc.Peer) {
	every := x.s.cfg.PingInterval
	tick, late := time.NewTicker(every), time.NewTimer(2*every)
	defer tick.Stop()
	defer late.Stop()
	alive, asking := make(chan struct{}, 1), false
	for {
		select {
		case <-x.sock.over:
			return
		case <-late.C:
			x.sock.reset() // nobody is there to say goodbye to
			return
		case <-alive:
			asking = false
			late.Reset(2 * every)
			if !x.seen() {
				_ = x.sock.Close() // it is over either way
				return
			}
		case <-tick.C:
			if asking {
				continue
			}
			asking = true
			x.s.wg.Go(func() {
				if p.Ping() == nil {
					alive <- struct{}{}
				}
			})
		}
	}
}

// seen notes a sign of life. It reports false if the agent may not speak any
// more.
func (x *agentSession) seen() bool {
	st := x.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	if x.agent.live.current == x {
		t := now()
		x.agent.lastConnected = &t
	}
	return x.s.current(x.agent)
}

// endSessions ends what an agent has open. It is called with the lock held.
func (s *Server) endSessions(a *agent) {
	if a.live == nil {
		return
	}
	for x := range a.live.sessions {
		s.wg.Go(func() { _ = x.sock.Close() }) // a stalled one is not waited for
	}
}

// call answers one of both services.
func (x *agentSession) call(method string, st *rpc.Stream) error {
	if h := agentCalls[method]; h != nil {
		return h(x, st)
	}
	rules := coordinator.Rules{Agent: true, Strict: !x.s.as.old}
	return x.s.tailnetCall(method, st, tailnetPeer{x.agent.id, rules, x.sock.reset})
}
