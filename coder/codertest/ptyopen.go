package codertest

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

// htmlPage is what browsers see of an error.
func htmlPage(title, text string) page {
	return page{"text/html; charset=utf-8", "<!doctype html><title>" + title + "</title><h1>" + title + "</h1><p>" + text + "</p>\n"}
}

// openTerminal is the reconnecting PTY.
func openTerminal(c *call) (int, any) {
	id, err := uuid.Parse(c.r.PathValue("agent"))
	user := c.user
	if user == nil && err == nil {
		user = c.s.signedFor(c.r, terminalClaims(id))
	}
	if user == nil {
		return http.StatusNotFound, notFound
	}
	if err != nil {
		return http.StatusInternalServerError, htmlPage("500 - Internal Server Error", "500 - Internal Server Error An internal server error occurred.")
	}
	st := c.s.state
	st.mu.RLock()
	a := st.agents[id]
	if a == nil || !user.controls(a.build.workspace) || a.build.workspace.deleted || a.off && !c.s.as.oldAgents {
		st.mu.RUnlock()
		return appMissing()
	}
	status, live := a.status(c.s.cfg.AgentTimeout), a.live != nil
	st.mu.RUnlock()
	if status != "connected" {
		return c.s.agentUnavailable(status)
	}
	c.signedCookie(terminalClaims(id), user, c.r.URL.Path+"/")
	session, size, e := readTerminal(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	if !c.mayUpgrade() {
		return handled, nil
	}
	command := c.r.URL.Query().Get("command")
	if live {
		return c.openFarTerminal(a.id, terminalJSON{ID: session, Height: uint16(size.Rows), Width: uint16(size.Columns), Command: command})
	}
	conn, early, err := c.hijack()
	if err != nil {
		return handled, nil
	}
	pc := &ptyConn{input: input{conn: conn.(*trackedConn)}, hub: &c.s.hub}
	c.s.hub.add(pc)
	if !c.s.attachTerminal(a, pc, session, command, size) {
		c.s.hub.remove(pc)
		_ = conn.Close() // the agent has gone in the meantime
		return handled, nil
	}
	c.s.wg.Go(func() { pc.serve(early) })
	return handled, nil
}

// attachTerminal gives a connection its session. It reports false if the agent is
// gone.
func (s *Server) attachTerminal(a *agent, pc *ptyConn, id uuid.UUID, command string, size shell.Size) bool {
	s.state.mu.Lock()
	if a.live != nil || a.off || a.killed {
		s.state.mu.Unlock()
		return false
	}
	if a.terminals == nil {
		a.terminals = &terminals{keep: s.cfg.ReplayBytes}
	}
	home, frozen := a.terminals, a.frozen
	s.state.mu.Unlock()
	for {
		x, fresh := home.open(id, command, size, frozen)
		if x == nil {
			return false
		}
		pc.session = x
		if x.attach(pc, fresh, size) {
			return true
		}
	}
}

func readTerminal(c *call) (session uuid.UUID, size shell.Size, e *apiError) {
	query := c.r.URL.Query()
	var pairs []string
	session, err := uuid.Parse(query.Get("reconnect"))
	switch {
	case query.Get("reconnect") == "":
		pairs = append(pairs, "reconnect", `Query param "reconnect" is required and cannot be empty`)
	case err != nil:
		pairs = append(pairs, "reconnect", `Query param "reconnect" must be a valid uuid`)
	}
	for _, f := range []struct {
		name string
		into *int
	}{{"height", &size.Rows}, {"width", &size.Columns}} {
		*f.into = 80
		v := query.Get(f.name)
		if v == "" {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			pairs = append(pairs, f.name, fmt.Sprintf("Query param %q must be a valid positive integer: %v", f.name, err))
		}
		*f.into = int(n)
	}
	if pairs != nil {
		bad := invalid("Invalid query parameters.", pairs...)
		return session, size, &bad
	}
	return session, size, nil
}

// stopTerminals stops the timers of terminals that nobody looks at.
func (s *Server) stopTerminals() {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	for _, a := range s.state.agents {
		for _, t := range a.terminals.all() {
			t.mu.Lock()
			t.over = true
			if t.idle != nil {
				t.idle.Stop()
			}
			t.mu.Unlock()
		}
	}
}
