//go:build !scaletest

package scaletest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/scenario"
	"github.com/coderscale/scaletest/traffic"
)

// swift is a deployment whose builds take no time.
func swift(t *testing.T, cfg codertest.Config) *codertest.Server {
	t.Helper()
	cfg.BuildTime, cfg.Provisioners = codertest.Fixed(5*time.Millisecond), 10
	return codertest.Start(t, cfg)
}

// said is everything that failed a test.
func said(tb *fakeTB) string { return strings.Join(slices.Concat(tb.fatal, tb.errors), "; ") }

// there is what a deployment has.
func there(t *testing.T, d *codertest.Server) (workspaces, users int) {
	t.Helper()
	c, err := coder.New(coder.Config{URL: d.URL(), Token: d.OwnerToken()})
	require.NoError(t, err)
	defer c.CloseIdleConnections()
	w, err := c.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	u, err := c.AllUsers(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	return len(w), len(u)
}

func TestTheEnvironmentSaysWhatIsCreated(t *testing.T) {
	d := swift(t, codertest.Config{})
	dir := t.TempDir()
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"COUNT=3", p+"NO_CLEANUP=true", p+"ARTIFACTS="+dir, p+"CONCURRENCY=3")...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		cfg := target.CreateWorkspaces(tb)
		res := scaletest.RunPlan(tb, target.Creation("workspaces", 50, cfg.Runner()))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	})
	require.Empty(t, said(tb))
	w, u := there(t, d)
	require.Equal(t, 3, w)
	require.Equal(t, 4, u)
	// What is left is on disk, and goes by that.
	ledgers, err := filepath.Glob(filepath.Join(dir, "ledger-*"))
	require.NoError(t, err)
	require.Len(t, ledgers, 1)
	environ := append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+dir)
	c, err := scaletest.ConfigFromEnv(environ)
	require.NoError(t, err)
	report, err := scaletest.Cleanup(t.Context(), c, scaletest.CleanupOptions{Settle: -1})
	require.NoError(t, err)
	require.Empty(t, report.Left)
	w, u = there(t, d)
	require.Zero(t, w)
	require.Equal(t, 1, u)
}

func TestNothingIsCreatedWithParametersThatTheTemplateDoesNotTake(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, append(live(d.URL(), d.OwnerToken()), "CODER_RICH_PARAMETER=size=huge", p+"ARTIFACTS="+t.TempDir())...)
	tb := attempt(t, nil, func(tb *fakeTB) { scaletest.Connect(tb).CreateWorkspaces(tb) })
	require.Contains(t, said(tb), `parameter size is "huge", want one of small, large`)
	w, u := there(t, d)
	require.Zero(t, w)
	require.Equal(t, 1, u)
}

func TestPeopleAreInAStableOrderAndTheirSessionsEnd(t *testing.T) {
	d := swift(t, codertest.Config{Users: 5})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"DASHBOARD_TARGET_USERS=1:4", p+"ARTIFACTS="+t.TempDir())...)
	var client *coder.Client
	var order []string
	for range 2 {
		var names []string
		tb := attempt(t, nil, func(tb *fakeTB) {
			for _, person := range scaletest.Connect(tb).People(tb) {
				names = append(names, person.User.Username)
				client = person.Client
				_, err := client.User(t.Context(), coder.Me)
				assert.NoError(t, err)
			}
		})
		require.Empty(t, said(tb))
		require.Len(t, names, 3)
		if order == nil {
			order = names
		}
		require.Equal(t, order, names)
	}
	_, err := client.User(t.Context(), coder.Me)
	require.True(t, coder.IsUnauthorized(err), "the session has ended with the test: %v", err)
	client.CloseIdleConnections()
}

func TestOnlyThoseWhoComeGetASession(t *testing.T) {
	d := swift(t, codertest.Config{Users: 5})
	sessions := func() int64 {
		return d.Stats().Routes[codertest.RouteCode{Route: "POST /api/v2/users/{user}/keys", Code: http.StatusCreated}]
	}
	load := func(shard harness.Shard, dry bool) *fakeTB {
		set := append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+t.TempDir(), p+"DRY_RUN="+strconv.FormatBool(dry))
		environment(t, set...)
		return attempt(t, nil, func(tb *fakeTB) {
			target := scaletest.Connect(tb)
			scaletest.RunPlan(tb, harness.Plan{Name: "looking", RunID: "looking", Shard: shard, Scenarios: []harness.Scenario{{
				Name: "calls", Schedule: harness.PerUserIterations(1, 5),
				Runner: runners.APIConfig{People: target.People(tb), Calls: []runners.APICall{{Method: "GET", Path: "/api/v2/users/me"}}}.Runner(),
			}}})
		})
	}
	load(harness.Shard{}, true)
	require.Zero(t, sessions(), "a plan that is only shown needs nobody")
	for i, want := range []int64{3, 5} { // users 0, 2 and 4; then 1 and 3
		require.Empty(t, said(load(harness.Shard{Index: i, Of: 2}, false)))
		require.Equal(t, want, sessions(), "shard %d", i)
	}
}

func TestWhoCanNotBeSimulatedIsSaid(t *testing.T) {
	d := swift(t, codertest.Config{})
	people := func(set ...string) string {
		environment(t, append(live(d.URL(), d.OwnerToken()), append(set, p+"ARTIFACTS="+t.TempDir())...)...)
		tb := attempt(t, nil, func(tb *fakeTB) { scaletest.Connect(tb).People(tb) })
		return said(tb)
	}
	require.Contains(t, people(), "has no users whose name begins with scaletest-: create some with")
	require.Empty(t, people(p+"USE_HOST_LOGIN=true"))
	more := swift(t, codertest.Config{Users: 2})
	d = more
	require.Contains(t, people(p+"DASHBOARD_TARGET_USERS=0:3"), "DASHBOARD_TARGET_USERS is 0:3: it goes to 3, but there are only 2 users")
}

const file = `
order: sequence
create: {workspaces: 4, concurrency: 4}
scenarios:
  - {kind: terminal, duration: 300ms, thresholds: ["errors: rate<0.001"]}
  - {kind: app, duration: 300ms, targets: 50%}
  - {kind: dashboard, duration: 300ms, interval: 100ms}
  - {kind: build, build: stop}
`

func TestAScenarioFileIsRunAndWhatItCreatedIsDeleted(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+t.TempDir())...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Connect(tb)
		f, err := scenario.Parse([]byte(file))
		require.NoError(t, err)
		res := scaletest.RunFile(tb, f)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Len(t, res.Scenarios, 4)
		require.EqualValues(t, 4, res.Scenarios[0].Ready)
		require.EqualValues(t, 2, res.Scenarios[1].Ready)
		require.EqualValues(t, 4, res.Scenarios[2].Ready, "the dashboard's people are the owners of what was created")
		w, u := there(t, d)
		require.Equal(t, []int{4, 5}, []int{w, u}, "they are there until the test ends")
	})
	require.Empty(t, said(tb))
	w, u := there(t, d)
	require.Zero(t, w)
	require.Equal(t, 1, u)
}

func TestACreationThatFailsEndsAScenarioFile(t *testing.T) {
	d := codertest.Start(t, codertest.Config{BuildTime: codertest.Fixed(time.Millisecond), BuildFailureRate: 1})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+t.TempDir())...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Connect(tb)
		f, err := scenario.Parse([]byte(file))
		require.NoError(t, err)
		res := scaletest.RunFile(tb, f)
		require.Equal(t, "create", res.Scenarios[0].Name, "nothing else was run")
		require.NotEqual(t, harness.Pass, res.Verdict)
	})
	require.NotEmpty(t, said(tb))
}

func TestAScenarioFileThatIsNotThereIsSaid(t *testing.T) {
	_, err := scenario.Read(filepath.Join(t.TempDir(), "no.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheTimeoutOfACreationIsThatOfTheEnvironment(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"TIMEOUT=5h", p+"JOB_TIMEOUT=9m", p+"COUNT=7")...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		plan := target.Creation("x", 1, target.CreateUsers(tb).Runner())
		require.Equal(t, 5*time.Hour, plan.Timeout)
		require.Equal(t, 7, plan.Scenarios[0].Schedule.Users())
		require.Equal(t, "7 users one by one", plan.Scenarios[0].Schedule.String())
	})
	require.Empty(t, said(tb))
}

func TestWhatIsWrongWithAScenarioFileIsSaidBeforeAnythingIsCreated(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		noUpgrades bool // something in front lets no WebSocket through, and so nobody into the tailnet
	}{
		"no way to SSH": {text: `
create: {workspaces: 4}
scenarios: [{kind: ssh, duration: 1s}]`, want: "there is no relay, or a proxy in between lets neither through", noUpgrades: true},
		"a metric that nobody records": {text: `
create: {workspaces: 4}
scenarios: [{kind: terminal, duration: 1s, thresholds: ["ecko: p(99)<1s"]}]`, want: `scenario "terminal": threshold ecko: p(99)<1s: nothing records ecko, the nearest is echo`},
		"a share of nothing": {text: `
create: {workspaces: 4}
scenarios: [{kind: terminal, duration: 1s, targets: 1%}]`, want: "targets are 0%:1%, which is none of the 4 workspaces"},
	} {
		t.Run(name, func(t *testing.T) {
			d := swift(t, codertest.Config{})
			at := d.URL()
			if c.noUpgrades {
				at = refuseUpgrades(t, deployment{Server: d}, http.StatusForbidden)
			}
			environment(t, live(at, d.OwnerToken())...)
			tb := attempt(t, nil, func(tb *fakeTB) {
				scaletest.Connect(tb)
				f, err := scenario.Parse([]byte(c.text))
				assert.NoError(t, err)
				scaletest.RunFile(tb, f)
			})
			require.Contains(t, said(tb), c.want)
			require.Zero(t, d.Stats().Builds)
			_, u := there(t, d)
			require.Equal(t, 1, u)
		})
	}
}

func TestADryRunShowsAllOfAScenarioFile(t *testing.T) {
	d := swift(t, codertest.Config{})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"DRY_RUN=true")...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Connect(tb)
		f, err := scenario.Parse([]byte(file))
		assert.NoError(t, err)
		scaletest.RunFile(tb, f)
	})
	require.Empty(t, said(tb))
	for _, want := range []string{"create      4 workspaces of the only template, 4 at a time", "terminal    4 users at once for 300ms", "app         2 users", "build       4 users at once"} {
		require.Contains(t, tb.output.String(), want)
	}
	require.Zero(t, d.Stats().Builds)
}

func TestAppsByPathAreOpenedByTheirOwners(t *testing.T) {
	d := codertest.Start(t, codertest.Config{Workspaces: 4, Users: 2})
	environment(t, live(d.URL(), d.OwnerToken())...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		res := scaletest.Run(tb, harness.Scenario{
			Name:     "app",
			Runner:   runners.App(target.WorkspacesWithApp(tb, "wsec"), "wsec", traffic.Constant(100, 20*time.Millisecond)),
			Schedule: harness.AllAtOnce(4).Hold(200 * time.Millisecond),
		})
		assert.EqualValues(t, 4, res.Scenarios[0].Ready)
	})
	require.Empty(t, said(tb))
}
