package runners_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

func TestAPersonSignsInWithAPasswordAndOutAtTheEnd(t *testing.T) {
	const secret = "a-Secret-of-alice-1!"
	server := codertest.Start(t, codertest.Config{RateLimit: -1})
	c := owner(t, server)
	user, err := c.CreateUser(t.Context(), coder.CreateUserRequest{
		Email: "alice@example.test", Username: "alice", Password: secret,
	})
	require.NoError(t, err)
	cfg := hasty([]runners.Person{{Client: c, User: user}}) // whose token is not alice's
	password := secret
	cfg.Password = func(p runners.Person) string {
		require.Equal(t, "alice", p.User.Username)
		return password
	}
	s, res := play(t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(1).Hold(time.Second)})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 1, s.Actions["call_login"].Count)
	require.EqualValues(t, 1, s.Actions["page_sign_in"].Count)
	require.Positive(t, s.Actions["page_workspaces"].Count)
	require.Zero(t, s.Actions["page_users"].Count, "alice is no administrator")
	require.Zero(t, res.Cleanup.Failed)

	password = "wrong-" + secret
	s, res = play(t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(1)})
	require.Equal(t, harness.Fail, res.Verdict)
	require.Len(t, s.Failures, 1)
	require.Contains(t, s.Failures[0].Error, "sign in as alice: POST /api/v2/users/login: Incorrect email or password")
	require.NotContains(t, s.Failures[0].Error+s.Failures[0].Log, secret)
}

func TestPeopleSignInAtNoMoreThanAServerTakesFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.on["/users/login"] = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Coder-Session-Token") != "" {
				t.Error("a token went out before anybody had signed in")
			}
			respond(w, http.StatusCreated, `{"session_token":"9876543210-9876543210987654321098"}`)
		}
		cfg := runners.DashboardConfig{NoPolls: true, NoSockets: true, Password: func(runners.Person) string { return "x" }}
		_, res := f.play(cfg, 200, 3*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		at := f.asked("/users/login")
		require.Greater(t, len(at), 150)
		for i := range at[60:] {
			require.Greater(t, at[i+60].at-at[i].at, time.Minute-time.Millisecond)
		}
		require.Len(t, f.asked("/users/logout"), len(at))
		for _, a := range f.asked("/workspaces") {
			require.Equal(t, "9876543210-9876543210987654321098", a.header.Get("Coder-Session-Token"))
		}
	})
}
