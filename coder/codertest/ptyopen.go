package codertest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/shell"
)

// htmlPage is what browsers see of an error.
func htmlPage(title, text string) page {
	return page{"text/html; charset=utf-8", "<!doctype html><title>" + title + "</title><h1>" + title + "</h1><p>" + text + "</p>\n"}
}

var appNotFound = htmlPage("404 - Application Not Found", "404 - Application Not Found The application or workspace you are trying to access does not exist or you do not have permission to access it.")

// openTerminal is the reconnecting PTY.
func openTerminal(c *call) (int, any) {
	if c.user == nil {
		return http.StatusNotFound, notFound
	}
	id, err := uuid.Parse(c.r.PathValue("agent"))
	if err != nil {
		return http.StatusInternalServerError, htmlPage("500 - Internal Server Error", "500 - Internal Server Error An internal server error occurred.")
	}
	st := c.s.state
	st.mu.RLock()
	a := st.agents[id]
	if a == nil || !c.user.sees(a.build.workspace) || a.build.workspace.deleted || a.off {
		st.mu.RUnlock()
		return http.StatusNotFound, appNotFound
	}
	status, frozen := a.status(c.s.cfg.AgentTimeout), a.frozen
	st.mu.RUnlock()
	if status != "connected" {
		return http.StatusNotFound, htmlPage("404 - Application Unavailable",
			fmt.Sprintf("404 - Application Unavailable Agent state is &#34;%s&#34;, not &#34;connected&#34;", status))
	}
	c.appCookie(c.r.URL.Path + "/")
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
	pc := &ptyConn{hub: &c.s.hub, conn: conn.(*trackedConn)}
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

// appCookie is what makes the next request to the same path cheaper for a real
// server.
func (c *call) appCookie(path string) {
	http.SetCookie(c.w, &http.Cookie{Name: "coder_signed_app_token", Value: "codertest", Path: path,
		Expires: time.Now().Add(time.Minute), HttpOnly: true, SameSite: http.SameSiteLaxMode})
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
