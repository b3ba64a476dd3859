package codertest

import (
	"net/http"
	"time"

	"github.com/google/uuid"
)

type object = map[string]any

// deploymentRoutes are what dashboards ask for besides.
func (s *Server) deploymentRoutes() {
	fixed := func(path string, v any) {
		s.private("GET /api/v2"+path, func(*call) (int, any) { return http.StatusOK, v })
	}
	fixed("/experiments", []string{})
	fixed("/experiments/available", map[string][]string{"safe": {}})
	fixed("/deployment/ssh", object{"hostname_prefix": "coder.", "hostname_suffix": "coder", "ssh_config_options": object{}})
	s.private("GET /api/v2/applications/host", func(c *call) (int, any) {
		return http.StatusOK, object{"host": c.s.appHost(c.s.url)}
	})
	if s.cfg.WorkspaceProxy {
		s.private("POST /api/v2/applications/reconnecting-pty-signed-token", terminalToken)
	}
	audit := object{"audit_logs": []int{}, "count": 0, "count_cap": 2000}
	look := object{"theme_preference": "", "theme_mode": "", "theme_light": "", "theme_dark": "", "terminal_font": ""}
	providers := []object{{"id": "github", "type": "github", "device": true, "display_name": "GitHub",
		"display_icon": "/icon/github.svg", "allow_refresh": true, "allow_validate": true, "supports_revocation": true,
		"code_challenge_methods_supported": []string{"S256"}}}
	if s.as.old {
		delete(audit, "count_cap")
		look, providers = object{"theme_preference": "", "terminal_font": ""}, []object{}
	}
	fixed("/audit", audit)
	fixed("/users/me/appearance", look)
	fixed("/external-auth", object{"providers": providers, "links": []int{}})
	fixed("/notifications/settings", object{"notifier_paused": false})
	fixed("/users/me/login-type", object{"login_type": "password"})
	if !s.as.old {
		s.newerRoutes()
	}
	s.private("GET /api/v2/updatecheck", func(c *call) (int, any) {
		return http.StatusOK, object{"current": true, "version": c.s.cfg.Version, "url": "https://github.com/coder/coder"}
	})
	s.private("GET /api/v2/oauth2-provider/apps", func(c *call) (int, any) {
		if !c.s.as.old {
			c.w.Header().Set("Cache-Control", "no-store")
		}
		return http.StatusOK, []int{}
	})
	s.private("GET /api/v2/regions", func(c *call) (int, any) {
		return http.StatusOK, object{"regions": c.s.regions()}
	})
	s.private("GET /api/v2/deployment/config", func(c *call) (int, any) {
		if c.user.owner() {
			return http.StatusOK, object{"config": object{}, "options": []int{}}
		}
		return http.StatusForbidden, forbidden
	})
	s.private("GET /api/v2/users/{user}/gitsshkey", withUser(func(_ *call, u *user) (int, any) {
		return http.StatusOK, object{"user_id": u.id, "created_at": u.created, "updated_at": u.created, "public_key": "ssh-ed25519 codertest\n"}
	}))
	s.private("GET /api/v2/deployment/stats", deploymentStats)
	s.private("GET /api/v2/insights/daus", func(*call) (int, any) { return http.StatusOK, daus() })
	s.private("GET /api/v2/templates/{template}/daus", withTemplate(func(*call, *template) (int, any) {
		return http.StatusOK, daus()
	}))
	s.private("POST /api/v2/csp/reports", func(*call) (int, any) { return http.StatusOK, object{} })
	s.dashboardRoutes()
	s.private("GET /api/v2/workspaceagents/connection", func(c *call) (int, any) { return http.StatusOK, c.s.connection() })
	s.private("GET /api/v2/workspaceagents/{agent}/connection", withAgent(func(c *call, _ *agent) (int, any) {
		return http.StatusOK, c.s.connection()
	}))
	s.private("GET /api/v2/workspaceagents/{agent}/listening-ports", withAgent(func(*call, *agent) (int, any) {
		return http.StatusOK, object{"ports": []object{{"process_name": "coder", "network": "tcp", "port": 2912}}}
	}))
	s.private("GET /api/v2/workspaceagents/{agent}/containers", withAgent(func(*call, *agent) (int, any) {
		return http.StatusForbidden, noContainers
	}))
	s.private("GET /api/v2/organizations/{organization}/provisionerdaemons", inOrganization(provisionerDaemons))
	s.private("GET /api/v2/organizations/{organization}/paginated-members", inOrganization(paginatedMembers))
	if s.as.old { // it knows other methods
		s.private("GET /api/v2/organizations/{organization}/members/{user}", func(*call) (int, any) {
			return http.StatusMethodNotAllowed, nil
		})
		s.private("GET /api/v2/debug/{user}", func(c *call) (int, any) { return c.noUser() })
		s.public("/api/experimental/", dashboard)
	}
}

// newerRoutes are those that older versions don't have.
func (s *Server) newerRoutes() {
	s.private("GET /api/v2/debug/metrics", debugMetrics)
	s.private("GET /api/v2/workspaces/{workspace}/agent-connection-watch", watchConnection)
	s.private("GET /api/v2/users/me/preferences", func(*call) (int, any) {
		return http.StatusOK, object{"task_notification_alert_dismissed": false, "thinking_display_mode": "auto",
			"shell_tool_display_mode": "always_collapsed", "code_diff_display_mode": "", "agent_chat_send_shortcut": "enter"}
	})
	s.private("GET /api/experimental/watch-all-workspacebuilds", func(*call) (int, any) {
		return http.StatusForbidden, msg("Workspace Build Updates Channel functionality requires enabling the 'workspace-build-updates' experiment.")
	})
	s.private("GET /api/v2/organizations/{organization}/members/{user}", inOrganization(withUser(func(c *call, u *user) (int, any) {
		return http.StatusOK, c.s.memberView(u)
	})))
}

// daus is a count for each of the last sixty days.
func daus() any {
	type entry struct {
		Date   string `json:"date"`
		Amount int    `json:"amount"`
	}
	out := struct {
		Entries      []entry `json:"entries"`
		TZHourOffset int     `json:"tz_hour_offset"`
	}{}
	for day := 60; day >= 0; day-- {
		out.Entries = append(out.Entries, entry{now().AddDate(0, 0, -day).Format(time.DateOnly), 0})
	}
	return out
}

func deploymentStats(c *call) (int, any) {
	counts := map[string]int{}
	st := c.s.state
	st.mu.RLock()
	for _, w := range st.workspaceList {
		counts[w.latest().workspaceStatus()]++
	}
	st.mu.RUnlock()
	traffic := c.s.hub.traffic()
	t := now()
	return http.StatusOK, object{
		"aggregated_from": t.Add(-15 * time.Minute), "collected_at": t, "next_update_at": t.Add(30 * time.Second),
		"workspaces": object{
			"pending": counts["pending"], "building": counts["starting"] + counts["stopping"] + counts["deleting"],
			"running": counts["running"], "failed": counts["failed"], "stopped": counts["stopped"],
			"connection_latency_ms": object{"P50": 1.005, "P95": 1.66},
			"rx_bytes":              traffic.bytesIn, "tx_bytes": traffic.bytesOut,
		},
		"session_count": object{"vscode": 0, "ssh": 0, "jetbrains": 0, "reconnecting_pty": c.s.stats.terminals.Load()},
	}
}

func provisionerDaemons(c *call) (int, any) {
	t := now()
	out := []object{}
	for i := range c.s.cfg.Provisioners {
		id := uuid.NewSHA1(c.s.deploymentID, []byte(itoa(i)))
		out = append(out, object{
			"id": id, "organization_id": c.s.state.organization.id, "key_id": "00000000-0000-0000-0000-000000000001",
			"created_at": c.s.state.organization.created, "last_seen_at": t, "name": "codertest-" + itoa(i),
			"version": c.s.cfg.Version, "api_version": "1.18", "provisioners": []string{"terraform"}, "tags": jobTags(),
			"key_name": "built-in", "status": "idle", "current_job": nil, "previous_job": c.s.lastJob(),
		})
	}
	return http.StatusOK, out
}

// lastJob is what the provisioners did last, or nil.
func (s *Server) lastJob() any {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	b := s.jobs.last
	if b == nil {
		return nil
	}
	return object{"id": b.jobID, "status": b.status, "template_name": b.workspace.template.name, "template_icon": "", "template_display_name": ""}
}

func paginatedMembers(c *call) (int, any) {
	pg, e := readPage(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	all := c.s.memberViews()
	b := pg.cut(len(all))
	return http.StatusOK, object{"members": all[b.from:b.to], "count": len(all)}
}
