package coder

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Me is the user to whom the client's token belongs.
const Me = "me"

// RoleOwner is the site role that may do everything.
const RoleOwner = "owner"

// User is a person or a service account.
type User struct {
	ID              uuid.UUID   `json:"id"`
	Username        string      `json:"username"`
	Name            string      `json:"name"`
	Email           string      `json:"email"`
	CreatedAt       time.Time   `json:"created_at"`
	LastSeenAt      time.Time   `json:"last_seen_at"`
	Status          string      `json:"status"`     // active, dormant or suspended
	LoginType       string      `json:"login_type"` // password, github, oidc, none or token
	OrganizationIDs []uuid.UUID `json:"organization_ids"`
	Roles           []Role      `json:"roles"`
}

// Role is a role of a user.
type Role struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
}

// IsOwner reports whether the user has the site role owner.
func (u User) IsOwner() bool {
	for _, role := range u.Roles {
		if role.Name == RoleOwner {
			return true
		}
	}
	return false
}

// UsersQuery selects users. The zero value selects all.
type UsersQuery struct {
	// Search is a piece of a user name or email.
	Search string
	// Status is active, dormant or suspended.
	Status string
	// Role is the name of a site role.
	Role string
	// Limit is the size of a page. For Users 0 means all, for AllUsers 100.
	Limit int
	// Offset is how many users to skip. AllUsers does not use it.
	Offset int
}

func (q UsersQuery) values() url.Values {
	return pageValues(searchQuery(q.Search, "status", q.Status, "role", q.Role), q.Limit, q.Offset)
}

// UsersPage is one page of users. Past the end its Count is 0.
type UsersPage struct {
	Users []User `json:"users"`
	Count int    `json:"count"` // of all that the query selects
}

// User reads a user by ID, by name, or as [Me].
//
// GET /api/v2/users/{user}
func (c *Client) User(ctx context.Context, user string) (User, error) {
	var out User
	err := c.get(ctx, "read user "+user, api("users", user), nil, &out)
	return out, err
}

// Users reads one page of users, ordered by name.
//
// GET /api/v2/users
func (c *Client) Users(ctx context.Context, q UsersQuery) (UsersPage, error) {
	var out UsersPage
	err := c.get(ctx, "list users", api("users"), q.values(), &out)
	return out, err
}

// AllUsers reads all users that the query selects, page by page, without gaps
// or doubles while others come and go. They are ordered by creation, then ID.
//
// GET /api/v2/users
func (c *Client) AllUsers(ctx context.Context, q UsersQuery) ([]User, error) {
	return readAll(ctx, q.Limit, pager[User]{
		read: func(ctx context.Context, limit, offset int) ([]User, int, error) {
			q.Limit, q.Offset = limit, offset
			page, err := c.Users(ctx, q)
			return page.Users, page.Count, err
		},
		key: func(u User) (uuid.UUID, time.Time) { return u.ID, u.CreatedAt },
	})
}

// CreateUserRequest describes a new user.
type CreateUserRequest struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Name     string `json:"name,omitempty"`
	// Password has at most 64 characters and at least 52 bits of entropy.
	Password string `json:"password"`
	// LoginType is "password" when empty. Newer servers refuse "none".
	LoginType string `json:"login_type,omitempty"`
	// UserStatus is dormant when empty. The first call of the user activates.
	UserStatus string `json:"user_status,omitempty"`
	// OrganizationIDs are the user's organizations. Empty means the default.
	OrganizationIDs []uuid.UUID `json:"organization_ids"`
}

// Format keeps the password out of whatever prints the request.
func (r CreateUserRequest) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "coder.CreateUserRequest{Username: "+r.Username+", Email: "+r.Email+", Password: "+redacted+"}")
}

// LogValue keeps the password out of structured logs.
func (r CreateUserRequest) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// CreateUser makes a user. A name or email that is taken is [IsConflict].
// Give roles with SetUserRoles, because older servers ignore them here.
//
// POST /api/v2/users
func (c *Client) CreateUser(ctx context.Context, req CreateUserRequest) (User, error) {
	if len(req.OrganizationIDs) == 0 {
		req.OrganizationIDs = []uuid.UUID{uuid.Nil} // means the default organization
	}
	if req.LoginType == "" {
		req.LoginType = "password"
	}
	var out User
	err := c.do(ctx, call{
		action: "create user " + req.Username, method: http.MethodPost, path: api("users"),
		body: req, out: &out, secrets: []string{req.Password},
	})
	return out, err
}

// DeleteUser deletes a user. One who still owns workspaces is refused (417,
// see [OwnsWorkspaces]). One who is already gone is [IsNotFound].
//
// DELETE /api/v2/users/{user}
func (c *Client) DeleteUser(ctx context.Context, user string) error {
	return c.do(ctx, call{
		action: "delete user " + user, method: http.MethodDelete, path: api("users", user),
		repeatable: true, removes: true,
	})
}

// OwnsWorkspaces reports whether a user was not deleted because of workspaces
// that must be deleted first (417).
func OwnsWorkspaces(err error) bool {
	return asError(err).StatusCode == http.StatusExpectationFailed
}

// UserRoles are the roles of a user.
type UserRoles struct {
	Roles             []string               `json:"roles"` // site roles; every user is also a member
	OrganizationRoles map[uuid.UUID][]string `json:"organization_roles"`
}

// IsOwner reports whether the site role owner is among them.
func (r UserRoles) IsOwner() bool {
	for _, role := range r.Roles {
		if role == RoleOwner {
			return true
		}
	}
	return false
}

// UserRoles reads the roles of a user.
//
// GET /api/v2/users/{user}/roles
func (c *Client) UserRoles(ctx context.Context, user string) (UserRoles, error) {
	var out UserRoles
	err := c.get(ctx, "read the roles of "+user, api("users", user, "roles"), nil, &out)
	return out, err
}

// SetUserRoles replaces the site roles of a user. None is a plain member.
//
// PUT /api/v2/users/{user}/roles
func (c *Client) SetUserRoles(ctx context.Context, user string, roles ...string) (User, error) {
	if roles == nil {
		roles = []string{}
	}
	var out User
	err := c.do(ctx, call{
		action: "set the roles of " + user, method: http.MethodPut, path: api("users", user, "roles"),
		body: map[string][]string{"roles": roles}, out: &out, repeatable: true,
	})
	return out, err
}

// SuspendUser suspends a user: tokens stop working, nothing is deleted. An
// owner or oneself can't be suspended.
//
// PUT /api/v2/users/{user}/status/suspend
func (c *Client) SuspendUser(ctx context.Context, user string) (User, error) {
	return c.setStatus(ctx, user, "suspend")
}

// ActivateUser ends a suspension.
//
// PUT /api/v2/users/{user}/status/activate
func (c *Client) ActivateUser(ctx context.Context, user string) (User, error) {
	return c.setStatus(ctx, user, "activate")
}

func (c *Client) setStatus(ctx context.Context, user, verb string) (User, error) {
	var out User
	err := c.do(ctx, call{
		action: verb + " user " + user, method: http.MethodPut, path: api("users", user, "status", verb),
		out: &out, repeatable: true,
	})
	return out, err
}

// pageValues is the query of a listing.
func pageValues(q string, limit, offset int) url.Values {
	v := url.Values{}
	if q != "" {
		v.Set("q", q)
	}
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	if offset > 0 {
		v.Set("offset", strconv.Itoa(offset))
	}
	return v
}
