package codertest

import (
	"context"
	"net/http"
	"strings"
	"time"
)

type callKey struct{}

type callValue struct {
	call    *call
	problem string
}

func withCall(ctx context.Context, c *call, problem string) context.Context {
	return context.WithValue(ctx, callKey{}, callValue{c, problem})
}

func callOf(r *http.Request) (*call, string) {
	v := r.Context().Value(callKey{}).(callValue)
	return v.call, v.problem
}

// sessionToken finds the token where clients may put it. The first source that
// has one counts, even if a later one is valid.
func sessionToken(r *http.Request) string {
	if c, err := r.Cookie("coder_session_token"); err == nil && c.Value != "" {
		return c.Value
	}
	query := r.URL.Query()
	if t := query.Get("coder_session_token"); t != "" {
		return t
	}
	if t := r.Header.Get("Coder-Session-Token"); t != "" {
		return t
	}
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && t != "" {
		return t
	}
	return query.Get("access_token")
}

// authenticate finds the key of a request, or says what is wrong.
func (s *Server) authenticate(r *http.Request) (*apiKey, string) {
	token := sessionToken(r)
	if token == "" {
		return nil, `Cookie "coder_session_token" or query parameter must be provided.`
	}
	parts := strings.Split(token, "-")
	if len(parts) != 2 {
		return nil, "Invalid API key format: incorrect amount of API key parts, expected 2 got " + itoa(len(parts))
	}
	if len(parts[0]) != 10 {
		return nil, "Invalid API key format: incorrect id length, expected 10 got " + itoa(len(parts[0]))
	}
	if len(parts[1]) != 22 {
		return nil, "Invalid API key format: incorrect secret length, expected 22 got " + itoa(len(parts[1]))
	}
	t := now()
	st := s.state
	st.mu.RLock()
	k := st.keys[parts[0]]
	var problem string
	fresh := false
	switch {
	case k == nil:
		problem = "API key is invalid."
	case k.secret != parts[1]:
		problem = "API key secret is invalid."
	case !t.Before(k.expires):
		problem = "API key expired at " + quote(k.expires.String()) + "."
	case k.user.status == "suspended":
		problem = "User is not active (status = " + quote(k.user.status) + "). Contact an admin to reactivate your account."
	default:
		// What was used is written down at most once an hour.
		fresh = t.Sub(k.lastUsed) < time.Hour && k.user.status == "active"
	}
	st.mu.RUnlock()
	if problem != "" {
		return nil, problem
	}
	if !fresh {
		st.mu.Lock()
		k.lastUsed = t
		if s.as.tokensSlide {
			k.expires = t.Add(max(k.lifetime, slidingTime))
		}
		k.user.lastSeen, k.user.updated = t, t
		if k.user.status == "dormant" {
			k.user.status = "active"
		}
		st.mu.Unlock()
	}
	return k, ""
}

// slidingTime is how long tokens live on where using them counts.
const slidingTime = 30 * 24 * time.Hour

func (s *Server) unauthorized(w http.ResponseWriter, detail string) {
	s.stats.unauthorized.Add(1)
	w.Header().Set("Www-Authenticate", `Bearer realm="coder", error="invalid_token", error_description="The access token has expired", resource_metadata="`+s.url+`/.well-known/oauth-protected-resource"`)
	write(w, http.StatusUnauthorized, apiError{Message: "You are signed out or your session has expired. Please sign in again to continue.", Detail: detail})
}
