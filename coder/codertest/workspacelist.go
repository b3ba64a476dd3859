package codertest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder/codertest/internal/search"
)

var workspaceKeys = []string{"name", "id", "owner", "template", "status", "has-agent", "healthy", "dormant", "last_used_after", "last_used_before", "outdated", "organization", "shared", "shared_with_user", "shared_with_group", "has-ai-task", "has_external_agent", "param", "include_agent_metadata"}

var workspaceStatuses = []string{"pending", "starting", "running", "stopping", "failed", "canceling", "canceled", "stopped", "deleting", "deleted"}

const badWorkspaceQuery = "Invalid workspace search query."

// listWorkspaces costs one pass over the workspaces, and only the rows of the
// page are put into JSON. Running ones come first, then owner and name decide.
func listWorkspaces(c *call) (int, any) {
	q, e := parseQuery(c, badWorkspaceQuery, "name",
		c.s.without(workspaceKeys, "healthy", "shared", "shared_with_user", "shared_with_group", "include_agent_metadata"))
	if e != nil {
		return http.StatusBadRequest, e
	}
	if v := q.Get("status"); v != "" && !slices.Contains(workspaceStatuses, v) {
		return http.StatusBadRequest, invalid(badWorkspaceQuery, "status",
			fmt.Sprintf("Query param %q has invalid value: %q is not a valid value", "status", v))
	}
	pg, e := readPage(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	f := newWorkspaceFilter(c, q)
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	var groups [3][]*workspace
	for _, w := range c.s.state.workspaceList {
		if !c.user.sees(w) || !f.matches(w) {
			continue
		}
		g := 2
		switch {
		case w.favorite && w.owner == c.user:
			g = 0
		case w.latest().running():
			g = 1
		}
		groups[g] = append(groups[g], w)
	}
	found := slices.Concat(groups[0], groups[1], groups[2])
	out := workspacesJSON{Workspaces: []workspaceJSON{}, Count: len(found)}
	b := pg.cut(len(found))
	for _, w := range found[b.from:b.to] {
		out.Workspaces = append(out.Workspaces, c.s.workspaceView(w, c.user))
	}
	return http.StatusOK, out
}

// workspaceFilter is q, with what can be worked out beforehand.
type workspaceFilter struct {
	c     *call
	terms map[string][]string
	owner string
}

func newWorkspaceFilter(c *call, q search.Query) workspaceFilter {
	f := workspaceFilter{c: c, terms: q.Terms, owner: q.Get("owner")}
	if f.owner == "me" {
		f.owner = strings.ToLower(c.user.username)
	}
	return f
}

func (f workspaceFilter) matches(w *workspace) bool {
	for key, values := range f.terms {
		if !f.match(w, key, values[len(values)-1]) {
			return false
		}
	}
	return true
}

func (f workspaceFilter) match(w *workspace, key, v string) bool {
	b := w.latest()
	yes := v == "true"
	switch key {
	case "name":
		owner, name, both := strings.Cut(v, "/")
		if !both {
			return strings.Contains(strings.ToLower(w.name), v)
		}
		if owner == "me" {
			owner = strings.ToLower(f.c.user.username)
		}
		return strings.EqualFold(w.owner.username, owner) && strings.Contains(strings.ToLower(w.name), name)
	case "id":
		return w.id.String() == v
	case "owner":
		return strings.EqualFold(w.owner.username, f.owner)
	case "template":
		return strings.EqualFold(w.template.name, v)
	case "status":
		return b.workspaceStatus() == v
	case "has-agent":
		return b.agent != nil && b.agent.status(f.c.s.cfg.AgentTimeout) == v
	case "healthy":
		sick := b.agent != nil && b.agent.status(f.c.s.cfg.AgentTimeout) == "disconnected"
		return sick != yes
	case "dormant":
		return !yes || w.dormant != nil
	case "outdated":
		return (b.version != w.template.active) == yes
	case "organization":
		return v == "coder" || v == "default" || v == f.c.s.state.organization.id.String()
	case "shared", "has-ai-task", "has_external_agent":
		return !yes
	case "shared_with_user", "shared_with_group":
		return false
	case "last_used_after", "last_used_before":
		t, err := time.Parse(time.RFC3339, strings.ToUpper(v))
		return err == nil && w.lastUsed.After(t) == (key == "last_used_after")
	case "param":
		name, value, valued := strings.Cut(v, "=")
		return slices.ContainsFunc(b.parameters, func(p parameterValue) bool {
			return strings.EqualFold(p.Name, name) && (!valued || strings.EqualFold(p.Value, value))
		})
	}
	return true
}
