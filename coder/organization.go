package coder

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// Organization holds templates and members.
type Organization struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name"`
	IsDefault   bool      `json:"is_default"`
	CreatedAt   time.Time `json:"created_at"`
}

// Organizations lists the organizations that the token may see.
//
// GET /api/v2/organizations
func (c *Client) Organizations(ctx context.Context) ([]Organization, error) {
	var out []Organization
	err := c.get(ctx, "list organizations", api("organizations"), nil, &out)
	return out, err
}

// UserOrganizations lists the organizations of a user.
//
// GET /api/v2/users/{user}/organizations
func (c *Client) UserOrganizations(ctx context.Context, user string) ([]Organization, error) {
	var out []Organization
	err := c.get(ctx, "list the organizations of "+user, api("users", user, "organizations"), nil, &out)
	return out, err
}

// Organization reads an organization by ID, by name, or as "default".
//
// GET /api/v2/organizations/{organization}
func (c *Client) Organization(ctx context.Context, organization string) (Organization, error) {
	var out Organization
	err := c.get(ctx, "read organization "+organization, api("organizations", organization), nil, &out)
	return out, err
}

// Member is a user in an organization.
type Member struct {
	UserID         uuid.UUID `json:"user_id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	Username       string    `json:"username"`
	Email          string    `json:"email"`
	CreatedAt      time.Time `json:"created_at"`
	Roles          []Role    `json:"roles"` // of the organization
}

// Members lists all members of an organization.
//
// GET /api/v2/organizations/{organization}/members
func (c *Client) Members(ctx context.Context, organization string) ([]Member, error) {
	var out []Member
	err := c.get(ctx, "list the members of "+organization, api("organizations", organization, "members"), nil, &out)
	return out, err
}

// AddMember makes a user a member of an organization.
//
// POST /api/v2/organizations/{organization}/members/{user}
func (c *Client) AddMember(ctx context.Context, organization, user string) error {
	return c.do(ctx, call{
		action: "add " + user + " to organization " + organization, method: http.MethodPost,
		path: api("organizations", organization, "members", user),
	})
}

// RemoveMember takes a user out of an organization.
//
// DELETE /api/v2/organizations/{organization}/members/{user}
func (c *Client) RemoveMember(ctx context.Context, organization, user string) error {
	return c.do(ctx, call{
		action: "remove " + user + " from organization " + organization, method: http.MethodDelete,
		path: api("organizations", organization, "members", user), repeatable: true, removes: true,
	})
}

// Quota is what the builds of a user may cost in an organization.
type Quota struct {
	CreditsConsumed int `json:"credits_consumed"`
	Budget          int `json:"budget"` // -1 means no limit
}

// WorkspaceQuota reads the quota of a user. Without a licence the endpoint
// does not exist, see [IsUnsupported].
//
// GET /api/v2/organizations/{organization}/members/{user}/workspace-quota
func (c *Client) WorkspaceQuota(ctx context.Context, organization, user string) (Quota, error) {
	var out Quota
	err := c.get(ctx, "read the quota of "+user, api("organizations", organization, "members", user, "workspace-quota"), nil, &out)
	return out, err
}

// ProvisionerDaemon runs builds.
type ProvisionerDaemon struct {
	ID           uuid.UUID         `json:"id"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Provisioners []string          `json:"provisioners"`
	Tags         map[string]string `json:"tags"`
	Status       string            `json:"status"` // offline, idle or busy; empty on old servers
	LastSeenAt   time.Time         `json:"last_seen_at"`
}

// ProvisionerDaemons lists the daemons of an organization, at most as many as
// builds can run at the same time.
//
// GET /api/v2/organizations/{organization}/provisionerdaemons
func (c *Client) ProvisionerDaemons(ctx context.Context, organization string) ([]ProvisionerDaemon, error) {
	var out []ProvisionerDaemon
	err := c.get(ctx, "list the provisioner daemons of "+organization, api("organizations", organization, "provisionerdaemons"), nil, &out)
	return out, err
}
