package codertest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// debugMetrics is what the server counts, under the names that a real one has
// for it, in the text format of Prometheus.
func debugMetrics(c *call) (int, any) {
	if !c.user.owner() {
		return http.StatusForbidden, forbidden
	}
	var b strings.Builder
	family := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	stats := c.s.Stats()
	family("coderd_api_requests_processed_total", "counter", "Requests of the API that were answered.")
	routes := slices.SortedFunc(maps.Keys(stats.Routes), func(a, b RouteCode) int {
		return cmp.Or(strings.Compare(a.Route, b.Route), a.Code-b.Code)
	})
	for _, r := range routes {
		method, path, _ := strings.Cut(r.Route, " ")
		fmt.Fprintf(&b, "coderd_api_requests_processed_total{code=\"%d\",method=%q,path=%q} %d\n", r.Code, method, path, stats.Routes[r])
	}
	st := c.s.state
	builds, agents := map[string]int{}, map[string]int{}
	st.mu.RLock()
	users := len(st.userList)
	for _, w := range st.workspaceList {
		last := w.latest()
		builds[last.status]++
		for a := range last.agents() {
			agents[a.status(c.s.cfg.AgentTimeout)]++
		}
	}
	running, waiting := c.s.jobs.running, len(c.s.jobs.queue)
	st.mu.RUnlock()
	family("coderd_api_workspace_latest_build", "gauge", "Workspaces by the status of their latest build.")
	for _, status := range slices.Sorted(maps.Keys(builds)) {
		fmt.Fprintf(&b, "coderd_api_workspace_latest_build{status=%q} %d\n", status, builds[status])
	}
	family("coderd_agents_connections", "gauge", "Agents of running workspaces by whether they are connected.")
	for _, status := range slices.Sorted(maps.Keys(agents)) {
		fmt.Fprintf(&b, "coderd_agents_connections{status=%q} %d\n", status, agents[status])
	}
	for _, g := range []struct {
		name, help string
		value      int64
	}{
		{"coderd_api_total_user_count", "Users who are not deleted.", int64(users)},
		{"coderd_provisionerd_jobs_current", "Jobs that a provisioner works on.", int64(running)},
		{"coderd_provisionerd_num_daemons", "Provisioners that take jobs.", int64(c.s.cfg.Provisioners)},
		{"codertest_jobs_waiting", "Jobs that no provisioner has taken yet.", int64(waiting)},
		{"codertest_connections", "Open TCP connections.", int64(stats.Connections)},
		{"codertest_terminals", "Open terminals.", stats.Terminals},
		{"codertest_app_sockets", "Open WebSockets of workspace apps.", stats.AppSockets},
		{"codertest_ssh_connections", "Open SSH connections.", stats.SSH},
	} {
		family(g.name, "gauge", g.help)
		fmt.Fprintf(&b, "%s %d\n", g.name, g.value)
	}
	return http.StatusOK, page{"text/plain; version=0.0.4; charset=utf-8; escaping=underscores", b.String()}
}
