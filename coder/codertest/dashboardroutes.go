package codertest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// dashboardRoutes are what the pages of the dashboard ask for, besides what
// other clients do.
func (s *Server) dashboardRoutes() {
	fixed := func(path string, v any) {
		s.private("GET /api/v2"+path, func(*call) (int, any) { return http.StatusOK, v })
	}
	if !s.as.old {
		fixed("/tasks", object{"tasks": []int{}, "count": 0})
	}
	fixed("/templates/examples", []int{})
	s.private("GET /api/v2/insights/templates", insights("apps_usage", "parameters_usage"))
	s.private("GET /api/v2/insights/user-latency", insights("users"))
	s.private("GET /api/v2/insights/user-activity", insights("users"))
	s.private("GET /api/v2/debug/health", debugHealth)
	s.private("GET /api/v2/organizations/{organization}/provisionerjobs", inOrganization(provisionerJobs))
	s.private("GET /api/v2/templateversions/{version}/resources", withVersion(versionResources))
	s.private("GET /api/v2/workspaceagents/{agent}/containers/watch", withAgent(func(*call, *agent) (int, any) {
		return http.StatusForbidden, noContainers
	}))
	if s.cfg.WorkspaceProxy {
		s.private("GET /api/v2/workspaceproxies", func(c *call) (int, any) {
			return http.StatusOK, object{"regions": c.s.regions()}
		})
	}
	s.dynamicParameterRoutes()
	s.notificationRoutes()
	s.tailnetRoutes()
}

var noContainers = apiError{Message: "Dev Container feature not enabled.", Detail: "To enable this feature, set CODER_AGENT_DEVCONTAINERS_ENABLE=true in your template."}

// regions are the primary and the workspace proxy.
func (s *Server) regions() []object {
	out := []object{{"id": s.deploymentID, "name": "primary", "display_name": "Default",
		"icon_url": "/emojis/1f3e1.png", "healthy": true, "path_app_url": s.url, "wildcard_hostname": s.appHost(s.url)}}
	if p := s.proxy; p != nil {
		out = append(out, object{"id": p.id, "name": "proxy", "display_name": "Proxy",
			"icon_url": "/emojis/1f30d.png", "healthy": true, "path_app_url": p.url, "wildcard_hostname": s.appHost(p.url)})
	}
	return out
}

// insights is a report in which nobody has done anything.
func insights(lists ...string) handler {
	return func(c *call) (int, any) {
		if !c.user.has(roleOwner, roleTemplateAdmin, roleAuditor) {
			return http.StatusForbidden, forbidden
		}
		query := c.r.URL.Query()
		report := object{"template_ids": []uuid.UUID{}}
		for _, name := range []string{"start_time", "end_time"} {
			v := query.Get(name)
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return http.StatusBadRequest, invalid("Query parameters have invalid values.", name,
					fmt.Sprintf("Query param %q must be a valid date format (%s): %v", name, time.RFC3339, err))
			}
			report[name] = v
		}
		for _, l := range lists {
			report[l] = []struct{}{}
		}
		return http.StatusOK, object{"report": report}
	}
}

// debugHealth is a report of what can't go wrong here.
func debugHealth(c *call) (int, any) {
	if !c.user.owner() {
		return http.StatusForbidden, forbidden
	}
	section := func(more object) object {
		out := object{"error": nil, "warnings": []string{}, "dismissed": false, "healthy": true, "severity": "ok"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	return http.StatusOK, object{
		"time": now(), "healthy": true, "severity": "ok", "coder_version": c.s.cfg.Version,
		"access_url":          section(object{"access_url": c.s.url, "reachable": true, "status_code": http.StatusOK, "healthz_response": "OK"}),
		"database":            section(object{"reachable": true, "latency": "1ms", "latency_ms": 1, "threshold_ms": 15}),
		"derp":                section(object{"regions": object{}, "netcheck_logs": []string{}}),
		"websocket":           section(object{"body": "", "code": http.StatusSwitchingProtocols}),
		"workspace_proxy":     section(object{"workspace_proxies": object{"regions": c.s.regions()}}),
		"provisioner_daemons": section(object{"items": []struct{}{}}),
	}
}

// provisionerJobs are builds, the newest first.
func provisionerJobs(c *call) (int, any) {
	if !c.user.managesTemplates() {
		return http.StatusForbidden, forbidden
	}
	limit := 50
	if v := c.r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return http.StatusBadRequest, invalid("Query parameters have invalid values.", "limit", `Query param "limit" must be a valid 32-bit positive integer`)
		}
		limit = n
	}
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	out := []any{}
	for _, b := range c.s.state.newestBuilds(limit) {
		job := c.s.jobView(b)
		out = append(out, struct {
			jobJSON
			WorkerName string `json:"worker_name,omitempty"`
			Metadata   object `json:"metadata"`
		}{job, c.s.workerName(b), c.s.jobMetadata(b)})
	}
	return http.StatusOK, out
}

func (s *Server) workerName(b *build) string {
	if b.worker == uuid.Nil {
		return ""
	}
	return "vm-" + itoa(int(b.worker[0])%s.cfg.Provisioners)
}

func (s *Server) jobMetadata(b *build) object {
	w := b.workspace
	out := object{
		"template_version_name": b.version.name, "template_id": w.template.id, "template_name": w.template.name,
		"template_display_name": w.template.displayName, "template_icon": w.template.icon,
		"workspace_id": w.id, "workspace_name": w.name,
	}
	if !s.as.old {
		out["workspace_build_transition"] = b.transition
	}
	return out
}

// versionResources are what a workspace of this version would have: an agent
// that has never run.
func versionResources(c *call, v *version) (int, any) {
	if v.template == nil {
		return http.StatusOK, []resourceJSON{}
	}
	made := func(what string) uuid.UUID { return uuid.NewSHA1(v.id, []byte(what)) }
	w := &workspace{id: made("workspace"), name: "preview", owner: v.createdBy, template: v.template}
	b := &build{
		id: made("build"), jobID: v.jobID, workspace: w, version: v, initiator: v.createdBy, transition: "start",
		created: v.created, status: v.status, completed: v.completed, resourceID: made("resource"),
	}
	b.parameters = v.defaults()
	b.agent = &agent{
		id: made("agent"), resourceID: b.resourceID, sourceID: made("source"), script: made("script"),
		build: b, created: v.created, updated: v.created,
	}
	w.builds = []*build{b}
	return http.StatusOK, c.s.resourceViews(b)
}
