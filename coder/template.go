package coder

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// Template is what workspaces are made from.
type Template struct {
	ID                            uuid.UUID `json:"id"`
	Name                          string    `json:"name"`
	DisplayName                   string    `json:"display_name"`
	Description                   string    `json:"description"`
	OrganizationID                uuid.UUID `json:"organization_id"`
	OrganizationName              string    `json:"organization_name"`
	ActiveVersionID               uuid.UUID `json:"active_version_id"`
	Provisioner                   string    `json:"provisioner"`
	CreatedAt                     time.Time `json:"created_at"`
	CreatedByName                 string    `json:"created_by_name"`
	Deprecated                    bool      `json:"deprecated"`
	ActiveUserCount               int       `json:"active_user_count"`
	DefaultTTLMillis              int64     `json:"default_ttl_ms"`   // milliseconds, 0 means none
	ActivityBumpMillis            int64     `json:"activity_bump_ms"` // milliseconds
	AllowUserCancelWorkspaceJobs  bool      `json:"allow_user_cancel_workspace_jobs"`
	RequireActiveVersion          bool      `json:"require_active_version"`
	UseClassicParameterFlow       bool      `json:"use_classic_parameter_flow"`
	TimeTilDormantAutoDeleteMilli int64     `json:"time_til_dormant_autodelete_ms"`
}

// Templates lists the templates that the token may see, in all organizations.
//
// GET /api/v2/templates
func (c *Client) Templates(ctx context.Context) ([]Template, error) {
	var out []Template
	err := c.get(ctx, "list templates", api("templates"), nil, &out)
	return out, err
}

// TemplatesNamed lists the templates with exactly this name, one in each
// organization at most.
//
// GET /api/v2/templates?q=exact_name:{name}
func (c *Client) TemplatesNamed(ctx context.Context, name string) ([]Template, error) {
	var out []Template
	err := c.get(ctx, "list templates named "+name, api("templates"), url.Values{"q": {searchQuery("", "exact_name", name)}}, &out)
	return out, err
}

// OrganizationTemplates lists the templates of an organization.
//
// GET /api/v2/organizations/{organization}/templates
func (c *Client) OrganizationTemplates(ctx context.Context, organization string) ([]Template, error) {
	var out []Template
	err := c.get(ctx, "list the templates of "+organization, api("organizations", organization, "templates"), nil, &out)
	return out, err
}

// Template reads a template by ID.
//
// GET /api/v2/templates/{template}
func (c *Client) Template(ctx context.Context, id uuid.UUID) (Template, error) {
	var out Template
	err := c.get(ctx, "read template "+id.String(), api("templates", id.String()), nil, &out)
	return out, err
}

// TemplateByName reads a template by its organization (ID, name or "default")
// and name.
//
// GET /api/v2/organizations/{organization}/templates/{name}
func (c *Client) TemplateByName(ctx context.Context, organization, name string) (Template, error) {
	var out Template
	err := c.get(ctx, "read template "+name+" of "+organization, api("organizations", organization, "templates", name), nil, &out)
	return out, err
}

// CreateTemplateRequest describes a new template.
type CreateTemplateRequest struct {
	Name string `json:"name"`
	// VersionID is an imported version without a template.
	VersionID   uuid.UUID `json:"template_version_id"`
	DisplayName string    `json:"display_name,omitempty"`
	Description string    `json:"description,omitempty"` // less than 128 characters
	// DefaultTTLMillis is after how many milliseconds new workspaces stop. 0
	// means never.
	DefaultTTLMillis int64 `json:"default_ttl_ms,omitempty"`
	// AllowUserCancelWorkspaceJobs lets members cancel their builds.
	AllowUserCancelWorkspaceJobs *bool `json:"allow_user_cancel_workspace_jobs,omitempty"`
}

// CreateTemplate makes a template of an imported version. A name that is
// taken is [IsConflict].
//
// POST /api/v2/organizations/{organization}/templates
func (c *Client) CreateTemplate(ctx context.Context, organization string, req CreateTemplateRequest) (Template, error) {
	var out Template
	err := c.do(ctx, call{
		action: "create template " + req.Name, method: http.MethodPost,
		path: api("organizations", organization, "templates"), body: req, out: &out,
	})
	return out, err
}

// DeleteTemplate deletes a template. One with workspaces is [IsInvalid].
//
// DELETE /api/v2/templates/{template}
func (c *Client) DeleteTemplate(ctx context.Context, id uuid.UUID) error {
	return c.do(ctx, call{
		action: "delete template " + id.String(), method: http.MethodDelete, path: api("templates", id.String()),
		repeatable: true, removes: true,
	})
}

// SetActiveVersion makes a version the one that new workspaces get.
//
// PATCH /api/v2/templates/{template}/versions
func (c *Client) SetActiveVersion(ctx context.Context, template, version uuid.UUID) error {
	return c.do(ctx, call{
		action: "make version " + version.String() + " active", method: http.MethodPatch,
		path: api("templates", template.String(), "versions"), body: map[string]uuid.UUID{"id": version}, repeatable: true,
	})
}
