package coder

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// Statuses of a workspace and of its builds. Servers may add others.
const (
	StatusPending   = "pending"
	StatusStarting  = "starting"
	StatusRunning   = "running"
	StatusStopping  = "stopping"
	StatusStopped   = "stopped"
	StatusFailed    = "failed"
	StatusCanceling = "canceling"
	StatusCanceled  = "canceled"
	StatusDeleting  = "deleting"
	StatusDeleted   = "deleted"
)

// Workspace is somebody's workspace with its latest build.
type Workspace struct {
	ID                      uuid.UUID `json:"id"`
	Name                    string    `json:"name"`
	OwnerID                 uuid.UUID `json:"owner_id"`
	OwnerName               string    `json:"owner_name"`
	OrganizationID          uuid.UUID `json:"organization_id"`
	OrganizationName        string    `json:"organization_name"`
	TemplateID              uuid.UUID `json:"template_id"`
	TemplateName            string    `json:"template_name"`
	TemplateActiveVersionID uuid.UUID `json:"template_active_version_id"`
	CreatedAt               time.Time `json:"created_at"`
	UpdatedAt               time.Time `json:"updated_at"`
	LastUsedAt              time.Time `json:"last_used_at"`
	LatestBuild             Build     `json:"latest_build"`
	Outdated                bool      `json:"outdated"`
	Health                  Health    `json:"health"`
	AutostartSchedule       string    `json:"autostart_schedule"` // cron with CRON_TZ=, empty means none
	TTLMillis               int64     `json:"ttl_ms"`             // milliseconds, 0 means none
	DormantAt               time.Time `json:"dormant_at"`         // zero unless dormant
	DeletingAt              time.Time `json:"deleting_at"`
	AutomaticUpdates        string    `json:"automatic_updates"` // always or never
	Favorite                bool      `json:"favorite"`
	IsPrebuild              bool      `json:"is_prebuild"`
}

// Health is the server's opinion on a workspace. Use the status and lifecycle
// of the agents for readiness: servers before 2.37 call an agent healthy that
// never connected.
type Health struct {
	Healthy       bool        `json:"healthy"`
	FailingAgents []uuid.UUID `json:"failing_agents"`
}

// Agents returns the agents of the latest build, also those of dev
// containers. A stopped or failed workspace can have none.
func (w Workspace) Agents() []Agent { return w.LatestBuild.Agents() }

// FullName is owner/name.
func (w Workspace) FullName() string { return w.OwnerName + "/" + w.Name }

// Workspace reads a workspace by ID. A deleted one is [IsGone].
//
// GET /api/v2/workspaces/{workspace}
func (c *Client) Workspace(ctx context.Context, id uuid.UUID) (Workspace, error) {
	return c.workspace(ctx, id, nil)
}

// DeletedWorkspace reads a workspace by ID, even if it was deleted.
//
// GET /api/v2/workspaces/{workspace}?include_deleted=true
func (c *Client) DeletedWorkspace(ctx context.Context, id uuid.UUID) (Workspace, error) {
	return c.workspace(ctx, id, url.Values{"include_deleted": {"true"}})
}

func (c *Client) workspace(ctx context.Context, id uuid.UUID, query url.Values) (Workspace, error) {
	var out Workspace
	err := c.get(ctx, "read workspace "+id.String(), api("workspaces", id.String()), query, &out)
	return out, err
}

// WorkspaceByOwnerAndName reads a workspace by its owner (ID, name or [Me])
// and name.
//
// GET /api/v2/users/{user}/workspace/{name}
func (c *Client) WorkspaceByOwnerAndName(ctx context.Context, owner, name string) (Workspace, error) {
	var out Workspace
	err := c.get(ctx, "read workspace "+owner+"/"+name, api("users", owner, "workspace", name), nil, &out)
	return out, err
}

// CreateWorkspaceRequest describes a new workspace. Exactly one of TemplateID
// and TemplateVersionID is set.
type CreateWorkspaceRequest struct {
	Name string `json:"name"`
	// TemplateID means the template's active version.
	TemplateID uuid.UUID `json:"template_id,omitzero"`
	// TemplateVersionID means this version.
	TemplateVersionID uuid.UUID `json:"template_version_id,omitzero"`
	// Parameters are values of rich parameters. The server ignores unknown
	// names and uses defaults for those that are left out.
	Parameters []BuildParameter `json:"rich_parameter_values,omitempty"`
	// AutostartSchedule is a cron line with CRON_TZ=. Empty means none.
	AutostartSchedule string `json:"autostart_schedule,omitempty"`
	// TTLMillis is after how many milliseconds the workspace stops. 0 means
	// the template's default.
	TTLMillis int64 `json:"ttl_ms,omitempty"`
	// AutomaticUpdates is "always" or "never". Empty means never.
	AutomaticUpdates string `json:"automatic_updates,omitempty"`
}

// CreateWorkspace makes a workspace for a user and begins its first build. It
// is never sent twice: after a lost connection, look with
// WorkspaceByOwnerAndName whether it exists. A name that is taken is
// [IsConflict].
//
// POST /api/v2/users/{user}/workspaces
func (c *Client) CreateWorkspace(ctx context.Context, owner string, req CreateWorkspaceRequest) (Workspace, error) {
	var out Workspace
	err := c.do(ctx, call{
		action: "create workspace " + req.Name + " for " + owner, method: http.MethodPost,
		path: api("users", owner, "workspaces"), body: req, out: &out,
	})
	return out, err
}

// DeleteWorkspace begins the build that deletes a workspace. Wait for it with
// WaitBuild. Call it for workspaces whose build was canceled as well, because
// something may exist all the same. A workspace that is already deleted is
// [IsGone] or [IsNotFound], one with an active build [IsConflict].
//
// POST /api/v2/workspaces/{workspace}/builds
func (c *Client) DeleteWorkspace(ctx context.Context, id uuid.UUID) (Build, error) {
	return c.CreateBuild(ctx, id, CreateBuildRequest{Transition: TransitionDelete})
}

// SetAutostart sets when a workspace starts by itself: a cron line such as
// "CRON_TZ=UTC 30 9 * * 1-5". Empty means never.
//
// PUT /api/v2/workspaces/{workspace}/autostart
func (c *Client) SetAutostart(ctx context.Context, id uuid.UUID, schedule string) error {
	body := map[string]*string{"schedule": nil}
	if schedule != "" {
		body["schedule"] = &schedule
	}
	return c.putWorkspace(ctx, id, "autostart", body)
}

// SetTTL sets how long a workspace runs before it stops, between a minute and
// 30 days. 0 means for ever.
//
// PUT /api/v2/workspaces/{workspace}/ttl
func (c *Client) SetTTL(ctx context.Context, id uuid.UUID, ttl time.Duration) error {
	body := map[string]*int64{"ttl_ms": nil}
	if ttl > 0 {
		millis := ttl.Milliseconds()
		body["ttl_ms"] = &millis
	}
	return c.putWorkspace(ctx, id, "ttl", body)
}

// ExtendWorkspace moves the time at which a running workspace stops. One that
// never stops by itself is [IsConflict].
//
// PUT /api/v2/workspaces/{workspace}/extend
func (c *Client) ExtendWorkspace(ctx context.Context, id uuid.UUID, deadline time.Time) error {
	return unlessNotModified(c.putWorkspace(ctx, id, "extend", map[string]time.Time{"deadline": deadline}))
}

// SetDormant puts a workspace to sleep or wakes it.
//
// PUT /api/v2/workspaces/{workspace}/dormant
func (c *Client) SetDormant(ctx context.Context, id uuid.UUID, dormant bool) error {
	return unlessNotModified(c.putWorkspace(ctx, id, "dormant", map[string]bool{"dormant": dormant}))
}

func (c *Client) putWorkspace(ctx context.Context, id uuid.UUID, what string, body any) error {
	return c.do(ctx, call{
		action: "set the " + what + " of workspace " + id.String(), method: http.MethodPut,
		path: api("workspaces", id.String(), what), body: body, repeatable: true,
	})
}

// unlessNotModified takes 304 for the success that it is.
func unlessNotModified(err error) error {
	if asError(err).StatusCode == http.StatusNotModified {
		return nil
	}
	return err
}

// PostUsage says that a workspace is in use, as the command line does every
// minute. App is "vscode", "jetbrains", "reconnecting-pty" or "ssh"; servers
// look at it only with an experiment. A Nil agent and an empty app are left
// out.
//
// POST /api/v2/workspaces/{workspace}/usage
func (c *Client) PostUsage(ctx context.Context, id, agent uuid.UUID, app string) error {
	body := map[string]any{}
	if agent != uuid.Nil {
		body["agent_id"] = agent
	}
	if app != "" {
		body["app_name"] = app
	}
	return c.do(ctx, call{
		action: "report the use of workspace " + id.String(), method: http.MethodPost,
		path: api("workspaces", id.String(), "usage"), body: body,
	})
}
