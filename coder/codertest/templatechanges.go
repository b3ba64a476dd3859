package codertest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

func (s *Server) templateChangeRoutes() {
	s.private("POST /api/v2/organizations/{organization}/templates", inOrganization(createTemplate))
	s.private("PATCH /api/v2/templates/{template}/versions", setActiveVersion)
	s.private("PATCH /api/v2/templates/{template}", patchTemplate)
	s.private("DELETE /api/v2/templates/{template}", changingTemplate(func(c *call, t *template) (int, any) {
		if slices.ContainsFunc(c.s.state.workspaceList, func(w *workspace) bool { return w.template == t }) {
			return http.StatusBadRequest, msg("All workspaces must be deleted before a template can be removed.")
		}
		delete(c.s.state.templates, t.id)
		c.s.notifyTemplateDeleted(t, c.user)
		return http.StatusOK, msg("Template has been deleted!")
	}))
}

// changingTemplate is withTemplate for what only those may do who manage
// templates.
func changingTemplate(h func(*call, *template) (int, any)) handler {
	find := func(c *call, id uuid.UUID) *template { return c.s.state.templates[id] }
	return changing("template", find, func(c *call, t *template) (int, any) {
		if !c.user.managesTemplates() {
			return http.StatusForbidden, forbidden
		}
		return h(c, t)
	})
}

const maxDescription = 128

// createTemplate makes a template of a version that has none.
func createTemplate(c *call) (int, any) {
	var in struct {
		Name               string    `json:"name"`
		VersionID          uuid.UUID `json:"template_version_id"`
		DisplayName        string    `json:"display_name"`
		Description        string    `json:"description"`
		Icon               string    `json:"icon"`
		DefaultTTLMillis   int64     `json:"default_ttl_ms"`
		ActivityBumpMillis *int64    `json:"activity_bump_ms"`
		AllowCancel        bool      `json:"allow_user_cancel_workspace_jobs"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	var bad []string
	if !validName(in.Name) {
		bad = append(bad, "name", failedTag("template_name", in.Name))
	}
	if len(in.Description) >= maxDescription {
		bad = append(bad, "description", failedTag("lt", in.Description))
	}
	if in.VersionID == uuid.Nil {
		bad = append(bad, "template_version_id", failedTag("required", in.VersionID.String()))
	}
	if bad != nil {
		return http.StatusBadRequest, invalid("Validation failed.", bad...)
	}
	if !c.user.managesTemplates() {
		return http.StatusForbidden, forbidden
	}
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, t := range st.templates {
		if strings.EqualFold(t.name, in.Name) {
			return http.StatusConflict, invalid(fmt.Sprintf("Template with name %q already exists.", in.Name),
				"name", "This value is already in use and should be unique.")
		}
	}
	v := st.versions[in.VersionID]
	switch {
	case v == nil:
		return http.StatusNotFound, invalid(fmt.Sprintf("Template version %q does not exist.", in.VersionID),
			"template_version_id", "Template version does not exist")
	case v.template != nil:
		return http.StatusBadRequest, msg("Template version %s is already part of a template", v.id)
	case in.DefaultTTLMillis < 0:
		return http.StatusBadRequest, invalid("Invalid create template request.", "default_ttl_ms", "Must be a positive integer.")
	}
	t := &template{
		id: st.newID(), name: in.Name, displayName: in.DisplayName, description: in.Description, icon: in.Icon,
		ttlMillis: in.DefaultTTLMillis, bumpMillis: 3600_000, mayCancel: in.AllowCancel,
		created: now(), createdBy: c.user, versions: []*version{v}, active: v, apps: st.apps,
	}
	if in.ActivityBumpMillis != nil {
		t.bumpMillis = *in.ActivityBumpMillis
	}
	t.updated = t.created
	v.template = t
	st.templates[t.id] = t
	return http.StatusCreated, c.s.templateView(t)
}

func setActiveVersion(c *call) (int, any) {
	var in struct {
		ID uuid.UUID `json:"id"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return changingTemplate(func(c *call, t *template) (int, any) {
		v := c.s.state.versions[in.ID]
		switch {
		case v == nil:
			return http.StatusNotFound, msg("Template version not found.")
		case v.template != t:
			return http.StatusBadRequest, msg("The provided template version doesn't belong to the specified template.")
		case v.status != "succeeded":
			return http.StatusBadRequest, apiError{Message: "Only versions that have been built successfully can be promoted.",
				Detail: fmt.Sprintf("Attempted to promote a version with a %s build", v.status)}
		}
		t.active, t.updated = v, now()
		return http.StatusOK, msg("Updated the active template version!")
	})(c)
}
