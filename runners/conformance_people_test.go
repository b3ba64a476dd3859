package runners_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
	"github.com/coderscale/scaletest/runners"
)

func TestCallersKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Users: 3})
	conforms(t, harnesstest.Subject{
		New: func(env *harnesstest.Env) (makers, error) {
			c, err := s.client(env)
			return runners.API([]runners.Person{{Client: c, User: s.people[0].User}}, runners.APICall{Name: "conforms", Path: "/api/v2/users/{user}"}), err
		},
		Actions:   []harness.Action{harness.NewAction("api_conforms")},
		Counters:  []harness.Counter{harness.NewCounter("api_bytes")},
		MayRecord: []string{"api_rate_limited"},
	})
}

func TestPeopleAtTheDashboardKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Users: 3, Workspaces: 3})
	conforms(t, dashboardSubject(harnesstest.Subject{
		New: func(env *harnesstest.Env) (makers, error) {
			c, err := s.client(env)
			var people []runners.Person
			for _, p := range s.people {
				token, err := s.owner.CreateSessionKey(t.Context(), p.User.ID.String())
				require.NoError(t, err)
				people = append(people, runners.Person{Client: c.WithToken(token), User: p.User})
			}
			cfg := hasty(people)
			return cfg.Runner(), err
		},
	}))
}

// dashboardSubject is what people at the dashboard record.
func dashboardSubject(s harnesstest.Subject) harnesstest.Subject {
	s.Hold = 200 * time.Millisecond
	s.Actions = []harness.Action{harness.NewAction("page_sign_in"), harness.NewAction("page_workspaces"), harness.NewAction("call_me")}
	s.Counters = []harness.Counter{harness.NewCounter("dashboard_polls"), harness.NewCounter("sockets_lost")}
	s.MayRecord = []string{"page_*", "call_*", "socket_open", "socket_reopen", "terminal_open", "dashboard_*"}
	return s
}

func TestPeopleWhoSignInKeepTheHarnessContract(t *testing.T) {
	runners.PaceLogins(false)
	defer runners.PaceLogins(true)
	const secret = "a-Secret-of-theirs-1!"
	s := newStage(t, codertest.Config{})
	var people []coder.User
	for _, name := range []string{"alice", "bob", "carol"} {
		u, err := s.owner.CreateUser(t.Context(), coder.CreateUserRequest{Email: name + "@example.test", Username: name, Password: secret})
		require.NoError(t, err)
		people = append(people, u)
	}
	conforms(t, dashboardSubject(harnesstest.Subject{
		New: func(env *harnesstest.Env) (makers, error) {
			c, err := s.client(env)
			var cfg runners.DashboardConfig
			for _, u := range people {
				cfg.People = append(cfg.People, runners.Person{Client: c, User: u})
			}
			cfg.Interval, cfg.Seed = 20*time.Millisecond, 7
			cfg.Password = func(runners.Person) string { return secret }
			return cfg.Runner(), err
		},
	}))
}
