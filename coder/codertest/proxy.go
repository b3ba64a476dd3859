package codertest

import (
	"net/http"

	"github.com/google/uuid"
)

// proxyServer is a workspace proxy: it serves apps and terminals only, and asks
// the primary, which is in the same process, who may use them.
type proxyServer struct {
	*replica
	id  uuid.UUID
	url string
	mux *http.ServeMux
}

func (s *Server) newProxy() error {
	p := &proxyServer{id: s.state.newID(), mux: http.NewServeMux()}
	var err error
	if p.replica, err = s.newReplica(-1, "127.0.0.1:0"); err != nil {
		return err
	}
	p.url = "http://" + p.listener.Addr().String()
	p.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveOn(p.mux, w, r) })
	ok := func(*call) (int, any) { return http.StatusOK, page{"text/plain; charset=utf-8", "OK"} }
	s.publicOn(p.mux, "GET /healthz", ok)
	s.publicOn(p.mux, "GET /latency-check", ok)
	s.publicOn(p.mux, "GET /api/v2/buildinfo", func(c *call) (int, any) {
		info := c.s.buildInfo()
		info.WorkspaceProxy = true
		return http.StatusOK, info
	})
	s.publicOn(p.mux, "GET /api/v2/workspaceagents/{agent}/pty", openTerminal)
	s.publicOn(p.mux, "/", func(*call) (int, any) { return http.StatusNotFound, msg("Route not found.") })
	s.proxy = p
	return nil
}

// ProxyURL is where the workspace proxy is, without a slash at the end. It is ""
// without Config.WorkspaceProxy.
func (s *Server) ProxyURL() string {
	if s.proxy == nil {
		return ""
	}
	return s.proxy.url
}

// fronts are all that accept connections, but for the balancer.
func (s *Server) fronts() []*replica {
	all := s.replicas[:len(s.replicas):len(s.replicas)]
	if s.proxy != nil {
		all = append(all, s.proxy.replica)
	}
	for _, r := range s.relays {
		all = append(all, r.replica)
	}
	return all
}
