package runners_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// members are the members that the deployment has from the beginning, with a
// session each.
func members(t *testing.T, server *codertest.Server) []runners.Person {
	t.Helper()
	c := owner(t, server)
	users, err := c.AllUsers(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	var out []runners.Person
	for _, u := range users {
		if u.Username == "admin" {
			continue
		}
		token, err := c.CreateSessionKey(t.Context(), u.ID.String())
		require.NoError(t, err)
		out = append(out, runners.Person{Client: c.WithToken(token), User: u})
	}
	return out
}

// hasty is a person who thinks so briefly that a test sees many pages.
func hasty(people []runners.Person) runners.DashboardConfig {
	return runners.DashboardConfig{People: people, Interval: 20 * time.Millisecond, Seed: 7}
}

func TestEveryPageIsOpenedAndMeasured(t *testing.T) {
	for _, version := range []string{"v2.26.0", "v2.37.0"} {
		t.Run(version, func(t *testing.T) { everyPage(t, version) })
	}
}

func everyPage(t *testing.T, version string) {
	server := codertest.Start(t, codertest.Config{Users: 2, Workspaces: 4, RateLimit: -1, Version: version})
	people := append(members(t, server), me(t, owner(t, server)))
	cfg := hasty(people)
	for _, p := range []runners.Page{
		runners.PageWorkspaces, runners.PageWorkspace, runners.PageTerminal, runners.PageTemplates, runners.PageTemplate,
		runners.PageUsers, runners.PageDeployment, runners.PageAudit, runners.PageHealth,
	} {
		cfg.Journey = append(cfg.Journey, runners.PageWeight{Page: p, Weight: 1})
	}
	s, res := play(t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(3).Hold(2 * time.Second)})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	for _, step := range append(cfg.Journey, runners.PageWeight{Page: runners.PageSignIn}) {
		a := s.Actions["page_"+string(step.Page)]
		require.Positive(t, a.Count, step.Page)
		require.Zero(t, a.Errors, step.Page)
	}
	for _, name := range []string{"socket_open", "terminal_open", "call_workspaces_list", "call_audit_list", "call_health"} {
		require.Positive(t, s.Actions[name].Count, name)
		require.Zero(t, s.Actions[name].Errors, name)
	}
	require.Positive(t, s.Counters["dashboard_absent"], "this deployment has no licence")
	require.Zero(t, s.Counters["sockets_lost"], "leaving a page loses nothing")
	var refused []string
	for route := range server.Stats().Routes {
		if route.Code >= 400 {
			refused = append(refused, route.Route)
		}
	}
	require.ElementsMatch(t, []string{
		"/api/", // what needs a licence
		"GET /api/v2/workspaceagents/{agent}/containers",
		"GET /api/v2/deployment/config", // of members, on the page of a terminal
	}, refused, "everything else is asked for as the server wants it")
}
