package coder_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

var errReset = &net.OpError{Op: "read", Err: syscall.ECONNRESET}

func TestReadsAreRepeatedAfterFailuresThatPass(t *testing.T) {
	for name, failure := range map[string]func() (*http.Response, error){
		"502":        says(502, "<title>502</title>", "X-Coder-Build-Version", ""),
		"503":        says(503, `{"message":"later"}`),
		"504":        says(504, "gateway timeout"),
		"reset":      fails(errReset),
		"EOF":        fails(io.ErrUnexpectedEOF),
		"cut answer": says(200, `{"username":"al`, "Content-Type", "application/json"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f := fakeClient(t, coder.Config{}, answers(failure, failure, says(200, `{"username":"alice"}`)))
				user, err := c.User(t.Context(), "alice")
				require.NoError(t, err)
				assert.Equal(t, "alice", user.Username)
				assert.Equal(t, 3, f.count())
			})
		})
	}
}

func TestRetriesEndAndSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{MaxRetries: 2}, answers(says(503, `{"message":"Database is down."}`)))
		_, err := c.User(t.Context(), "alice")
		assert.EqualError(t, err, "read user alice: Database is down (503 from GET /base/api/v2/users/alice)")
		assert.Equal(t, 3, f.count())
	})
}

func TestCreationsAreNeverSentTwiceBlindly(t *testing.T) {
	for name, failure := range map[string]func() (*http.Response, error){
		"502":   says(502, ""),
		"503":   says(503, ""),
		"reset": fails(errReset),
		"EOF":   fails(io.EOF),
	} {
		t.Run(name, func(t *testing.T) {
			for what, create := range map[string]func(*coder.Client) error{
				"workspace": func(c *coder.Client) error {
					_, err := c.CreateWorkspace(t.Context(), coder.Me, coder.CreateWorkspaceRequest{Name: "a"})
					return err
				},
				"build": func(c *coder.Client) error { _, err := c.DeleteWorkspace(t.Context(), uuid.New()); return err },
				"user": func(c *coder.Client) error {
					_, err := c.CreateUser(t.Context(), coder.CreateUserRequest{Username: "a"})
					return err
				},
				"key": func(c *coder.Client) error { _, err := c.CreateSessionKey(t.Context(), coder.Me); return err },
			} {
				t.Run(what, func(t *testing.T) {
					c, f := fakeClient(t, coder.Config{}, answers(failure))
					require.Error(t, create(c))
					assert.Equal(t, 1, f.count())
				})
			}
		})
	}
}

func TestCreationsAreRepeatedWhenTheServerCanNotHaveSeenThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fails(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		c, f := fakeClient(t, coder.Config{}, answers(refused, says(201, `{"name":"a"}`)))
		w, err := c.CreateWorkspace(t.Context(), coder.Me, coder.CreateWorkspaceRequest{Name: "a"})
		require.NoError(t, err)
		assert.Equal(t, "a", w.Name)
		assert.Equal(t, 2, f.count())
	})
}

func TestARepeatedDeletionThatFindsNothingHasSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := says(404, `{"message":"Resource not found or you do not have access to this resource"}`)
		c, _ := fakeClient(t, coder.Config{}, answers(fails(errReset), gone))
		require.NoError(t, c.DeleteUser(t.Context(), "alice"))
		c, _ = fakeClient(t, coder.Config{}, answers(gone))
		require.True(t, coder.IsNotFound(c.DeleteUser(t.Context(), "alice")), "the first time it is an error")
	})
}

func TestRateLimitsAreWaitedForByAnyCallAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []coder.RateLimitEvent
		limited := says(429, `{"message":"You've been rate limited."}`, "Retry-After", "60")
		c, f := fakeClient(t, coder.Config{OnRateLimit: func(e coder.RateLimitEvent) { events = append(events, e) }},
			answers(limited, limited, says(201, `{"key":"k"}`)))
		start := time.Now()
		_, err := c.WithToken("anothertok-en").CreateSessionKey(t.Context(), "alice")
		require.NoError(t, err)
		assert.Equal(t, 2*time.Minute, time.Since(start))
		assert.Equal(t, 3, f.count())
		assert.Equal(t, coder.RateLimitStats{Count: 2, Waited: 2 * time.Minute}, c.RateLimited(), "shared by clones")
		require.Len(t, events, 2)
		assert.Equal(t, coder.RateLimitEvent{Method: "POST", Path: "/base/api/v2/users/alice/keys", Wait: time.Minute}, events[0])
	})
}

func TestALimitThatOutlastsTheDeadlineFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{}, answers(says(429, `{"message":"Slow down."}`, "Retry-After", "60")))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.User(ctx, "alice")
		require.True(t, coder.IsRateLimited(err))
		require.ErrorContains(t, err, "asks to wait 1m0s, but the deadline is in 10s")
		assert.Zero(t, time.Since(start))
		assert.Equal(t, 1, f.count())
		assert.Equal(t, int64(1), c.RateLimited().GaveUp)
	})
}

func TestALimitThatOutlastsPatienceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{MaxRateLimitWait: 90 * time.Second}, answers(says(429, `{"message":"Slow down."}`)))
		_, err := c.User(t.Context(), "alice")
		require.True(t, coder.IsRateLimited(err))
		require.ErrorContains(t, err, "more than the 1m30s allowed")
		assert.Equal(t, 2, f.count(), "a missing Retry-After means a minute")
	})
}

func TestACanceledCallEndsItsWaitAndKeepsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := fakeClient(t, coder.Config{}, answers(says(429, `{"message":"Slow down."}`, "Retry-After", "60")))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("user pressed Ctrl-C")) })
		start := time.Now()
		_, err := c.User(ctx, "alice")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "Slow down")
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestBypassGoesOutOnlyWithAnOwnersToken(t *testing.T) {
	bypassed := func(f *fakeServer, i int) string { return f.requests[i].Header.Get("X-Coder-Bypass-Ratelimit") }
	server := func(role string) func(*http.Request) (*http.Response, error) {
		return func(req *http.Request) (*http.Response, error) {
			switch req.URL.Path {
			case "/base/api/v2/buildinfo":
				return says(200, `{"version":"v2.37.0"}`)()
			case "/base/api/v2/users/me/roles":
				return says(200, `{"roles":["`+role+`"]}`)()
			}
			return says(200, `{"username":"x","roles":[]}`)()
		}
	}
	t.Run("not before it is known", func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{}, server("owner"))
		_, err := c.User(t.Context(), coder.Me)
		require.NoError(t, err)
		assert.Empty(t, bypassed(f, 0))
	})
	t.Run("after a preflight as owner, and not with other tokens", func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{}, server("owner"))
		p, err := c.Preflight(t.Context(), coder.PreflightOptions{})
		require.NoError(t, err)
		require.True(t, p.Owner)
		n := f.count()
		_, _ = c.User(t.Context(), coder.Me)
		_, _ = c.WithToken("membertok1-abc").User(t.Context(), coder.Me)
		assert.Equal(t, "true", bypassed(f, n))
		assert.Empty(t, bypassed(f, n+1))
		h := http.Header{}
		c.AuthHeader(h)
		assert.Equal(t, "true", h.Get("X-Coder-Bypass-Ratelimit"))
	})
	t.Run("not as a member", func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{}, server("member"))
		_, err := c.Preflight(t.Context(), coder.PreflightOptions{})
		require.NoError(t, err)
		n := f.count()
		_, _ = c.User(t.Context(), coder.Me)
		assert.Empty(t, bypassed(f, n))
	})
	t.Run("when promised, unless forbidden", func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{Bypass: coder.BypassAlways}, server("owner"))
		_, _ = c.User(t.Context(), coder.Me)
		assert.Equal(t, "true", bypassed(f, 0))
		c, f = fakeClient(t, coder.Config{Bypass: coder.BypassNever}, server("owner"))
		_, _ = c.Preflight(t.Context(), coder.PreflightOptions{})
		_, _ = c.User(t.Context(), coder.Me)
		assert.Empty(t, bypassed(f, f.count()-1))
	})
	t.Run("taken off when the owner has lost the role", func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{Bypass: coder.BypassAlways}, answers(
			says(428, "\"X-Coder-Bypass-Ratelimit\" provided but user is not owner\n"), says(201, `{"key":"k"}`)))
		_, err := c.CreateSessionKey(t.Context(), coder.Me)
		require.NoError(t, err)
		assert.Equal(t, "true", bypassed(f, 0))
		assert.Empty(t, bypassed(f, 1))
	})
}
