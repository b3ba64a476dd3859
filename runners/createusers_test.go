package runners_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// book is a ledger in memory.
type book struct {
	mu       sync.Mutex
	refuse   error
	intended []string
	left     map[string]string
}

func (b *book) Intend(_ context.Context, run, kind, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.intended = append(b.intended, kind+" "+name)
	b.set(run, kind, name, "?")
	return nil
}

func (b *book) Made(run, kind, name, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(run, kind, name, id)
}

func (b *book) set(_, kind, name, id string) {
	if b.left == nil {
		b.left = map[string]string{}
	}
	b.left[kind+" "+name] = id
}

func (b *book) Gone(_, kind, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.left, kind+" "+name)
}

func users(t *testing.T, c *coder.Client) []coder.User {
	t.Helper()
	all, err := c.AllUsers(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	return all
}

func TestUsersAreCreatedWithRolesAndSessionsAndAllOfThemGo(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { createdAndGone(t, version) })
	}
}

func createdAndGone(t *testing.T, version string) {
	server := codertest.Start(t, codertest.Config{Version: version})
	c, ledger := owner(t, server), &book{}
	var mu sync.Mutex
	people := map[int]runners.Person{}
	s, res := play(t, harness.Scenario{
		Runner: runners.CreateUsersConfig{
			Client: c, TemplateAdmins: 0.2, Ledger: ledger,
			OnReady: func(user int, p runners.Person) {
				mu.Lock()
				defer mu.Unlock()
				people[user] = p
				me, err := p.Client.User(t.Context(), coder.Me)
				require.NoError(t, err, "the session works")
				require.Equal(t, p.User.ID, me.ID)
			},
		}.Runner(),
		Schedule: harness.AtATime(10, 4),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Len(t, people, 10)
	admins := 0
	for _, p := range people {
		require.True(t, strings.HasPrefix(p.User.Username, "scaletest-"+res.RunID+"-"), p.User.Username)
		require.Equal(t, p.User.Username+"@scaletest.local", p.User.Email)
		for _, r := range p.User.Roles {
			if r.Name == "template-admin" {
				admins++
			}
		}
	}
	require.Equal(t, 2, admins)
	require.EqualValues(t, 10, s.Actions["user_create"].Count)
	require.EqualValues(t, 10, s.Actions["user_session"].Count)
	require.Len(t, ledger.intended, 10)
	require.Empty(t, ledger.left)
	require.Len(t, users(t, c), 1, "only the owner of the deployment is left")
}

func TestSomebodyWhoIsNoOwnerLogsPeopleInByPassword(t *testing.T) {
	server := codertest.Start(t, codertest.Config{})
	c := owner(t, server)
	admin, err := c.CreateUser(t.Context(), coder.CreateUserRequest{Username: "ua", Email: "ua@example.com", Password: "S0me-long-password!"})
	require.NoError(t, err)
	_, err = c.SetUserRoles(t.Context(), admin.ID.String(), "user-admin")
	require.NoError(t, err)
	key, err := c.CreateSessionKey(t.Context(), "ua")
	require.NoError(t, err)
	logins := server.Stats().Routes
	s, res := play(t, harness.Scenario{
		Runner:   runners.CreateUsers(client(t, server, key)),
		Schedule: harness.AllAtOnce(3),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 3, s.Actions["user_session"].Count)
	n := 0
	for route, count := range server.Stats().Routes {
		if strings.Contains(route.Route, "login") {
			n += int(count - logins[route])
		}
	}
	require.Equal(t, 3, n, "by password")
	require.NotEmpty(t, s.Warnings, "it says that the server limits the rate")
	require.Len(t, users(t, c), 2)
}

func TestUsersWhoWereThereBeforeStayAndOnlyTheirSessionsEnd(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Users: 2})
	c, ledger := owner(t, server), &book{}
	var there []coder.User
	for _, u := range users(t, c) {
		if strings.HasPrefix(u.Username, "scaletest-user-") {
			there = append(there, u)
		}
	}
	require.Len(t, there, 2)
	var mu sync.Mutex
	var people []runners.Person
	s, res := play(t, harness.Scenario{
		Runner: runners.CreateUsersConfig{
			Client: c, Existing: there, Ledger: ledger,
			OnReady: func(_ int, p runners.Person) {
				mu.Lock()
				defer mu.Unlock()
				people = append(people, p)
			},
		}.Runner(),
		Schedule: harness.OneByOne(3),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 2, s.Counters["users_reused"])
	require.EqualValues(t, 1, s.Actions["user_create"].Count)
	require.Len(t, users(t, c), 3)
	require.Empty(t, ledger.left)
	for _, p := range people {
		_, err := p.Client.User(t.Context(), coder.Me)
		require.True(t, coder.IsUnauthorized(err), "%s still has a session: %v", p.User.Username, err)
	}
}

func TestNothingIsCreatedThatTheLedgerHasNotKept(t *testing.T) {
	server := codertest.Start(t, codertest.Config{})
	c := owner(t, server)
	_, res := play(t, harness.Scenario{
		Runner:   runners.CreateUsersConfig{Client: c, Ledger: &book{refuse: context.DeadlineExceeded}}.Runner(),
		Schedule: harness.OneByOne(2),
	})
	require.Equal(t, harness.Fail, res.Verdict)
	require.Len(t, users(t, c), 1)
}

func TestAUserWhoseRolesCanNotBeSetIsDeletedAllTheSame(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Routes: []codertest.RouteFault{{Method: "PUT", Path: "/api/v2/users/*/roles", ErrorRate: 1, ErrorStatus: 403}}})
	c := owner(t, server)
	s, res := play(t, harness.Scenario{
		Runner:   runners.CreateUsersConfig{Client: c, Roles: []string{"auditor"}}.Runner(),
		Schedule: harness.OneByOne(1),
	})
	require.Equal(t, harness.Fail, res.Verdict)
	require.EqualValues(t, 1, s.Actions["user_create"].Errors)
	require.Len(t, users(t, c), 1)
}

func TestAUserWhoseCreationWasNotAnsweredIsFound(t *testing.T) {
	server := codertest.Start(t, codertest.Config{})
	c := owner(t, server)
	// The request is handled, its answer is not: the proxy in between hangs up.
	proxy := hangUp(t, server.URL(), "POST", "/api/v2/users")
	through, err := coder.New(coder.Config{URL: proxy, Token: server.OwnerToken(), MaxRetries: 1})
	require.NoError(t, err)
	defer through.CloseIdleConnections()
	_, res := play(t, harness.Scenario{
		Runner:   runners.CreateUsers(through),
		Schedule: harness.OneByOne(1),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Len(t, users(t, c), 1)
}

func TestTheConfigurationOfUsersIsChecked(t *testing.T) {
	_, err := runners.CreateUsersConfig{TemplateAdmins: 1.5}.Runner()(0)
	require.ErrorContains(t, err, "there is no client")
	require.ErrorContains(t, err, "the share of template admins is 1.5, want 0 to 1")
}
