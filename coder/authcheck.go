package coder

import (
	"context"
	"net/http"
)

// Permission is something that a user may or may not do.
type Permission struct {
	// Action is "create", "read", "update", "delete", "ssh",
	// "application_connect" and so on.
	Action string
	// ResourceType is "workspace", "user", "template" and so on.
	ResourceType string
	// OwnerID narrows it to what belongs to a user: an ID, or [Me].
	OwnerID string
	// OrganizationID narrows it to an organization.
	OrganizationID string
	// ResourceID narrows it to one thing.
	ResourceID string
	// AnyOrganization asks whether any organization allows it.
	AnyOrganization bool
}

// String is a short name such as "create workspace".
func (p Permission) String() string {
	s := p.Action + " " + p.ResourceType
	if p.OwnerID != "" {
		s += " of " + p.OwnerID
	}
	if p.OrganizationID != "" {
		s += " in organization " + p.OrganizationID
	}
	if p.ResourceID != "" {
		s += " " + p.ResourceID
	}
	return s
}

// AuthCheck asks which of the permissions the token's user has. The keys are
// the caller's.
//
// POST /api/v2/authcheck
func (c *Client) AuthCheck(ctx context.Context, checks map[string]Permission) (map[string]bool, error) {
	type object struct {
		ResourceType   string `json:"resource_type"`
		OwnerID        string `json:"owner_id,omitempty"`
		OrganizationID string `json:"organization_id,omitempty"`
		ResourceID     string `json:"resource_id,omitempty"`
		AnyOrg         bool   `json:"any_org,omitempty"`
	}
	type check struct {
		Object object `json:"object"`
		Action string `json:"action"`
	}
	body := make(map[string]check, len(checks))
	for name, p := range checks {
		body[name] = check{Action: p.Action, Object: object{p.ResourceType, p.OwnerID, p.OrganizationID, p.ResourceID, p.AnyOrganization}}
	}
	var out map[string]bool
	err := c.do(ctx, call{
		action: "ask what the token may do", method: http.MethodPost, path: api("authcheck"),
		body: map[string]any{"checks": body}, out: &out, repeatable: true,
	})
	return out, err
}
