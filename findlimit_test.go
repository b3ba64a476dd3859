//go:build !scaletest

package scaletest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// narrow lets so many requests into a deployment at the same time, and refuses
// the others. Those within wait until all that are to come are there, so that
// how fast they are decides nothing.
type narrow struct {
	places int

	mu    sync.Mutex
	seen  int
	await int
	all   chan struct{}
}

func (n *narrow) expect(requests int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen, n.await, n.all = 0, requests, make(chan struct{})
}

// instead is for inFront.
func (n *narrow) instead(w http.ResponseWriter, r *http.Request) (answered bool) {
	if r.URL.Path != "/api/v2/templates" {
		return false
	}
	n.mu.Lock()
	n.seen++
	within, all := n.seen <= n.places, n.all
	if n.seen == n.await {
		close(all)
	}
	n.mu.Unlock()
	if !within {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	select {
	case <-all:
	case <-r.Context().Done():
	}
	return false
}

// askers is a search for how many may ask at the same time.
func (n *narrow) askers(target *scaletest.Target, to float64) harness.Search {
	return harness.Search{From: 2, To: to, Precision: 0.01, Rest: -1, Plan: func(load float64) (harness.Plan, error) {
		n.expect(int(load))
		return harness.Plan{MaxFailures: 1000, MaxLag: time.Hour, Scenarios: []harness.Scenario{{
			Name:       "askers",
			Schedule:   harness.AllAtOnce(int(load)),
			Runner:     runners.API([]runners.Person{target.Self()}, runners.APICall{Path: "/api/v2/templates"}),
			Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.001)},
		}}}, nil
	}}
}

func TestLimitOfADeploymentIsFound(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 1})
	n := &narrow{places: 11}
	dir := t.TempDir()
	csv, junit := filepath.Join(dir, "all.csv"), filepath.Join(dir, "all.xml")
	environment(t, append(live(inFront(t, d, n.instead), d.OwnerToken()), p+"ARTIFACTS="+dir, p+"OUTPUTS=csv:"+csv+",junit:"+junit)...)
	var limit *harness.Limit
	told, waited := 0, 0
	tb := attempt(t, &fakeTB{name: "TestX"}, func(tb *fakeTB) {
		search := n.askers(scaletest.Connect(tb), 40)
		search.Rest = time.Millisecond
		search.OnWait = func(time.Duration, float64) { waited++ }
		search.OnProbe = func(harness.Probe, *harness.Result) { told++ }
		limit = scaletest.FindLimit(tb, search)
	})
	require.Empty(t, tb.fatal)
	require.Empty(t, tb.errors, "to find a limit is no failure")
	require.Equal(t, harness.StopFound, limit.Stopped, limit.Text())
	assert.Equal(t, []float64{11, 12}, []float64{limit.Holds, limit.Breaks})
	assert.GreaterOrEqual(t, limit.Confidence, 0.9)
	assert.Equal(t, len(limit.Probes), told, "the caller's OnProbe")
	assert.Positive(t, waited, "the caller's OnWait")
	assert.Equal(t, "TestX", limit.Name)

	out := tb.output.String()
	assert.Contains(t, out, "search      for the highest load that holds, from 2 users to 40 users\n")
	assert.Contains(t, out, "\nup to\naskers      40 users at once\n")
	assert.Contains(t, out, "must hold: errors: rate<0.001")
	assert.Contains(t, out, "\nprobe 1     2 users\n            held, in ")
	assert.Contains(t, out, ": askers: errors: rate<0.001 is")
	assert.Contains(t, out, ", a check of the recovery, in ")
	assert.Contains(t, out, "\nresting for 1ms\n")
	assert.Contains(t, out, "\nwaiting for 1ms, then seeing whether it has recovered from 16 users\n")
	assert.Contains(t, out, "\nlimit       between 11 and 12 users, 92 % certain\n")
	assert.Contains(t, out, "outputs     no junit")

	path := filepath.Join(dir, "TestX", "limit.json")
	assert.Contains(t, out, "result      "+path+"\n")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var read harness.Limit
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, limit.Text(), read.Text())
	assert.Equal(t, "false", read.Target["embedded"])
	assert.NotContains(t, string(text), d.OwnerToken())
	for i, probe := range limit.Probes {
		res, err := harness.ReadResult(filepath.Join(dir, "TestX", "probe-"+strconv.Itoa(i+1)+".json"))
		require.NoError(t, err)
		assert.Equal(t, probe.RunID, res.RunID, "the evidence is another run's")
		assert.Equal(t, "TestX", res.Name)
	}
	lines, err := os.ReadFile(csv)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, strings.Count(string(lines), "\n"), len(limit.Probes))
	assert.NoFileExists(t, junit)
}

// visitors is a search of a deployment that nothing is asked of.
func visitors(change func(load float64, plan *harness.Plan)) harness.Search {
	return harness.Search{To: 4, Rest: -1, Plan: func(load float64) (harness.Plan, error) {
		plan := harness.Plan{MaxLag: time.Hour, Scenarios: []harness.Scenario{visiting(int(load), 0)}}
		if change != nil {
			change(load, &plan)
		}
		return plan, nil
	}}
}

func TestSearchThatMakesNoSenseIsRefusedBeforeItBegins(t *testing.T) {
	mine := visitors(nil)
	mine.Run = func(context.Context, harness.Plan) (*harness.Result, error) { return nil, nil }
	long := visitors(func(load float64, plan *harness.Plan) {
		plan.Scenarios[0] = held(time.Duration(load) * 4 * time.Minute)
	})
	for _, c := range []struct {
		name, set string
		left      time.Duration
		search    harness.Search
		want      string
	}{
		{"no plan", "", 0, harness.Search{To: 4}, "search: there is no Plan"},
		{"a run of its own", "", 0, mine, "search: Run is set, but scaletest.FindLimit runs the probes as the environment says: leave it nil, or use harness.FindLimit"},
		{"a highest load that is longer than the test may take", "", 10 * time.Minute, long, "search: the plan of 4 users: the plan takes 16m0s and as much as 45s"},
		{"a highest load that is longer than the timeout", p + "TIMEOUT=5m", 0, long, "search: the plan of 4 users: the plan takes 16m0s, but CODER_SCALETEST_TIMEOUT is 5m0s"},
		{"a threshold of what nothing records", p + "THRESHOLDS=viist: count>1", 0, visitors(nil), "search: the plan of 1 users: scenario \"visits\": threshold viist: count>1: nothing records viist, the nearest is visit"},
		{"an output that can't be written", p + "OUTPUTS=csv:/nowhere/at/all.csv", 0, visitors(nil), "CODER_SCALETEST_OUTPUTS has csv:/nowhere/at/all.csv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.set, p+"DURATION=1s")
			tb := &fakeTB{}
			if c.left > 0 {
				tb.deadline = time.Now().Add(c.left)
			}
			attempt(t, tb, func(tb *fakeTB) {
				tiny.Connect(tb)
				scaletest.FindLimit(tb, c.search)
				t.Error("it went on")
			})
			require.Len(t, tb.fatal, 1)
			assert.Contains(t, tb.fatal[0], c.want)
			assert.NotContains(t, tb.fatal[0], "\n")
			assert.NotContains(t, tb.output.String(), "probe 1")
		})
	}
	tb := attempt(t, nil, func(tb *fakeTB) { scaletest.FindLimit(tb, visitors(nil)) })
	assert.Equal(t, []string{"there is no target: call scaletest.Connect first, or use package harness for other systems"}, tb.fatal)
}

func TestCrowdOfTheHighestLoadNeedsConfirmationBeforeTheSearchBegins(t *testing.T) {
	search := visitors(nil)
	search.To = 1001
	err := scaletest.SearchEnds(&fakeTB{}, "https://coder.example.com", search)
	require.ErrorContains(t, err, "search: the plan of 1001 users: 1001 users on coder.example.com are more than the 1000 that need no confirmation")
	search.To = 1000
	require.NoError(t, scaletest.SearchEnds(&fakeTB{}, "https://coder.example.com", search))
}

func TestDryRunOfASearchShowsBothEndsAndRunsNothing(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"DRY_RUN=true", p+"ARTIFACTS="+dir)
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.FindLimit(tb, visitors(nil))
		t.Error("it went on")
	})
	assert.Equal(t, []string{"CODER_SCALETEST_DRY_RUN is set: nothing was run"}, tb.skipped)
	assert.Contains(t, tb.output.String(), "visits      1 user\n")
	assert.Contains(t, tb.output.String(), "up to\nvisits      4 users at once\n")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestSearchEndsBeforeTheTestIsKilled(t *testing.T) {
	for _, given := range []time.Duration{0, time.Hour} {
		tb := &fakeTB{deadline: time.Now().Add(10 * time.Minute)}
		b := scaletest.Bounded(tb, harness.Budget{Time: given, Probes: 7})
		assert.Positive(t, b.Time)
		assert.Less(t, b.Time, 10*time.Minute-45*time.Second, "a probe that the budget allows would be refused")
		assert.Equal(t, 7, b.Probes)
		assert.Contains(t, tb.output.String(), "because go test ends this test then: -timeout 0 gives it more")
	}
	tb := &fakeTB{deadline: time.Now().Add(10 * time.Minute)}
	assert.Equal(t, time.Second, scaletest.Bounded(tb, harness.Budget{Time: time.Second}).Time)
	assert.Empty(t, tb.output.String())
}

func TestThresholdsOfTheEnvironmentDecideInASearch(t *testing.T) {
	environment(t, p+"THRESHOLDS=visits/visit: count>1000")
	var limit *harness.Limit
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		limit = scaletest.FindLimit(tb, visitors(nil))
	})
	require.Empty(t, tb.errors)
	require.Equal(t, harness.StopFloor, limit.Stopped)
	assert.Contains(t, tb.output.String(), "limit       below 1 users, 96 % certain\n")
	assert.Contains(t, tb.output.String(), "visits: visit: count>1000: 1\n")
}

func TestSearchThatCannotBeCarriedOutFailsTheTestAndWritesWhatIsKnown(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"ARTIFACTS="+dir)
	var limit *harness.Limit
	tb := attempt(t, &fakeTB{name: "TestX"}, func(tb *fakeTB) {
		tiny.Connect(tb)
		limit = scaletest.FindLimit(tb, visitors(func(load float64, plan *harness.Plan) {
			if load == 2 {
				plan.Scenarios[0].Runner = func(int) (harness.Runner, error) { return nil, errors.New("all of them are taken") }
			}
		}))
	})
	require.Equal(t, []string{`search: run 2 users: scenario "visits": user 0: all of them are taken`}, tb.errors)
	assert.Equal(t, 1.0, limit.Holds)
	assert.Equal(t, harness.StopError, limit.Stopped)
	assert.FileExists(t, filepath.Join(dir, "TestX", "limit.json"))
}

func TestSecondSearchOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	environment(t, p+"ARTIFACTS="+dir)
	attempt(t, &fakeTB{name: "TestX"}, func(tb *fakeTB) {
		tiny.Connect(tb)
		search := visitors(nil)
		search.Budget.Probes = 1
		scaletest.FindLimit(tb, search)
		scaletest.FindLimit(tb, search)
	})
	for _, name := range []string{"limit.json", "limit-2.json", "probe-1.json", "probe-1-2.json"} {
		assert.FileExists(t, filepath.Join(dir, "TestX", name))
	}
}
