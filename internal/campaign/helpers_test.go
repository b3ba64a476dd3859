package campaign_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/internal/campaign"
	"github.com/coderscale/scaletest/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	p          = "CODER_SCALETEST_"
	second     = scenario.Duration(time.Second)
	deployment = "https://coder.example.com"
)

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// config is a campaign of two loads of a minute in a folder of its own.
func config(t *testing.T) campaign.Config {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "scaletest.test")
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755))
	return campaign.Config{
		Name: "nightly", URL: deployment, Results: filepath.Join(dir, "results"), Binary: binary, Template: "small", Workspaces: 10,
		Baseline: 60 * second,
		Loads:    []campaign.Load{{Kind: scenario.SSH, Duration: 60 * second}, {Kind: scenario.Dashboard, Duration: 60 * second}},
	}
}

// world is what a campaign acts on: children that take their time, and things that
// they leave in ledgers.
type world struct {
	t *testing.T

	verdicts map[string]harness.Verdict // of steps; a pass is not named
	crash    map[string]string          // steps that end without a result, and what they say
	stubborn bool                       // children don't end when they are told to
	left     error                      // why the cleanup leaves something

	mu      sync.Mutex
	steps   []campaign.Job
	cleaned []string // the folders' names
	out     bytes.Buffer
}

// Write takes what is told to people.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}

func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

func (w *world) means() campaign.Means {
	return campaign.Means{Child: w.child, Clean: w.clean, Out: w}
}

// child takes a minute.
func (w *world) child(ctx context.Context, job campaign.Job) error {
	w.mu.Lock()
	w.steps = append(w.steps, job)
	w.mu.Unlock()
	if job.Set[p+"NO_CLEANUP"] == "true" && job.Set[p+"DRY_RUN"] == "" {
		book, err := ledger.Create(job.Dir, ledger.Header{Target: deployment})
		require.NoError(w.t, err)
		require.NoError(w.t, book.Intend(ctx, harness.NewRunID(), "workspace", job.Name+"-1"))
		require.NoError(w.t, book.Close())
	}
	io.WriteString(job.Out, "it is "+job.Name+"\n")
	verdict := or(w.verdicts[job.Name], harness.Pass)
	stop := job.Stop.Done()
	if w.stubborn {
		stop = nil
	}
	select {
	case <-time.After(time.Minute):
	case <-stop:
		verdict = harness.Interrupted
	case <-ctx.Done():
		return errors.New("signal: killed")
	}
	if job.Set[p+"DRY_RUN"] != "" && w.crash[job.Name] == "" {
		return nil
	}
	if text := w.crash[job.Name]; text != "" {
		io.WriteString(job.Out, text)
		return errors.New("exit status 1")
	}
	w.result(job, verdict)
	if verdict != harness.Pass {
		return errors.New("exit status 1")
	}
	return nil
}

// result writes what a child would, of a load that is none.
func (w *world) result(job campaign.Job, verdict harness.Verdict) {
	dir := filepath.Join(job.Dir, job.Test)
	require.NoError(w.t, os.MkdirAll(dir, 0o700))
	run, err := harness.Start(w.t.Context(), harness.Plan{Name: job.Name, Scenarios: []harness.Scenario{{
		Name: "nothing", Schedule: harness.OneByOne(1),
		Runner: func(int) (harness.Runner, error) { return nothing{}, nil },
	}}})
	require.NoError(w.t, err)
	res := run.Wait()
	if res.Verdict = verdict; verdict != harness.Pass {
		res.Reasons = []string{job.Name + " was not good"}
	}
	require.NoError(w.t, res.WriteFile(filepath.Join(dir, "result.json")))
}

type nothing struct{}

func (nothing) Run(context.Context, *harness.Recorder) error { return nil }

// clean takes a second, and marks in the ledgers that all is gone.
func (w *world) clean(ctx context.Context, job campaign.CleanJob) error {
	w.mu.Lock()
	w.cleaned = append(w.cleaned, filepath.Base(job.Ledgers))
	w.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.left != nil || job.DryRun {
		return w.left
	}
	recs, err := ledger.List(job.Ledgers)
	require.NoError(w.t, err)
	for _, rec := range recs {
		require.NoError(w.t, os.Remove(rec.Path))
	}
	return nil
}

// names are those of the steps that ran.
func (w *world) names() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.steps {
		names = append(names, s.Name)
	}
	return names
}

// job is that of a step.
func (w *world) job(name string) campaign.Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.steps, func(j campaign.Job) bool { return j.Name == name })
	require.GreaterOrEqual(w.t, i, 0, "there is no step %s", name)
	return w.steps[i]
}

// file is the scenario file of a step.
func (w *world) file(name string) scenario.File {
	f, err := scenario.Read(w.job(name).Set[p+"SCENARIO"])
	require.NoError(w.t, err)
	return f
}

// run does a whole campaign, and reads what it wrote.
func (w *world) run(ctx context.Context, cfg campaign.Config) (campaign.Outcome, campaign.Record) {
	w.t.Helper()
	c, err := campaign.Open(cfg, w.means())
	require.NoError(w.t, err)
	outcome := c.Run(ctx)
	require.NoError(w.t, c.Close())
	return outcome, record(w.t, cfg.Results)
}

func record(t *testing.T, dir string) (rec campaign.Record) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "phases.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &rec))
	return rec
}

// states are the phases and what came of them.
func states(rec campaign.Record) string {
	var all []string
	for _, ph := range rec.Phases {
		all = append(all, ph.Name+"="+string(ph.State))
	}
	return strings.Join(all, " ")
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
