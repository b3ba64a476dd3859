//go:build !scaletest

package scaletest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

var visit = harness.NewAction("visit")

// visiting is a scenario of users who visit, the first ones in vain.
func visiting(users, inVain int) harness.Scenario {
	return harness.Scenario{
		Name:     "visits",
		Schedule: harness.AllAtOnce(users),
		Runner: func(user int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, visit, func(context.Context) error {
					if user < inVain {
						return errors.New("nobody at home")
					}
					return nil
				})
			}), nil
		},
	}
}

// tiny is an embedded deployment that is there at once.
var tiny = scaletest.Embedded{Workspaces: 2}

func TestRunNeedsATarget(t *testing.T) {
	environment(t)
	tb := attempt(t, nil, func(tb *fakeTB) { scaletest.Run(tb, visiting(1, 0)) })
	assert.Equal(t, []string{"there is no target: call scaletest.Connect first, or use package harness for other systems"}, tb.fatal)

	attempt(t, &fakeTB{name: "TestA"}, func(a *fakeTB) {
		tiny.Connect(a)
		sub := attempt(t, &fakeTB{name: "TestA/sub"}, func(tb *fakeTB) { scaletest.Run(tb, visiting(1, 0)) })
		assert.Empty(t, sub.fatal, "a sub-test has its parent's target")
		other := attempt(t, &fakeTB{name: "TestAB"}, func(tb *fakeTB) { scaletest.Run(tb, visiting(1, 0)) })
		assert.NotEmpty(t, other.fatal, "another test's target is used")
	})
	after := attempt(t, &fakeTB{name: "TestA"}, func(tb *fakeTB) { scaletest.Run(tb, visiting(1, 0)) })
	assert.NotEmpty(t, after.fatal, "a target that is closed is used")
}

func TestPlansThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, set string
		left      time.Duration // until the test's deadline; 0 is none
		plan      harness.Plan
		want      string
	}{
		{"no scenario", "", 0, harness.Plan{}, "the plan has no scenarios"},
		{"no users", "", 0, harness.Plan{Scenarios: []harness.Scenario{visiting(0, 0)}}, "0 users, want at least 1"},
		{"more users than workspaces", "", 0, harness.Plan{Scenarios: []harness.Scenario{crowd()}}, "workspaces"},
		{"longer than the test may take", "", 10 * time.Minute, harness.Plan{Scenarios: []harness.Scenario{held(10 * time.Minute)}},
			"the plan takes 10m0s and as much as 45s to get ready and clean up, but go test ends this test in 10m0s: run it with -timeout 0, or shorter"},
		{"longer than the timeout", p + "TIMEOUT=5m", 0, harness.Plan{Scenarios: []harness.Scenario{held(6 * time.Minute)}},
			"the plan takes 6m0s, but CODER_SCALETEST_TIMEOUT is 5m0s: want a longer timeout, or a shorter plan"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.set, p+"DURATION=1s")
			tb := &fakeTB{}
			if c.left > 0 {
				tb.deadline = time.Now().Add(c.left)
			}
			attempt(t, tb, func(tb *fakeTB) {
				tiny.Connect(tb)
				scaletest.RunPlan(tb, c.plan)
			})
			require.Len(t, tb.fatal, 1)
			assert.Contains(t, tb.fatal[0], c.want)
			assert.NotContains(t, tb.fatal[0], "\n")
		})
	}
}

// crowd has more users than there are workspaces.
func crowd() harness.Scenario {
	s := typing(nil, time.Second)
	s.Schedule = harness.AllAtOnce(3)
	return s
}

func held(d time.Duration) harness.Scenario {
	s := visiting(1, 0)
	s.Schedule = harness.AllAtOnce(1).Hold(d)
	return s
}

func TestTickOfZeroInCodeIsRefused(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"ARTIFACTS="+dir)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := tiny.Connect(tb)
		s := typing(target.Workspaces(tb), time.Second)
		s.Runner = runners.Terminal(target.Workspaces(tb), traffic.Constant(100, 0))
		scaletest.Run(tb, s)
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "interval")
	assert.NotContains(t, tb.fatal[0], "\n")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "a folder for results that will never be")
}

func TestDryRunTouchesNothing(t *testing.T) {
	environment(t, p+"DRY_RUN=true")
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := tiny.Connect(tb)
		tb.Cleanup(func() { assert.Zero(t, target.Embedded().Stats().TerminalsOpened) })
		scaletest.Run(tb, typing(target.Workspaces(tb), time.Hour))
		t.Error("it went on")
	})
	assert.Equal(t, []string{"CODER_SCALETEST_DRY_RUN is set: nothing was run"}, tb.skipped)
	assert.Contains(t, tb.output.String(), "2 users at once for 1h0m0s")
	assert.Contains(t, tb.output.String(), "must hold: errors: rate<0.001")
}

func TestThresholdsOfTheEnvironmentReplaceThoseInCode(t *testing.T) {
	for _, c := range []struct{ set, failure string }{
		{"", "fail: visits: visit: count>5 is broken: 3"},
		{p + "THRESHOLDS=visit: count>2", ""},
		{p + "THRESHOLDS=visits/visit: count>2; visits/visit: p(99)<1h", ""},
		{p + "THRESHOLDS=visits/visit: count>4", "fail: visits: visit: count>4 is broken: 3"},
	} {
		environment(t, c.set)
		tb := attempt(t, nil, func(tb *fakeTB) {
			tiny.Connect(tb)
			s := visiting(3, 0)
			s.Thresholds = []harness.Threshold{harness.Count("visit").Above(5)}
			scaletest.Run(tb, s)
		})
		assert.Equal(t, c.failure, strings.Join(tb.errors, "\n"), c.set)
	}
}

func TestMaxFailures(t *testing.T) {
	for _, c := range []struct {
		set   string
		plan  int
		fails bool
	}{
		{"", 0, true}, {"", 2, false}, {p + "MAX_FAILURES=2", 0, false}, {p + "MAX_FAILURES=1", 0, true},
		{p + "MAX_FAILURES=0", 2, true}, // the environment wins, also with 0
	} {
		environment(t, c.set)
		tb := attempt(t, nil, func(tb *fakeTB) {
			tiny.Connect(tb)
			scaletest.RunPlan(tb, harness.Plan{MaxFailures: c.plan, Scenarios: []harness.Scenario{visiting(4, 2)}})
		})
		assert.Equal(t, c.fails, len(tb.errors) > 0, "%+v: %v", c, tb.errors)
	}
}

func TestResultsAreWrittenWhereTheyAreWanted(t *testing.T) {
	dir := t.TempDir()
	text, copied := filepath.Join(dir, "summary.txt"), filepath.Join(dir, "copy.json")
	environment(t, p+"ARTIFACTS="+dir, p+"SEED=42", p+"TARGET_WORKSPACES=0:2", p+"OUTPUTS=text:"+text+",result:"+copied)
	var returned *harness.Result
	tb := attempt(t, &fakeTB{name: "TestX/y"}, func(tb *fakeTB) {
		target := tiny.Connect(tb)
		returned = scaletest.Run(tb, typing(target.Workspaces(tb), 1100*time.Millisecond))
	})
	require.Empty(t, tb.fatal)

	path := filepath.Join(dir, "TestX_y", "result.json")
	assert.Contains(t, tb.output.String(), "result      "+path, "where it is, is not said")
	assert.NotContains(t, tb.output.String(), "p99.9", "the table goes to the file only")
	res, err := harness.ReadResult(path)
	require.NoError(t, err)
	_, err = harness.ReadResult(copied)
	assert.NoError(t, err)
	b, err := os.ReadFile(text)
	require.NoError(t, err)
	assert.Contains(t, string(b), "p99.9")
	for _, f := range []string{path, text, copied} {
		info, err := os.Stat(f)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
	}

	assert.Equal(t, returned.RunID, res.RunID)
	assert.Equal(t, "TestX/y", res.Name)
	assert.EqualValues(t, 42, res.Seed)
	assert.Equal(t, "true", res.Target["embedded"])
	assert.Equal(t, "v2.37.0", res.Target["version"])
	assert.NotEmpty(t, res.Target["user"])
	assert.Equal(t, "0:2", res.Configuration[p+"TARGET_WORKSPACES"])
	assert.NotContains(t, res.Configuration, "CODER_SESSION_TOKEN")
	assert.NotEmpty(t, res.Scenarios[0].Timeline)
	assert.NotEmpty(t, res.Generator.Go)
}

func TestResultOfALiveDeploymentHoldsNoToken(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 2})
	dir := t.TempDir()
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+dir, p+"YES=localhost")...)
	tb := attempt(t, &fakeTB{name: "TestX"}, test)
	require.Empty(t, tb.fatal)
	b, err := os.ReadFile(filepath.Join(dir, "TestX", "result.json"))
	require.NoError(t, err)
	assert.Contains(t, string(b), d.URL())
	assert.Contains(t, string(b), `"embedded": "false"`)
	secret := d.OwnerToken()[len(d.OwnerToken())-22:]
	assert.NotContains(t, string(b), secret)
	assert.NotContains(t, tb.output.String(), secret)
	assert.Contains(t, tb.output.String(), "2 users at once")
	assert.EqualValues(t, 2, d.Stats().TerminalsOpened, "it ran elsewhere")
}

func TestCrowdsOnOtherPeoplesHostsNeedConfirmation(t *testing.T) {
	for _, c := range []struct {
		url, yes string
		users    int
		ok       bool
	}{
		{"https://coder.example.com", "", 1000, true},
		{"https://coder.example.com", "", 1001, false},
		{"https://coder.example.com", "true", 1001, false},
		{"https://coder.example.com", "example.com", 1001, false},
		{"https://coder.example.com:8443/base", "coder.example.com", 1001, true},
		{"http://localhost:3000", "", 100000, true},
		{"http://127.0.0.1:3000", "", 100000, true},
		{"http://[::1]:3000", "", 100000, true},
		{"http://127.0.0.1.example.com", "", 1001, false},
		{"", "", 100000, true}, // embedded
	} {
		err := scaletest.Confirmed(c.url, c.yes, c.users)
		assert.Equal(t, c.ok, err == nil, "%+v: %v", c, err)
	}
	assert.EqualError(t, scaletest.Confirmed("https://coder.example.com", "", 5000),
		"5000 users on coder.example.com are more than the 1000 that need no confirmation: set CODER_SCALETEST_YES=coder.example.com if its operators know")
}

func TestAgentsThatCannotBeUsedAreSaid(t *testing.T) {
	connected := coder.Agent{ID: uuid.New(), Name: "main", Status: "connected"}
	child := coder.Agent{ID: uuid.New(), Name: "devcontainer", Status: "connected", ParentID: connected.ID}
	for _, c := range []struct {
		status  string
		agents  []coder.Agent
		problem string
	}{
		{"stopped", nil, "is stopped"},
		{"starting", []coder.Agent{connected}, "is starting"},
		{"running", nil, "has no agent"},
		{"running", []coder.Agent{{Status: "timeout"}}, "has an agent that is timeout"},
		{"running", []coder.Agent{child, connected}, ""},
	} {
		var w coder.Workspace
		w.LatestBuild.Status = c.status
		w.LatestBuild.Resources = []coder.Resource{{Agents: c.agents}}
		a, problem := scaletest.UsableAgent(w)
		assert.Equal(t, c.problem, problem)
		if problem == "" {
			assert.Equal(t, "main", a.Name, "an agent inside another one is taken")
		}
	}
}
