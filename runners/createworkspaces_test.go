package runners_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// versions are the servers between which a client sees differences.
var versions = []string{"v2.37.0", "v2.26.0"}

// everything is what there is on a deployment.
func everything(t *testing.T, c *coder.Client) (workspaces, people int) {
	t.Helper()
	all, err := c.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	return len(all), len(users(t, c))
}

func TestWorkspacesAreCreatedAsManyAsAskedForAndAllOfThemGo(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			server := codertest.Start(t, codertest.Config{Version: version, BuildTime: quick, Provisioners: 10})
			c, ledger := owner(t, server), &book{}
			var mu sync.Mutex
			var ready []runners.Workspace
			s, res := play(t, harness.Scenario{
				Runner: runners.CreateWorkspacesConfig{
					Users: runners.CreateUsersConfig{Client: c, Ledger: ledger}, Template: template(t, c),
					OnReady: func(_ int, w runners.Workspace) {
						mu.Lock()
						defer mu.Unlock()
						ready = append(ready, w)
					},
				}.Runner(),
				Schedule: harness.AtATime(12, 4),
			})
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.Len(t, ready, 12)
			for _, w := range ready {
				require.NoError(t, w.Validate())
				who, name, _ := strings.Cut(w.Name, "/")
				require.True(t, strings.HasPrefix(who, "scaletest-"+res.RunID), w.Name)
				require.True(t, strings.HasPrefix(name, "scaletest-"+res.RunID), w.Name)
			}
			for _, action := range []string{"user_create", "workspace_create", "build_queue", "build_run", "agent_connect", "workspace_ready"} {
				require.EqualValues(t, 12, s.Actions[action].Count, action)
				require.Zero(t, s.Actions[action].Errors, action)
			}
			require.Len(t, ledger.intended, 24)
			require.Empty(t, ledger.left)
			w, people := everything(t, c)
			require.Zero(t, w)
			require.Equal(t, 1, people)
		})
	}
}

func TestTheTokensOwnUserCanOwnTheWorkspaces(t *testing.T) {
	server := codertest.Start(t, codertest.Config{BuildTime: quick})
	c := owner(t, server)
	s, res := play(t, harness.Scenario{
		Runner: runners.CreateWorkspacesConfig{
			Users: runners.CreateUsersConfig{Client: c}, HostLogin: true, Template: template(t, c), NoCleanup: true, NoWaitForAgents: true,
		}.Runner(),
		Schedule: harness.AllAtOnce(2),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Zero(t, s.Actions["user_create"].Count)
	w, people := everything(t, c)
	require.Equal(t, 2, w, "nothing is cleaned up")
	require.Equal(t, 1, people)
}

func TestABuildThatFailsIsTriedAgainAndItsLogIsKept(t *testing.T) {
	server := codertest.Start(t, codertest.Config{BuildTime: quick, BuildFailureRate: 1})
	c := owner(t, server)
	s, res := play(t, harness.Scenario{
		Runner: runners.CreateWorkspacesConfig{
			Users: runners.CreateUsersConfig{Client: c}, HostLogin: true, Template: template(t, c), Retries: 2, NoCleanup: true,
		}.Runner(),
		Schedule: harness.OneByOne(1),
	})
	require.Equal(t, harness.Fail, res.Verdict)
	require.EqualValues(t, 2, s.Counters["build_retries"])
	require.EqualValues(t, 3, s.Actions["build_run"].Errors)
	require.EqualValues(t, 1, s.Actions["workspace_ready"].Errors)
	require.Len(t, s.Failures, 1)
	require.Contains(t, s.Failures[0].Log, "Terraform", "the build's log")
}

func TestAWorkspaceThatWasCanceledMidwayIsDeletedAllTheSame(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			// One provisioner and slow builds: some are pending, one runs.
			server := codertest.Start(t, codertest.Config{Version: version, BuildTime: codertest.Fixed(300 * time.Millisecond), Provisioners: 1})
			c := owner(t, server)
			var run *harness.Run
			var asked atomic.Int64
			started := make(chan struct{})
			run, err := harness.Start(t.Context(), harness.Plan{
				Scenarios: []harness.Scenario{{
					Name: "create",
					Runner: runners.CreateWorkspacesConfig{
						Users: runners.CreateUsersConfig{Client: c, OnReady: nil}, Template: template(t, c),
					}.Runner(),
					Schedule: harness.AllAtOnce(5),
				}},
				MaxLag: time.Hour, GracefulStop: time.Millisecond,
				OnSnapshot: func(harness.Snapshot) {
					if asked.Add(1) == 1 {
						close(started)
					}
				},
			})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return server.Stats().Builds >= 5 }, 10*time.Second, 5*time.Millisecond)
			run.Stop()
			res := run.Wait()
			require.Equal(t, harness.Interrupted, res.Verdict)
			require.Zero(t, res.Cleanup.Failed, "%+v", res.Scenarios[0].Failures)
			w, people := everything(t, c)
			require.Zero(t, w)
			require.Equal(t, 1, people)
		})
	}
}

func TestACommandThatDoesNotShowWhatItShouldFailsTheRun(t *testing.T) {
	server := codertest.Start(t, codertest.Config{BuildTime: quick})
	c := owner(t, server)
	for _, tt := range []struct {
		name    string
		command runners.CommandConfig
		want    string // in the error; empty is success
	}{
		{"shows it", runners.CommandConfig{Command: "echo hello", ExpectOutput: "hello"}, ""},
		{"shows something else", runners.CommandConfig{Command: "echo hello", ExpectOutput: "bye"}, `it did not show "bye", but showed "hello`},
		{"goes on as it should", runners.CommandConfig{Command: "cat", ExpectTimeout: true, Timeout: 100 * time.Millisecond}, ""},
		{"goes on", runners.CommandConfig{Command: "cat", Timeout: 100 * time.Millisecond}, "it did not end within 100ms"},
		{"ends though it should go on", runners.CommandConfig{Command: "echo hello", ExpectTimeout: true}, "it ended, but was expected to go on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.command.LogOutput = true
			s, res := play(t, harness.Scenario{
				Runner: runners.CreateWorkspacesConfig{
					Users: runners.CreateUsersConfig{Client: c}, HostLogin: true, Template: template(t, c), Command: &tt.command,
				}.Runner(),
				Schedule: harness.OneByOne(1),
			})
			if tt.want == "" {
				require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
				require.EqualValues(t, 1, s.Actions["command"].Count)
				return
			}
			require.Equal(t, harness.Fail, res.Verdict)
			require.Contains(t, s.Failures[0].Error, tt.want)
		})
	}
}

func TestTheDefaultRateLimitsAreNoObstacle(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			// Lower than by default, so that fewer workspaces show it.
			server := codertest.Start(t, codertest.Config{Version: version, RateLimit: 100, LoginRateLimit: 1, BuildTime: quick, Provisioners: 10})
			c := owner(t, server)
			info, err := c.Preflight(t.Context(), coder.PreflightOptions{})
			require.NoError(t, err)
			require.True(t, info.Owner)
			s, res := play(t, harness.Scenario{
				Runner:   runners.CreateWorkspaces(c, template(t, c)),
				Schedule: harness.AtATime(12, 6),
			})
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.Zero(t, server.Stats().RateLimited)
			if version == "v2.26.0" {
				require.Len(t, s.Warnings, 1)
				require.Contains(t, s.Warnings[0], "by address and path")
				require.Contains(t, s.Warnings[0], "CODER_API_RATE_LIMIT=-1")
			} else {
				require.Empty(t, s.Warnings, "an owner is not limited")
			}
		})
	}
}

func TestParametersAreCheckedBeforeAnythingIsCreated(t *testing.T) {
	server := codertest.Start(t, codertest.Config{})
	c := owner(t, server)
	cfg := runners.CreateWorkspacesConfig{
		Users: runners.CreateUsersConfig{Client: c}, Template: template(t, c),
		Parameters: []coder.BuildParameter{{Name: "size", Value: "huge"}, {Name: "delay", Value: "301"}, {Name: "colour", Value: "red"}},
	}
	err := cfg.Check(t.Context())
	require.ErrorContains(t, err, `parameter size is "huge", want one of small, large`)
	require.ErrorContains(t, err, `parameter delay is "301", want a number from 0 to 300`)
	require.ErrorContains(t, err, `parameter colour: the template does not ask for it`)
	w, people := everything(t, c)
	require.Zero(t, w)
	require.Equal(t, 1, people)
	cfg.Parameters = []coder.BuildParameter{{Name: "size", Value: "large"}}
	require.NoError(t, cfg.Check(t.Context()))
}

func TestCheckParameters(t *testing.T) {
	low, high := int64(1), int64(5)
	asked := []coder.RichParameter{
		{Name: "n", Type: "number", ValidationMin: &low, ValidationMax: &high},
		{Name: "least", Type: "number", ValidationMin: &low},
		{Name: "b", Type: "bool"},
		{Name: "s", Type: "string", ValidationRegex: "^a+$", ValidationError: "only a"},
		{Name: "l", Type: "list(string)"},
		{Name: "must", Type: "string", Required: true},
	}
	for _, tt := range []struct{ name, value, want string }{
		{"n", "3", ""}, {"n", "6", "from 1 to 5"}, {"n", "x", "want a number"}, {"least", "0", "of at least 1"},
		{"b", "true", ""}, {"b", "yes", "want true or false"},
		{"s", "aaa", ""}, {"s", "b", "want what matches ^a+$ (only a)"},
		{"l", `["x"]`, ""}, {"l", "x", "want a JSON list"},
	} {
		err := runners.CheckParameters(asked, []coder.BuildParameter{{Name: "must", Value: "x"}, {Name: tt.name, Value: tt.value}})
		if tt.want == "" {
			require.NoError(t, err, tt.name)
			continue
		}
		require.ErrorContains(t, err, tt.want)
	}
	err := runners.CheckParameters(asked, nil)
	require.ErrorContains(t, err, "parameter must: it has no default and got no value")
	err = runners.CheckParameters(asked, []coder.BuildParameter{{Name: "must", Value: "x"}, {Name: "must", Value: "y"}})
	require.ErrorContains(t, err, "it is given twice")
}

func TestWhatFollowsAWorkspaceCanFailIt(t *testing.T) {
	server := codertest.Start(t, codertest.Config{BuildTime: quick})
	c := owner(t, server)
	s, res := play(t, harness.Scenario{
		Runner: runners.CreateWorkspacesConfig{
			Users: runners.CreateUsersConfig{Client: c}, HostLogin: true, Template: template(t, c),
			After: func(_ context.Context, _ *harness.Recorder, w runners.Workspace) error {
				return errors.New("no tunnel to " + w.Name)
			},
		}.Runner(),
		Schedule: harness.OneByOne(1),
	})
	require.Equal(t, harness.Fail, res.Verdict)
	require.Contains(t, s.Failures[0].Error, "no tunnel to ")
	w, _ := everything(t, c)
	require.Zero(t, w)
}

func TestTheConfigurationOfWorkspacesIsChecked(t *testing.T) {
	_, err := runners.CreateWorkspacesConfig{Retries: -1, NoWaitForAgents: true, Command: &runners.CommandConfig{}}.Runner()(0)
	for _, want := range []string{"there is no client", "there is no template", "Retries is -1", "a command needs an agent", "command: it is empty"} {
		require.ErrorContains(t, err, want)
	}
}

func TestSomebodyWhoMayOnlyMakeUsersLeavesNothing(t *testing.T) {
	server := codertest.Start(t, codertest.Config{BuildTime: quick})
	c := owner(t, server)
	admin, err := c.CreateUser(t.Context(), coder.CreateUserRequest{Username: "ua", Email: "ua@example.com", Password: "S0me-long-password!"})
	require.NoError(t, err)
	_, err = c.SetUserRoles(t.Context(), admin.ID.String(), "user-admin")
	require.NoError(t, err)
	key, err := c.CreateSessionKey(t.Context(), "ua")
	require.NoError(t, err)
	ua := client(t, server, key)
	_, err = ua.Preflight(t.Context(), coder.PreflightOptions{})
	require.NoError(t, err)
	_, res := play(t, harness.Scenario{
		Runner:   runners.CreateWorkspaces(ua, template(t, c)),
		Schedule: harness.AllAtOnce(2),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	w, people := everything(t, c)
	require.Zero(t, w)
	require.Equal(t, 2, people, "the owner and the user admin")
}
