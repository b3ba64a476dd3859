package codertest

import (
	"net/http"

	"github.com/google/uuid"
)

func (s *Server) workspaceRoutes() {
	s.private("GET /api/v2/workspaces", listWorkspaces)
	s.private("GET /api/v2/workspaces/{workspace}", getWorkspace)
	s.private("GET /api/v2/users/{user}/workspace/{name}", workspaceByName)
	s.private("GET /api/v2/workspaceagents/{agent}", withAgent(func(c *call, a *agent) (int, any) {
		return http.StatusOK, c.s.agentView(a)
	}))
	s.public("GET /api/v2/workspaceagents/{agent}/pty", openTerminal)
	s.private("GET /api/v2/workspaceagents/{agent}/logs", agentLogs)
	s.buildRoutes()
	s.watchRoutes()
	s.settingRoutes()
	s.deploymentRoutes()
}

func getWorkspace(c *call) (int, any) {
	id, e := pathID(c, "workspace")
	if e != nil {
		return http.StatusBadRequest, e
	}
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	w := c.s.state.workspaces[id]
	if w == nil || !c.user.sees(w) {
		return http.StatusNotFound, notFound
	}
	if w.deleted && c.r.URL.Query().Get("include_deleted") != "true" {
		parameter := "include_deleted"
		if c.s.as.old {
			parameter = "deleted" // which does nothing
		}
		return http.StatusGone, msg("Workspace %q was deleted, you can view this workspace by specifying '?%s=true' and trying again.", w.id, parameter)
	}
	return http.StatusOK, c.s.workspaceView(w, c.user)
}

// withWorkspace resolves {workspace}, with the lock held for changes.
func withWorkspace(h func(*call, *workspace) (int, any)) handler {
	return changing("workspace", func(c *call, id uuid.UUID) *workspace {
		if w := c.s.state.workspaces[id]; w != nil && c.user.sees(w) {
			return w
		}
		return nil
	}, h)
}

// changing resolves an ID in the path, with the lock held for changes. What
// find does not give, or not to this user, is not found.
func changing[T any](name string, find func(*call, uuid.UUID) *T, h func(*call, *T) (int, any)) handler {
	return func(c *call) (int, any) {
		id, e := pathID(c, name)
		if e != nil {
			return http.StatusBadRequest, e
		}
		c.s.state.mu.Lock()
		defer c.s.state.mu.Unlock()
		found := find(c, id)
		if found == nil {
			return http.StatusNotFound, notFound
		}
		return h(c, found)
	}
}

func workspaceByName(c *call) (int, any) {
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	u := c.pathUser()
	if u == nil {
		return c.noUser()
	}
	w := c.s.state.byFullName[fullName(u.username, c.r.PathValue("name"))]
	if w == nil || !c.user.sees(w) {
		return http.StatusNotFound, notFound
	}
	return http.StatusOK, c.s.workspaceView(w, c.user)
}

func withAgent(h func(*call, *agent) (int, any)) handler {
	return func(c *call) (int, any) {
		id, e := pathID(c, "agent")
		if e != nil {
			return http.StatusBadRequest, e
		}
		c.s.state.mu.RLock()
		defer c.s.state.mu.RUnlock()
		a := c.s.state.agents[id]
		if a == nil || !c.user.sees(a.build.workspace) || a.off && (!c.s.as.oldAgents || a.build.workspace.deleted) {
			return http.StatusNotFound, msg("Agent doesn't exist with that id, or you do not have access to it.")
		}
		return h(c, a)
	}
}
