package codertest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

func (s *Server) keyRoutes() {
	s.private("POST /api/v2/users/{user}/keys", createSession)
	s.private("POST /api/v2/users/{user}/keys/tokens", createToken)
	s.private("GET /api/v2/users/{user}/keys/tokens", withUser(listTokens))
	s.private("GET /api/v2/users/{user}/keys/tokens/tokenconfig", withUser(func(_ *call, u *user) (int, any) {
		return http.StatusOK, map[string]time.Duration{"max_token_lifetime": maxLifetime(u)}
	}))
	s.private("GET /api/v2/users/{user}/keys/{key}", withUser(getKey))
	s.private("DELETE /api/v2/users/{user}/keys/{key}", deleteKey)
	if !s.as.old {
		s.private("PUT /api/v2/users/{user}/keys/{key}/expire", expireKey)
	}
}

const week = 7 * 24 * time.Hour

// maxLifetime is how long a token may live: a week for those who may do
// everything.
func maxLifetime(u *user) time.Duration {
	if u.owner() {
		return week
	}
	return 876600 * time.Hour
}

var createSession = changingUser(func(c *call, u *user) (int, any) {
	if u != c.user && !c.user.owner() {
		return http.StatusForbidden, forbidden
	}
	k := c.s.state.addKey(apiKey{user: u, loginType: "password", lifetime: 24 * time.Hour})
	return http.StatusCreated, map[string]string{"key": k.token()}
})

func createToken(c *call) (int, any) {
	var in struct {
		Lifetime  time.Duration `json:"lifetime"`
		Scope     string        `json:"scope"`
		Scopes    []string      `json:"scopes"`
		TokenName string        `json:"token_name"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return changingUser(func(c *call, u *user) (int, any) {
		st := c.s.state
		if u != c.user && !c.user.owner() {
			return http.StatusForbidden, forbidden
		}
		if c.s.as.scopesIgnored {
			in.Scopes = nil
		}
		if in.Lifetime == 0 {
			in.Lifetime = week
		}
		if limit := maxLifetime(u); in.Lifetime > limit {
			return http.StatusBadRequest, apiError{Message: "Failed to validate create API key request.",
				Detail: fmt.Sprintf("lifetime must be less than %v", limit)}
		}
		if in.TokenName == "" {
			in.TokenName = "gleaming_" + st.letters(6)
		}
		for _, k := range st.keys {
			if k.user == u && k.loginType == "token" && k.name == in.TokenName {
				return http.StatusConflict, invalid(fmt.Sprintf("A token with name %q already exists.", in.TokenName),
					"name", "This value is already in use and should be unique.")
			}
		}
		k := apiKey{user: u, name: in.TokenName, loginType: "token", lifetime: in.Lifetime, scope: in.Scope, scopes: in.Scopes}
		if in.Scopes == nil && in.Scope == "application_connect" {
			k.scopes = []string{"coder:application_connect"}
		}
		return http.StatusCreated, map[string]string{"key": st.addKey(k).token()}
	})(c)
}

func (s *Server) keyView(k *apiKey) keyJSON {
	v := keyJSON{
		ID: k.id, UserID: k.user.id, LastUsed: k.lastUsed, ExpiresAt: k.expires, CreatedAt: k.created, UpdatedAt: k.updated,
		LoginType: k.loginType, Scope: k.scope, Scopes: k.scopes, TokenName: k.name,
		LifetimeSeconds: int64(k.lifetime / time.Second), AllowList: []string{"*:*"},
	}
	if s.as.old {
		v.Scopes, v.AllowList = nil, nil
		if v.LastUsed.Unix() == 0 {
			v.LastUsed = time.Time{} // both mean never
		}
	}
	return v
}

func listTokens(c *call, u *user) (int, any) {
	out := []tokenJSON{}
	for _, k := range c.s.state.keys {
		if k.user == u && k.loginType == "token" && now().Before(k.expires) {
			out = append(out, tokenJSON{c.s.keyView(k), u.username})
		}
	}
	slices.SortFunc(out, func(a, b tokenJSON) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return http.StatusOK, out
}

func getKey(c *call, u *user) (int, any) {
	k := c.s.state.keys[c.r.PathValue("key")]
	if k == nil || k.user != u {
		return http.StatusNotFound, notFound
	}
	return http.StatusOK, c.s.keyView(k)
}

var deleteKey = changingUser(func(c *call, u *user) (int, any) {
	k := c.s.state.keys[c.r.PathValue("key")]
	if k == nil || k.user != u {
		return http.StatusNotFound, notFound
	}
	delete(c.s.state.keys, k.id)
	return http.StatusNoContent, nil
})

var expireKey = changingUser(func(c *call, u *user) (int, any) {
	k := c.s.state.keys[c.r.PathValue("key")]
	if k == nil || k.user != u {
		return http.StatusNotFound, notFound
	}
	k.expires, k.updated = now(), now()
	return http.StatusNoContent, nil
})
