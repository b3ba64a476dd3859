package coder

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Timings says what took how long in a build.
type Timings struct {
	Provisioner []ProvisionerTiming `json:"provisioner_timings"`
	Scripts     []ScriptTiming      `json:"agent_script_timings"`
	Agents      []AgentTiming       `json:"agent_connection_timings"`
}

// ProvisionerTiming is one step of the provisioner.
type ProvisionerTiming struct {
	Stage     string    `json:"stage"`
	Source    string    `json:"source"`
	Action    string    `json:"action"`
	Resource  string    `json:"resource"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
}

// ScriptTiming is one run of an agent's script.
type ScriptTiming struct {
	Stage       string    `json:"stage"`
	Status      string    `json:"status"`
	DisplayName string    `json:"display_name"`
	AgentID     uuid.UUID `json:"workspace_agent_id"`
	ExitCode    int       `json:"exit_code"`
	StartedAt   time.Time `json:"started_at"`
	EndedAt     time.Time `json:"ended_at"`
}

// AgentTiming is an agent's way to its first connection.
type AgentTiming struct {
	Stage     string    `json:"stage"`
	AgentID   uuid.UUID `json:"workspace_agent_id"`
	AgentName string    `json:"workspace_agent_name"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
}

// BuildTimings reads what took how long in a build.
//
// GET /api/v2/workspacebuilds/{build}/timings
func (c *Client) BuildTimings(ctx context.Context, id uuid.UUID) (Timings, error) {
	var out Timings
	err := c.get(ctx, "read the timings of build "+id.String(), api("workspacebuilds", id.String(), "timings"), nil, &out)
	return out, err
}

// WorkspaceTimings reads what took how long in the latest build of a
// workspace.
//
// GET /api/v2/workspaces/{workspace}/timings
func (c *Client) WorkspaceTimings(ctx context.Context, id uuid.UUID) (Timings, error) {
	var out Timings
	err := c.get(ctx, "read the timings of workspace "+id.String(), api("workspaces", id.String(), "timings"), nil, &out)
	return out, err
}
