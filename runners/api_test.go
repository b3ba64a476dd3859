package runners_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// me is the person whom a client's token belongs to.
func me(t *testing.T, c *coder.Client) runners.Person {
	t.Helper()
	u, err := c.User(t.Context(), coder.Me)
	require.NoError(t, err)
	return runners.Person{Client: c, User: u}
}

func TestCallsAreMadeByTheirWeight(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Workspaces: 3, RateLimit: -1})
	c := owner(t, server)
	s, res := play(t, harness.Scenario{
		Runner: runners.APIConfig{
			People: []runners.Person{me(t, c)}, Workspaces: workspaces(t, c),
			Calls: []runners.APICall{
				{Path: "/api/v2/workspaces?limit=25", Weight: 8},
				{Path: "/api/v2/users/{user}", Weight: 1},
				{Name: "one_workspace", Path: "/api/v2/workspaces/{workspace}", Weight: 1},
				{Name: "never", Method: "POST", Path: "/api/v2/authcheck", Body: `{"checks":{}}`, Weight: 1e-12},
			},
		}.Runner(),
		Schedule: harness.ConstantArrivals(500, time.Second, 4),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	list, user, one := s.Actions["api_get_workspaces"], s.Actions["api_get_users_user"], s.Actions["api_one_workspace"]
	require.EqualValues(t, 500, list.Count+user.Count+one.Count)
	require.InDelta(t, 400, int(list.Count), 50)
	require.InDelta(t, 50, int(user.Count), 30)
	require.InDelta(t, 50, int(one.Count), 30)
	require.Positive(t, s.Counters["api_bytes"])
}

func TestABodyIsSentAsJSON(t *testing.T) {
	server := codertest.Start(t, codertest.Config{})
	s, res := play(t, harness.Scenario{
		Runner: runners.API([]runners.Person{me(t, owner(t, server))}, runners.APICall{
			Name: "check", Method: "post", Path: "/api/v2/authcheck",
			Body: `{"checks":{"x":{"object":{"resource_type":"workspace"},"action":"read"}}}`,
		}),
		Schedule: harness.OneByOne(2),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 2, s.Actions["api_check"].Count)
}

func TestARefusedCallIsAnErrorAndARateLimitIsCounted(t *testing.T) {
	server := codertest.Start(t, codertest.Config{RateLimit: 5})
	c := owner(t, server)
	p := me(t, c)
	s, res := play(t, harness.Scenario{
		Runner: runners.API([]runners.Person{p}, runners.APICall{Name: "list", Path: "/api/v2/templates"}),
		// The limit is 5 a minute, and nobody waits for it.
		Schedule: harness.ConstantArrivals(100, 100*time.Millisecond, 1),
	})
	require.Equal(t, harness.Fail, res.Verdict)
	require.EqualValues(t, 5, s.Actions["api_list"].Count)
	require.EqualValues(t, 5, s.Actions["api_list"].Errors)
	require.EqualValues(t, 5, s.Counters["api_rate_limited"])

	s, _ = play(t, harness.Scenario{
		Runner: runners.API([]runners.Person{p},
			runners.APICall{Name: "absent", Path: "/api/v2/nothing", Status: 404},
			runners.APICall{Name: "absent_too", Path: "/api/v2/nothing2", Weight: 1e-12}),
		Schedule: harness.OneByOne(1),
	})
	require.EqualValues(t, 1, s.Actions["api_absent"].Count, "404 was expected")
}

func TestTheConfigurationOfCallsIsChecked(t *testing.T) {
	_, err := runners.API(nil)(0)
	require.ErrorContains(t, err, "there are no people to call as")
	require.ErrorContains(t, err, "there are no calls")
	_, err = runners.API(nil,
		runners.APICall{Path: "x"},
		runners.APICall{Name: "A", Path: "/a"},
		runners.APICall{Name: "a", Path: "/a?access_token=x", Weight: -1},
		runners.APICall{Name: "a", Path: "/{workspace}"},
	)(0)
	for _, want := range []string{`the path is "x"`, `the name is "A"`, "the query must not hold a token", "the weight is -1", "two calls are named a", "needs a workspace"} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, strings.ToLower(err.Error()), "panic")
}
