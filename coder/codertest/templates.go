package codertest

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) templateRoutes() {
	s.private("GET /api/v2/organizations", func(c *call) (int, any) {
		return http.StatusOK, []organizationJSON{c.s.organizationView()}
	})
	s.private("GET /api/v2/organizations/{organization}", inOrganization(func(c *call) (int, any) {
		return http.StatusOK, c.s.organizationView()
	}))
	s.private("GET /api/v2/organizations/{organization}/members", inOrganization(listMembers))
	s.private("GET /api/v2/organizations/{organization}/templates", inOrganization(listTemplates))
	s.private("GET /api/v2/organizations/{organization}/templates/{name}", inOrganization(templateByName))
	s.private("GET /api/v2/templates", listTemplates)
	s.private("GET /api/v2/templates/{template}", withTemplate(func(c *call, t *template) (int, any) {
		return http.StatusOK, c.s.templateView(t)
	}))
	s.private("GET /api/v2/templates/{template}/versions", withTemplate(func(c *call, t *template) (int, any) {
		out := []versionJSON{}
		for _, v := range t.versions {
			out = append(out, c.s.versionView(v))
		}
		return http.StatusOK, out
	}))
	s.versionRoutes()
	s.fileRoutes()
	s.importRoutes()
	s.templateChangeRoutes()
	s.dryRunRoutes()
	s.membershipRoutes()
}

// inOrganization refuses organizations that don't exist.
func inOrganization(h handler) handler {
	return func(c *call) (int, any) {
		switch v := c.r.PathValue("organization"); v {
		case "coder", "default", c.s.state.organization.id.String():
			return h(c)
		}
		return http.StatusNotFound, notFound
	}
}

func withTemplate(h func(*call, *template) (int, any)) handler {
	return func(c *call) (int, any) {
		id, e := pathID(c, "template")
		if e != nil {
			return http.StatusBadRequest, e
		}
		c.s.state.mu.RLock()
		defer c.s.state.mu.RUnlock()
		t := c.s.state.templates[id]
		if t == nil {
			return http.StatusNotFound, notFound
		}
		return h(c, t)
	}
}

var templateKeys = []string{"exact_name", "name", "display_name", "exact_display_name", "organization", "deprecated", "deleted", "ids", "author", "author_id", "has-ai-task", "has_external_agent"}

func listTemplates(c *call) (int, any) {
	q, e := parseQuery(c, "Invalid template search query.", "display_name", templateKeys)
	if e != nil {
		return http.StatusBadRequest, e
	}
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	out := []templateJSON{}
	for _, t := range c.s.state.templates {
		name := strings.ToLower(t.name)
		if v := q.Get("exact_name"); v != "" && v != name {
			continue
		}
		if v := q.Get("name"); !strings.Contains(name, v) {
			continue
		}
		if v := q.Get("display_name"); !strings.Contains(name, v) {
			continue
		}
		out = append(out, c.s.templateView(t))
	}
	slices.SortFunc(out, func(a, b templateJSON) int { return strings.Compare(a.Name, b.Name) })
	return http.StatusOK, out
}

func templateByName(c *call) (int, any) {
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	for _, t := range c.s.state.templates {
		if strings.EqualFold(t.name, c.r.PathValue("name")) {
			return http.StatusOK, c.s.templateView(t)
		}
	}
	return http.StatusNotFound, notFound
}

func listMembers(c *call) (int, any) {
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	return http.StatusOK, c.s.memberViews()
}

func (s *Server) memberViews() []memberJSON {
	out := []memberJSON{}
	for _, u := range s.state.userList {
		if !u.outside {
			out = append(out, s.memberView(u))
		}
	}
	return out
}

func (s *Server) memberView(u *user) memberJSON {
	return memberJSON{
		Username: u.username, Name: u.name, Email: u.email, Status: since(s, u.status), LoginType: since(s, u.loginType), HasAISeat: since(s, false),
		LastSeenAt: since(s, u.lastSeen), UserCreatedAt: since(s, u.created), UserUpdatedAt: since(s, u.updated), GlobalRoles: roleViews(u.roles),
		UserID: u.id, OrganizationID: s.state.organization.id, CreatedAt: u.created, UpdatedAt: u.created, Roles: []roleJSON{},
	}
}

func (s *Server) versionRoutes() {
	s.private("GET /api/v2/templateversions/{version}", withVersion(func(c *call, v *version) (int, any) {
		return http.StatusOK, c.s.versionView(v)
	}))
	s.private("GET /api/v2/templateversions/{version}/rich-parameters", withVersion(func(_ *call, v *version) (int, any) {
		return http.StatusOK, append([]parameterJSON{}, v.parameters...)
	}))
	for _, empty := range []string{"variables", "external-auth"} {
		s.private("GET /api/v2/templateversions/{version}/"+empty, withVersion(func(*call, *version) (int, any) {
			return http.StatusOK, []struct{}{}
		}))
	}
	s.private("GET /api/v2/templateversions/{version}/presets", withVersion(func(*call, *version) (int, any) {
		return http.StatusOK, nilSlice
	}))
}

// nilSlice is what some lists say when they are empty.
var nilSlice *[]struct{}

func withVersion(h func(*call, *version) (int, any)) handler {
	return func(c *call) (int, any) {
		id, e := pathID(c, "version")
		if e != nil {
			return http.StatusBadRequest, e
		}
		c.s.state.mu.RLock()
		defer c.s.state.mu.RUnlock()
		v := c.s.state.versions[id]
		if v == nil {
			return http.StatusNotFound, notFound
		}
		return h(c, v)
	}
}
