package codertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// appClaims are what a signed token says: this user may open this app, or the
// terminal of this agent, until then.
type appClaims struct {
	Access    string    `json:"access"` // path, subdomain or terminal
	User      string    `json:"user,omitempty"`
	Workspace string    `json:"workspace,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	Slug      string    `json:"slug,omitempty"`
	UserID    uuid.UUID `json:"user_id"`
	Expires   int64     `json:"exp"`
}

// signedTokenTime is how long a signed token is valid.
const signedTokenTime = time.Minute

const (
	signedCookie = "coder_signed_app_token"
	signedQuery  = "coder_signed_app_token_23db1dde"
)

func (q appRequest) claims() appClaims {
	return appClaims{Access: q.access, User: q.user, Workspace: q.workspace, Agent: q.agent, Slug: q.slug}
}

func terminalClaims(agent uuid.UUID) appClaims {
	return appClaims{Access: "terminal", Agent: agent.String()}
}

var tokenHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`))

// sign makes a token of three parts, as JSON Web Tokens have.
func (s *Server) sign(c appClaims) string {
	data, err := json.Marshal(c)
	if err != nil {
		return "" // it has no types that could fail
	}
	body := tokenHeader + "." + base64.RawURLEncoding.EncodeToString(data)
	return body + "." + s.mac(body)
}

func (s *Server) mac(body string) string {
	m := hmac.New(sha256.New, s.deploymentID[:])
	_, _ = m.Write([]byte(body)) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// signedFor finds the user of a valid token for exactly this, in the query or
// in a cookie. There is none if it returns nil.
func (s *Server) signedFor(r *http.Request, want appClaims) *user {
	var tokens []string
	if t := r.URL.Query().Get(signedQuery); t != "" {
		tokens = append(tokens, t)
	}
	for _, c := range r.CookiesNamed(signedCookie) {
		tokens = append(tokens, c.Value)
	}
	for _, token := range tokens {
		got, ok := s.verify(token)
		if !ok {
			continue
		}
		want.UserID, want.Expires = got.UserID, got.Expires
		if got != want {
			continue
		}
		s.state.mu.RLock()
		u := s.state.users[got.UserID]
		s.state.mu.RUnlock()
		if u != nil {
			return u
		}
	}
	return nil
}

func (s *Server) verify(token string) (c appClaims, ok bool) {
	at := strings.LastIndexByte(token, '.')
	if at < 0 || !hmac.Equal([]byte(token[at+1:]), []byte(s.mac(token[:at]))) {
		return c, false
	}
	_, body, _ := strings.Cut(token[:at], ".")
	data, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(data, &c) != nil {
		return c, false
	}
	return c, time.Now().Unix() < c.Expires
}

// signedCookie makes the next request to the same app cheaper for a real
// server.
func (c *call) signedCookie(claims appClaims, u *user, path string) {
	expires := time.Now().Add(signedTokenTime)
	if u != nil {
		claims.UserID = u.id
	}
	claims.Expires = expires.Unix()
	http.SetCookie(c.w, &http.Cookie{Name: signedCookie, Value: c.s.sign(claims), Path: path,
		Expires: expires, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// terminalToken mints a token for the terminal of an agent at a workspace
// proxy. The primary needs none.
func terminalToken(c *call) (int, any) {
	var in struct {
		URL     string    `json:"url"`
		AgentID uuid.UUID `json:"agentID"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	const refusal = "Invalid URL."
	at, err := url.Parse(in.URL)
	switch {
	case err != nil:
		return http.StatusBadRequest, invalid(refusal, "url", err.Error())
	case at.Scheme != "ws" && at.Scheme != "wss":
		return http.StatusBadRequest, invalid(refusal, "url", "the scheme must be ws or wss")
	case at.Path != "/api/v2/workspaceagents/"+in.AgentID.String()+"/pty":
		return http.StatusBadRequest, invalid(refusal, "url", "the path must be that of the agent's terminal")
	case at.Host != strings.TrimPrefix(c.s.proxy.url, "http://"):
		return http.StatusBadRequest, invalid(refusal, "url", "the host must be that of a workspace proxy")
	}
	claims := terminalClaims(in.AgentID)
	claims.UserID, claims.Expires = c.user.id, time.Now().Add(signedTokenTime).Unix()
	c.r.SetPathValue("agent", in.AgentID.String())
	return withAgent(func(c *call, _ *agent) (int, any) {
		return http.StatusOK, map[string]string{"signed_token": c.s.sign(claims)}
	})(c)
}
