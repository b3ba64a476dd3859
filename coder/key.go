package coder

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// APIKey describes a token. The token itself is shown only when it is made.
type APIKey struct {
	ID              string    `json:"id"` // the part of the token before the dash
	UserID          uuid.UUID `json:"user_id"`
	TokenName       string    `json:"token_name"`
	Scope           string    `json:"scope"`      // all or application_connect
	LoginType       string    `json:"login_type"` // token for API tokens
	LastUsed        time.Time `json:"last_used"`  // of 1970 or earlier: never
	CreatedAt       time.Time `json:"created_at"`
	ExpiresAt       time.Time `json:"expires_at"`
	LifetimeSeconds int64     `json:"lifetime_seconds"`
	Username        string    `json:"username"` // only in listings
}

// KeyID is the ID of a token, which may be shown and logged.
func KeyID(token string) string {
	id, _, ok := strings.Cut(token, "-")
	if !ok || len(id) != 10 {
		return ""
	}
	return id
}

// CreateTokenRequest describes a new API token.
type CreateTokenRequest struct {
	// Lifetime is how long the token works. 0 is the server's default of 7
	// days, which is also the most that an owner's token can have.
	Lifetime time.Duration
	// Name tells tokens of one user apart. Empty means that the server picks.
	Name string
	// Scope is "all" when empty, or "application_connect" for apps only.
	Scope string
}

// CreateToken makes an API token for a user and returns it. An owner can do
// it for everybody. A name that is taken is [IsConflict].
//
// POST /api/v2/users/{user}/keys/tokens
func (c *Client) CreateToken(ctx context.Context, user string, req CreateTokenRequest) (string, error) {
	body := map[string]any{}
	if req.Lifetime > 0 {
		body["lifetime"] = req.Lifetime.Nanoseconds()
	}
	if req.Name != "" {
		body["token_name"] = req.Name
	}
	if req.Scope != "" {
		body["scope"] = req.Scope
	}
	return c.createKey(ctx, call{
		action: "create a token for " + user, method: http.MethodPost, path: api("users", user, "keys", "tokens"), body: body,
	})
}

// CreateSessionKey makes a session for a user and returns its token. An owner
// can do it for everybody: no password, no login limit, no slow hash.
//
// POST /api/v2/users/{user}/keys
func (c *Client) CreateSessionKey(ctx context.Context, user string) (string, error) {
	return c.createKey(ctx, call{
		action: "create a session for " + user, method: http.MethodPost, path: api("users", user, "keys"),
	})
}

func (c *Client) createKey(ctx context.Context, cl call) (string, error) {
	var out struct {
		Key string `json:"key"`
	}
	cl.out = &out
	err := c.do(ctx, cl)
	return out.Key, err
}

// Tokens lists the API tokens of a user that have not expired.
//
// GET /api/v2/users/{user}/keys/tokens
func (c *Client) Tokens(ctx context.Context, user string) ([]APIKey, error) {
	var out []APIKey
	err := c.get(ctx, "list the tokens of "+user, api("users", user, "keys", "tokens"), nil, &out)
	return out, err
}

// AllTokens lists the API tokens of all users, as far as the client's token
// may see them.
//
// GET /api/v2/users/me/keys/tokens?include_all=true
func (c *Client) AllTokens(ctx context.Context) ([]APIKey, error) {
	var out []APIKey
	err := c.get(ctx, "list all tokens", api("users", Me, "keys", "tokens"), url.Values{"include_all": {"true"}}, &out)
	return out, err
}

// Key reads a token or session by its ID.
//
// GET /api/v2/users/{user}/keys/{id}
func (c *Client) Key(ctx context.Context, user, id string) (APIKey, error) {
	var out APIKey
	err := c.get(ctx, "read key "+id+" of "+user, api("users", user, "keys", id), nil, &out)
	return out, err
}

// DeleteKey deletes a token or session by its ID, see [KeyID]. It stops
// working at once.
//
// DELETE /api/v2/users/{user}/keys/{id}
func (c *Client) DeleteKey(ctx context.Context, user, id string) error {
	return c.do(ctx, call{
		action: "delete key " + id + " of " + user, method: http.MethodDelete, path: api("users", user, "keys", id),
		repeatable: true, removes: true,
	})
}

// MaxTokenLifetime reads how long a token of the user may live.
//
// GET /api/v2/users/{user}/keys/tokens/tokenconfig
func (c *Client) MaxTokenLifetime(ctx context.Context, user string) (time.Duration, error) {
	var out struct {
		MaxTokenLifetime time.Duration `json:"max_token_lifetime"` // nanoseconds
	}
	err := c.get(ctx, "read the token settings of "+user, api("users", user, "keys", "tokens", "tokenconfig"), nil, &out)
	return out.MaxTokenLifetime, err
}
