package codertest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/coordinator"
)

// tailnetRoutes are how clients find relays and join the tailnet.
func (s *Server) tailnetRoutes() {
	s.private("GET /api/v2/derp-map", func(c *call) (int, any) {
		st := c.stream()
		if st == nil {
			return handled, nil
		}
		st.sendBinary(c.s.derpMap())
		<-st.ctx.Done() // it does not change
		return handled, nil
	})
	s.private("GET /api/v2/tailnet", func(c *call) (int, any) {
		u := c.user
		return c.joinTailnet("2.0", func(id uuid.UUID) error { return c.s.mayTunnel(u, id) })
	})
	s.private("GET /api/v2/workspaceagents/{agent}/coordinate", func(c *call) (int, any) {
		var only uuid.UUID
		status, body := withAgent(func(_ *call, a *agent) (int, any) {
			if !c.user.controls(a.build.workspace) {
				return http.StatusNotFound, notFound
			}
			only = a.id
			return handled, nil
		})(c)
		if status != handled {
			return status, body
		}
		return c.joinTailnet("1.0", func(id uuid.UUID) error {
			if id != only {
				return fmt.Errorf("agent %s is not the one of this connection, %s", id, only)
			}
			return nil
		})
	})
	s.agentRoutes()
}

// mayTunnel says why a user may not reach an agent.
func (s *Server) mayTunnel(u *user, id uuid.UUID) error {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	a := s.state.agents[id]
	if a == nil || u.deleted || !u.controls(a.build.workspace) {
		return fmt.Errorf("agent %s does not exist, or you do not have access to it", id)
	}
	return nil
}

// joinTailnet makes a client a peer of the tailnet. Without a version in the
// request this one is meant.
func (c *call) joinTailnet(version string, tunnel func(uuid.UUID) error) (int, any) {
	query := c.r.URL.Query()
	if v := query.Get("version"); v != "" {
		version = v
	}
	if problem := unsupportedVersion(version, c.s.as.tailnetAPI); problem != "" {
		return http.StatusBadRequest, invalid("Unknown or unsupported API version", "version", problem)
	}
	id := uuid.New()
	if token := query.Get("resume_token"); token != "" {
		var err error
		if id, err = c.s.tailnet.resumed(token, now()); err != nil {
			const bad = "Invalid coordinate resume token."
			e := invalid(bad, "resume_token", bad)
			e.Detail = err.Error()
			return http.StatusUnauthorized, e
		}
	}
	if !c.mayUpgrade() {
		return handled, nil
	}
	sock := c.openSocket()
	if sock == nil {
		return handled, nil
	}
	rules := coordinator.Rules{Strict: !c.s.as.old, Tunnel: tunnel, Opened: c.s.playNode}
	c.s.wg.Go(func() { sock.probe(c.s.cfg.PingInterval, c.s.as.onePing) })
	c.s.wg.Go(func() { c.s.serveTailnet(sock, tailnetPeer{id, rules, func() { _ = sock.Close() }}) })
	return handled, nil
}

// unsupportedVersion says what is wrong with a version, such as 2.0, for a server
// that has this one.
func unsupportedVersion(version, server string) string {
	number := func(v string) (major, minor int, ok bool) {
		a, b, ok := strings.Cut(v, ".")
		major, err := strconv.Atoi(a)
		minor, err2 := strconv.Atoi(b)
		return major, minor, ok && err == nil && err2 == nil
	}
	major, minor, ok := number(version)
	newest, newestMinor, _ := number(server)
	switch {
	case !ok:
		return fmt.Sprintf("invalid version string: %s", version)
	case major > newest:
		return fmt.Sprintf("server is at version %s, behind requested major version %s", server, version)
	case major < newest:
		return fmt.Sprintf("version %s is no longer supported", version)
	case minor > newestMinor:
		return fmt.Sprintf("server is at version %s, behind requested minor version %s", server, version)
	}
	return ""
}
