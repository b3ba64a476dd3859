package codertest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

const metricsType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

// debugMetrics serves the metrics to owners.
func debugMetrics(c *call) (int, any) {
	if !c.user.owner() {
		return http.StatusForbidden, forbidden
	}
	return http.StatusOK, page{metricsType, c.s.exposition()}
}

// exposition is what the server counts, under the names that a real one has for it,
// in the text format of Prometheus.
func (s *Server) exposition() string {
	var e exposition
	if !s.as.old {
		e.family("coderd_build_info", "gauge", "The version of the deployment.")
		e.sample("coderd_build_info", 1, "revision", "", "version", s.cfg.Version)
	}
	s.writeRequests(&e)
	stats := s.Stats()
	s.writeState(&e)
	if !s.as.old {
		relay := s.relay.Stats()
		e.single("coder_derp_server_clients_local", "gauge", "Clients of the relay.", float64(relay.Clients))
		e.single("coder_derp_server_bytes_received_total", "counter", "Bytes that the relay has taken for a client.", float64(relay.Bytes))
		e.single("coder_derp_server_packets_dropped_total", "counter", "Packets that found the queue of their receiver full.", float64(relay.Dropped))
	}
	for _, g := range []struct {
		name, help string
		value      int64
	}{
		{"codertest_connections", "Open TCP connections.", int64(stats.Connections)},
		{"codertest_terminals", "Open terminals.", stats.Terminals},
		{"codertest_app_sockets", "Open WebSockets of workspace apps.", stats.AppSockets},
		{"codertest_ssh_connections", "Open SSH connections.", stats.SSH},
	} {
		e.single(g.name, "gauge", g.help, float64(g.value))
	}
	writeProcess(&e)
	return e.b.String()
}

// writeRequests is what the API has answered, and the WebSockets that are open.
func (s *Server) writeRequests(e *exposition) {
	const processed = "coderd_api_requests_processed_total"
	e.family(processed, "counter", "Requests of the API that were answered.")
	counts := s.stats.routes.all()
	for _, r := range slices.SortedFunc(maps.Keys(counts), func(a, b RouteCode) int {
		return cmp.Or(strings.Compare(a.Route, b.Route), a.Code-b.Code)
	}) {
		method, path, _ := strings.Cut(r.Route, " ")
		e.sample(processed, float64(counts[r]), "code", itoa(r.Code), "method", method, "path", path)
	}
	s.stats.routes.write(e)
	sockets := map[string]int{}
	for _, r := range s.fronts() {
		r.conns.sockets(sockets)
	}
	const concurrent = "coderd_api_concurrent_websockets"
	e.family(concurrent, "gauge", "Open WebSockets.")
	for _, path := range slices.Sorted(maps.Keys(sockets)) {
		e.sample(concurrent, float64(sockets[path]), "path", path)
	}
}

func (r *routeCounts) write(e *exposition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times.write(e, "coderd_api_request_latencies_seconds", "How long answers took that are no WebSockets.")
}

// writeState is how many users, workspaces, agents and jobs there are.
func (s *Server) writeState(e *exposition) {
	users, builds, agents := map[string]int{}, map[string]int{}, map[string]int{}
	st := s.state
	st.mu.RLock()
	defer st.mu.RUnlock()
	for _, u := range st.userList {
		users[u.status]++
	}
	for _, w := range st.workspaceList {
		last := w.latest()
		builds[last.status]++
		for a := range last.agents() {
			agents[a.status(s.cfg.AgentTimeout)]++
		}
	}
	for _, f := range []struct {
		name, help string
		by         map[string]int
	}{
		{"coderd_api_total_user_count", "Users who are not deleted.", users},
		{"coderd_api_workspace_latest_build", "Workspaces by the status of their latest build.", builds},
		{"coderd_agents_connections", "Agents of running workspaces by whether they are connected.", agents},
	} {
		e.family(f.name, "gauge", f.help)
		for _, status := range slices.Sorted(maps.Keys(f.by)) {
			e.sample(f.name, float64(f.by[status]), "status", status)
		}
	}
	e.single("coderd_provisionerd_jobs_current", "gauge", "Jobs that a provisioner works on.", float64(s.jobs.running))
	e.single("coderd_provisionerd_num_daemons", "gauge", "Provisioners that take jobs.", float64(s.cfg.Provisioners))
	e.single("codertest_jobs_waiting", "gauge", "Jobs that no provisioner has taken yet.", float64(len(s.jobs.queue)))
	s.did.write(e, s.as.old)
}

// metricsServer serves the metrics to anybody.
type metricsServer struct {
	listener net.Listener
	http     *http.Server
}

// newMetrics begins to serve them where the configuration wants it. All replicas are
// one process, and have one such address.
func (s *Server) newMetrics() error {
	if s.cfg.PrometheusAddr == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.cfg.PrometheusAddr)
	if err != nil {
		return fmt.Errorf("listen for Prometheus: %w", err)
	}
	m := &metricsServer{listener: l, http: &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: silent,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", metricsType)
			_, _ = io.WriteString(w, s.exposition()) // who has gone needs no answer
		})}}
	s.metrics = m
	s.wg.Go(func() {
		if err := m.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			_ = l.Close() // whoever asks sees that it is gone
		}
	})
	return nil
}

func (m *metricsServer) close() {
	if m != nil {
		_ = m.http.Close() // it is going away
	}
}

// PrometheusURL is where metrics are served to anybody, on any path; "" without
// Config.PrometheusAddr.
func (s *Server) PrometheusURL() string {
	if s.metrics == nil {
		return ""
	}
	return "http://" + s.metrics.listener.Addr().String()
}
