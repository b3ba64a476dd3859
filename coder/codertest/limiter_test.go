package codertest

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noon is a time at which nothing of the minute before counts any more.
var noon = time.Date(2026, 1, 1, 12, 0, 59, 0, time.UTC)

func atNoon() time.Time { return noon }

func TestTheRequestBeyondTheLimitIsRefusedWithTheTimeToWait(t *testing.T) {
	s := Start(t, Config{RateLimit: 3, clock: atNoon})
	for i := range 3 {
		a := ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/me?n="+itoa(i), "") // a query is no path of its own
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "3", a.header.Get("X-RateLimit-Limit"))
		require.Equal(t, itoa(2-i), a.header.Get("X-RateLimit-Remaining"))
		require.Equal(t, strconv.FormatInt(noon.Unix()+1, 10), a.header.Get("X-RateLimit-Reset"))
		require.Empty(t, a.header.Get("Retry-After"))
	}
	a := ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/me", "")
	a.says(t, http.StatusTooManyRequests, "You've been rate limited for sending more than 3 requests in 1m0s.")
	require.Equal(t, "60", a.header.Get("Retry-After"))
	require.Equal(t, "0", a.header.Get("X-RateLimit-Remaining"))
	require.EqualValues(t, 1, s.Stats().RateLimited)
}

func TestALimitIsOfOneUserAndPath(t *testing.T) {
	s := Start(t, Config{RateLimit: 1, Users: 1, clock: atNoon})
	member := memberToken(t, s, "scaletest-user-0")
	get := func(token, path string) int { return ask(t, s, token, "GET", path, "").status }
	require.Equal(t, http.StatusOK, get(s.OwnerToken(), "/api/v2/users/me"))
	require.Equal(t, http.StatusTooManyRequests, get(s.OwnerToken(), "/api/v2/users/me"))
	require.Equal(t, http.StatusOK, get(s.OwnerToken(), "/api/v2/users/admin"))
	require.Equal(t, http.StatusOK, get(member, "/api/v2/users/me"))
	require.Equal(t, http.StatusTooManyRequests, get(member, "/api/v2/users/me"))
	require.Equal(t, http.StatusUnauthorized, get("", "/api/v2/users/me"))
	require.Equal(t, http.StatusTooManyRequests, get("", "/api/v2/users/me"), "without a token the address counts")
	for range 3 {
		require.Equal(t, http.StatusOK, get("", "/healthz"), "it has no limit")
	}
}

func TestOnlyAnOwnerMayGoPastTheLimit(t *testing.T) {
	s := Start(t, Config{RateLimit: 1, Users: 1, clock: atNoon})
	member := memberToken(t, s, "scaletest-user-0")
	bypass := func(token string) answer {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/api/v2/users/me", nil)
		require.NoError(t, err)
		req.Close = true
		req.Header.Set("Coder-Session-Token", token)
		req.Header.Set("X-Coder-Bypass-Ratelimit", "true")
		a, err := send(req)
		require.NoError(t, err)
		return a
	}
	for range 3 {
		require.Equal(t, http.StatusOK, bypass(s.OwnerToken()).status)
	}
	bypass(member).says(t, http.StatusPreconditionRequired, "user is not owner")
}

func TestMinusOneTakesEveryLimitAway(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, clock: atNoon})
	for range 70 {
		a := ask(t, s, "", "POST", "/api/v2/users/login", `{"email":"admin@example.com","password":"x"}`)
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Empty(t, a.header.Get("X-RateLimit-Limit"))
	}
	require.Zero(t, s.Stats().RateLimited)
}

func TestLoginsHaveALimitOfTheirOwn(t *testing.T) {
	login := func(s *Server) int {
		return ask(t, s, "", "POST", "/api/v2/users/login", `{"email":"admin@example.com","password":"Passw0rd!Scale"}`).status
	}
	s := Start(t, Config{LoginRateLimit: 2, clock: atNoon})
	require.Equal(t, http.StatusCreated, login(s))
	require.Equal(t, http.StatusCreated, login(s))
	require.Equal(t, http.StatusTooManyRequests, login(s))
	s = Start(t, Config{LoginRateLimit: -1, clock: atNoon})
	for range 61 {
		require.Equal(t, http.StatusCreated, login(s))
	}
}

func TestTheWindowOfALimitSlides(t *testing.T) {
	var l limiter
	at := func(seconds int) time.Time { return noon.Truncate(window).Add(time.Duration(seconds) * time.Second) }
	for range 10 {
		_, _, ok := l.allow("k", 10, at(30))
		require.True(t, ok)
	}
	_, reset, ok := l.allow("k", 10, at(59))
	require.False(t, ok)
	require.Equal(t, at(60).Unix(), reset)
	_, _, ok = l.allow("k", 10, at(60))
	require.False(t, ok, "the minute before counts in full at the beginning of the next")
	left, _, ok := l.allow("k", 10, at(90))
	require.True(t, ok)
	require.Equal(t, 4, left, "half of it is still in the window")
	left, _, ok = l.allow("k", 10, at(240))
	require.True(t, ok)
	require.Equal(t, 9, left)
}
