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
	status, frozen := a.status(c.s.cfg.AgentTimeout), a.frozen
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
	st.mu.Lock()
	if a.terminals == nil {
		a.terminals = &terminals{keep: c.s.cfg.ReplayBytes}
	}
	home := a.terminals
	st.mu.Unlock()
	conn, early, err := c.hijack()
	if err != nil {
		return handled, nil
	}
	pc := &ptyConn{input: input{conn: conn.(*trackedConn)}, hub: &c.s.hub}
	for {
		s, fresh := home.open(session, c.r.URL.Query().Get("command"), size, frozen)
		if s == nil {
			_ = conn.Close() // the agent has gone in the meantime
			return handled, nil
		}
		pc.session = s
		c.s.hub.add(pc)
		if s.attach(pc, fresh, size) {
			break
		}
		c.s.hub.remove(pc)
	}
	c.s.wg.Go(func() { pc.serve(early) })
	return handled, nil
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
