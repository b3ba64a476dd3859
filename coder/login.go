package coder

import (
	"context"
	"net/http"
)

// Login signs in with a password and returns a session token. A wrong
// password is [IsUnauthorized]. The server takes 60 logins a minute from one
// address, and each costs it a slow hash: for many users, CreateSessionKey is
// cheaper. With an owner's token on the client, newer servers lift the limit.
//
// POST /api/v2/users/login
func (c *Client) Login(ctx context.Context, email, password string) (string, error) {
	var out struct {
		SessionToken string `json:"session_token"`
	}
	err := c.do(ctx, call{
		action: "sign in as " + email, method: http.MethodPost, path: api("users", "login"),
		body: map[string]string{"email": email, "password": password}, out: &out,
		// Only a token that lifts the limit is of use here. Another one could
		// be expired, and has no say in who signs in.
		anonymous: !c.sendsBypass(), secrets: []string{password},
	})
	return out.SessionToken, err
}

// Logout deletes the session that the client's token belongs to. The token
// does not work afterwards.
//
// POST /api/v2/users/logout
func (c *Client) Logout(ctx context.Context) error {
	return c.do(ctx, call{action: "sign out", method: http.MethodPost, path: api("users", "logout")})
}

// HasFirstUser reports whether the deployment has been set up.
//
// GET /api/v2/users/first
func (c *Client) HasFirstUser(ctx context.Context) (bool, error) {
	err := c.get(ctx, "see whether there is a first user", api("users", "first"), nil, nil)
	if e := asError(err); e.StatusCode == http.StatusNotFound && e.FromCoder {
		return false, nil
	}
	return err == nil, err
}

// CreateFirstUser sets up an empty deployment with an owner. When it is
// already set up, the error is [IsConflict].
//
// POST /api/v2/users/first
func (c *Client) CreateFirstUser(ctx context.Context, req CreateUserRequest) error {
	return c.do(ctx, call{
		action: "create the first user " + req.Username, method: http.MethodPost, path: api("users", "first"),
		body: map[string]any{
			"email": req.Email, "username": req.Username, "name": req.Name, "password": req.Password,
			"trial": false, "trial_info": map[string]any{},
		},
		anonymous: true, secrets: []string{req.Password},
	})
}
