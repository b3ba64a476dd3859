package coder

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Transitions of a build.
const (
	TransitionStart  = "start"
	TransitionStop   = "stop"
	TransitionDelete = "delete"
)

// Build is one start, stop or delete of a workspace.
type Build struct {
	ID                  uuid.UUID            `json:"id"`
	Number              int                  `json:"build_number"`
	WorkspaceID         uuid.UUID            `json:"workspace_id"`
	WorkspaceName       string               `json:"workspace_name"`
	WorkspaceOwnerID    uuid.UUID            `json:"workspace_owner_id"`
	WorkspaceOwnerName  string               `json:"workspace_owner_name"`
	TemplateVersionID   uuid.UUID            `json:"template_version_id"`
	TemplateVersionName string               `json:"template_version_name"`
	Transition          string               `json:"transition"`
	Reason              string               `json:"reason"`
	Status              string               `json:"status"` // one of the Status constants
	InitiatorID         uuid.UUID            `json:"initiator_id"`
	InitiatorName       string               `json:"initiator_name"`
	Job                 Job                  `json:"job"`
	Resources           []Resource           `json:"resources"`
	CreatedAt           time.Time            `json:"created_at"`
	UpdatedAt           time.Time            `json:"updated_at"`
	Deadline            time.Time            `json:"deadline"` // when the workspace stops, zero means never
	MaxDeadline         time.Time            `json:"max_deadline"`
	DailyCost           int                  `json:"daily_cost"`
	MatchedProvisioners *MatchedProvisioners `json:"matched_provisioners"` // nil on old servers
	HasExternalAgent    bool                 `json:"has_external_agent"`
}

// Agents returns the agents of all resources, in the server's order.
func (b Build) Agents() []Agent {
	var agents []Agent
	for _, r := range b.Resources {
		agents = append(agents, r.Agents...)
	}
	return agents
}

// Done reports whether the build has ended, well or not.
func (b Build) Done() bool { return b.Job.Done() }

// CreateBuildRequest describes a build.
type CreateBuildRequest struct {
	// Transition is TransitionStart, TransitionStop or TransitionDelete.
	Transition string `json:"transition"`
	// TemplateVersionID changes the version. Nil means the one in use.
	TemplateVersionID uuid.UUID `json:"template_version_id,omitzero"`
	// Parameters are values of rich parameters.
	Parameters []BuildParameter `json:"rich_parameter_values,omitempty"`
	// Orphan deletes the record and leaves what it stands for behind. It
	// needs the right to change the template.
	Orphan bool `json:"orphan,omitempty"`
}

// CreateBuild begins a build. It is never sent twice. While another is active
// the error is [IsConflict]. Starting a running workspace builds it anew.
//
// POST /api/v2/workspaces/{workspace}/builds
func (c *Client) CreateBuild(ctx context.Context, workspace uuid.UUID, req CreateBuildRequest) (Build, error) {
	var out Build
	err := c.do(ctx, call{
		action: req.Transition + " workspace " + workspace.String(), method: http.MethodPost,
		path: api("workspaces", workspace.String(), "builds"), body: req, out: &out,
	})
	return out, err
}

// Build reads a build by ID.
//
// GET /api/v2/workspacebuilds/{build}
func (c *Client) Build(ctx context.Context, id uuid.UUID) (Build, error) {
	var out Build
	err := c.get(ctx, "read build "+id.String(), api("workspacebuilds", id.String()), nil, &out)
	return out, err
}

// BuildByNumber reads a build by its number, counted from 1 in each
// workspace.
//
// GET /api/v2/users/{user}/workspace/{name}/builds/{number}
func (c *Client) BuildByNumber(ctx context.Context, owner, workspace string, number int) (Build, error) {
	n := strconv.Itoa(number)
	var out Build
	err := c.get(ctx, "read build "+n+" of "+owner+"/"+workspace, api("users", owner, "workspace", workspace, "builds", n), nil, &out)
	return out, err
}

// WorkspaceBuilds lists the latest builds of a workspace, the newest first. A
// limit of 0 means all.
//
// GET /api/v2/workspaces/{workspace}/builds
func (c *Client) WorkspaceBuilds(ctx context.Context, workspace uuid.UUID, limit int) ([]Build, error) {
	var out []Build
	err := c.get(ctx, "list the builds of workspace "+workspace.String(), api("workspaces", workspace.String(), "builds"), pageValues("", limit, 0), &out)
	return out, err
}

// Values of expect for CancelBuild.
const (
	// CancelPending cancels only a build that has not begun. Members may
	// always do that.
	CancelPending = "pending"
	// CancelRunning cancels only a build that has begun.
	CancelRunning = "running"
)

// CancelBuild asks a build to stop. Expect is CancelPending, CancelRunning or
// empty for either. A build in another state is [StateMismatch], one that has
// ended or was canceled before is [IsInvalid], and templates can forbid it to
// members ([IsForbidden]). Delete the workspace afterwards.
//
// PATCH /api/v2/workspacebuilds/{build}/cancel
func (c *Client) CancelBuild(ctx context.Context, id uuid.UUID, expect string) error {
	query := url.Values{}
	if expect != "" {
		query.Set("expect_status", expect)
	}
	return c.do(ctx, call{
		action: "cancel build " + id.String(), method: http.MethodPatch,
		path: api("workspacebuilds", id.String(), "cancel"), query: query,
	})
}

// StateMismatch reports whether a build was not canceled because it is in
// another state than was expected (412).
func StateMismatch(err error) bool {
	return asError(err).StatusCode == http.StatusPreconditionFailed
}

// IsImporting reports whether a build was refused because its template
// version is still being imported (406). It can work a moment later.
func IsImporting(err error) bool {
	return asError(err).StatusCode == http.StatusNotAcceptable
}

// BuildParameters lists the parameter values of a build.
//
// GET /api/v2/workspacebuilds/{build}/parameters
func (c *Client) BuildParameters(ctx context.Context, id uuid.UUID) ([]BuildParameter, error) {
	var out []BuildParameter
	err := c.get(ctx, "list the parameters of build "+id.String(), api("workspacebuilds", id.String(), "parameters"), nil, &out)
	return out, err
}

// BuildResources lists what a build made.
//
// GET /api/v2/workspacebuilds/{build}/resources
func (c *Client) BuildResources(ctx context.Context, id uuid.UUID) ([]Resource, error) {
	var out []Resource
	err := c.get(ctx, "list the resources of build "+id.String(), api("workspacebuilds", id.String(), "resources"), nil, &out)
	return out, err
}

// BuildState reads the provisioner's state of a build as it is, for Terraform
// its state file. It needs the right to change the template, and contains the
// agents' tokens: keep it out of logs.
//
// GET /api/v2/workspacebuilds/{build}/state
func (c *Client) BuildState(ctx context.Context, id uuid.UUID) ([]byte, error) {
	var out string
	err := c.get(ctx, "read the state of build "+id.String(), api("workspacebuilds", id.String(), "state"), nil, &out)
	return []byte(out), err
}

// BuildLogs reads the log of a build after a log ID, 0 for all.
//
// GET /api/v2/workspacebuilds/{build}/logs
func (c *Client) BuildLogs(ctx context.Context, id uuid.UUID, after int64) ([]ProvisionerLog, error) {
	var out []ProvisionerLog
	err := c.get(ctx, "read the log of build "+id.String(), api("workspacebuilds", id.String(), "logs"), afterValues(after), &out)
	return out, err
}

// FollowBuildLogs yields the log of a build after a log ID as it is written,
// 0 for all, until the build has ended. After a lost connection it goes on
// behind the last line. It also ends when the server forgets to close the
// stream, as it does for a build canceled while pending. An error is the last
// thing that it yields.
//
// GET /api/v2/workspacebuilds/{build}/logs?follow (WebSocket)
func (c *Client) FollowBuildLogs(ctx context.Context, id uuid.UUID, after int64) iter.Seq2[ProvisionerLog, error] {
	return followLogs(ctx, c, logFollow[ProvisionerLog]{
		action: "follow the log of build " + id.String(),
		path:   api("workspacebuilds", id.String(), "logs"),
		after:  after,
		decode: decodeLogs[ProvisionerLog],
		id:     func(l ProvisionerLog) int64 { return l.ID },
		done: func(ctx context.Context) (bool, error) {
			b, err := c.Build(ctx, id)
			return b.Done(), err
		},
	})
}
