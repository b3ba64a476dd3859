package coder

import (
	"context"
	"iter"

	"github.com/google/uuid"
)

// Agent reads an agent by ID. One of an earlier build is [IsNotFound], or on
// older servers disconnected.
//
// GET /api/v2/workspaceagents/{agent}
func (c *Client) Agent(ctx context.Context, id uuid.UUID) (Agent, error) {
	var out Agent
	err := c.get(ctx, "read agent "+id.String(), api("workspaceagents", id.String()), nil, &out)
	return out, err
}

// AgentLogs reads the log of an agent's scripts after a log ID, 0 for all.
//
// GET /api/v2/workspaceagents/{agent}/logs
func (c *Client) AgentLogs(ctx context.Context, id uuid.UUID, after int64) ([]AgentLog, error) {
	var out []AgentLog
	err := c.get(ctx, "read the log of agent "+id.String(), api("workspaceagents", id.String(), "logs"), afterValues(after), &out)
	return out, err
}

// FollowAgentLogs yields the log of an agent's scripts after a log ID as it is
// written, 0 for all. It ends when the agent is no longer part of the latest
// build. After a lost connection it goes on behind the last line. An error is
// the last thing that it yields.
//
// GET /api/v2/workspaceagents/{agent}/logs?follow (WebSocket)
func (c *Client) FollowAgentLogs(ctx context.Context, id uuid.UUID, after int64) iter.Seq2[AgentLog, error] {
	return followLogs(ctx, c, logFollow[AgentLog]{
		action: "follow the log of agent " + id.String(),
		path:   api("workspaceagents", id.String(), "logs"),
		after:  after,
		decode: decodeLogs[AgentLog],
		id:     func(l AgentLog) int64 { return l.ID },
	})
}

// ListeningPort is a port in a workspace on which something listens.
type ListeningPort struct {
	ProcessName string `json:"process_name"`
	Network     string `json:"network"`
	Port        int    `json:"port"`
}

// ListeningPorts lists the ports in a workspace. The server asks the agent.
//
// GET /api/v2/workspaceagents/{agent}/listening-ports
func (c *Client) ListeningPorts(ctx context.Context, id uuid.UUID) ([]ListeningPort, error) {
	var out struct {
		Ports []ListeningPort `json:"ports"`
	}
	err := c.get(ctx, "list the ports of agent "+id.String(), api("workspaceagents", id.String(), "listening-ports"), nil, &out)
	return out.Ports, err
}

// ConnectionInfo is how to reach agents over the tailnet.
type ConnectionInfo struct {
	DERPMap                  DERPMap `json:"derp_map"`
	DERPForceWebSockets      bool    `json:"derp_force_websockets"`
	DisableDirectConnections bool    `json:"disable_direct_connections"`
	HostnameSuffix           string  `json:"hostname_suffix"` // empty on old servers
}

// AgentConnectionInfo reads how to reach an agent over the tailnet. A Nil ID
// reads what holds for all agents.
//
// GET /api/v2/workspaceagents/{agent}/connection
func (c *Client) AgentConnectionInfo(ctx context.Context, id uuid.UUID) (ConnectionInfo, error) {
	path, action := api("workspaceagents", id.String(), "connection"), "read how to reach agent "+id.String()
	if id == uuid.Nil {
		path, action = api("workspaceagents", "connection"), "read how to reach agents"
	}
	var out ConnectionInfo
	err := c.get(ctx, action, path, nil, &out)
	return out, err
}

// ExternalAgentToken reads the token with which an agent outside of the
// deployment's control connects. It is a secret: keep it out of logs. Without
// a licence the endpoint does not exist ([IsUnsupported]), and servers before
// 2.26 never have it.
//
// GET /api/v2/workspaces/{workspace}/external-agent/{agent}/credentials
func (c *Client) ExternalAgentToken(ctx context.Context, workspace uuid.UUID, agent string) (string, error) {
	var out struct {
		AgentToken string `json:"agent_token"`
	}
	err := c.get(ctx, "read the token of agent "+agent+" of workspace "+workspace.String(),
		api("workspaces", workspace.String(), "external-agent", agent, "credentials"), nil, &out)
	return out.AgentToken, err
}
