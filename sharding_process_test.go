//go:build unix && !scaletest

package scaletest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
	"github.com/coderscale/scaletest/report"
)

// shards runs the processes of shards with a collector, and returns its runs and what
// the processes printed.
func shards(t *testing.T, n int, binary, test string, set []string) ([]collector.Run, []string) {
	t.Helper()
	server, err := collector.New(collector.Config{Shards: n, Dir: t.TempDir(), Linger: time.Second, Lead: 200 * time.Millisecond, Logf: t.Logf})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	defer web.Close()
	said := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		env := append([]string{
			p + "SHARDS=" + fmt.Sprint(n), fmt.Sprintf("JOB_COMPLETION_INDEX=%d", i), p + "COLLECTOR=" + web.URL,
			p + "RUN_ID=3f1c9d6e-52a1-4b0a-9d0f-0b8a6a3d7e21",
		}, set...)
		cmd := child(t, env, binary, "-test.v", "-test.run=^"+test+"$")
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
			said[i] = string(out)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	runs, err := server.Wait(ctx)
	wg.Wait()
	require.NoError(t, err)
	return runs, said
}

func shardedJob(t *testing.T, binary string) {
	d := deploy(t, codertest.Config{Workspaces: 7})
	set := append(live(d.URL(), d.OwnerToken()), p+"DURATION=3s", p+"WORKSPACE_TRAFFIC_BYTES_PER_TICK=100")
	runs, said := shards(t, 3, binary, "TestTerminals", set)
	require.Len(t, runs, 1)
	res := runs[0].Result
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	assert.EqualValues(t, 7, d.Stats().TerminalsOpened, "one for each workspace, and no workspace twice")
	assert.Equal(t, 7, res.Scenarios[0].Users)
	assert.Len(t, res.Shards, 3)
	var first, last time.Time
	for i, s := range res.Shards {
		load := s.StartedAt
		for _, phase := range s.Phases {
			if phase.Name == "load" {
				load = load.Add(time.Duration(phase.At * float64(time.Second)))
			}
		}
		if i == 0 || load.Before(first) {
			first = load
		}
		if load.After(last) {
			last = load
		}
		require.NotNil(t, s.Clock)
		assert.Less(t, s.Clock.Offset, s.Clock.Uncertainty+1e-3, "it is the same machine")
		assert.Contains(t, said[i], fmt.Sprintf("shard       %d/3 of run ", i+1))
		assert.Equal(t, i == 0, s.Observed, "one look at the server's side is enough")
		assert.NotEmpty(t, s.Fingerprint)
	}
	t.Logf("the shards' loads began within %v", last.Sub(first))
	assert.Less(t, last.Sub(first), 500*time.Millisecond, "they meet before it")
}

func shardedFile(t *testing.T, binary string) {
	d := deploy(t, codertest.Config{Provisioners: 5, BuildTime: codertest.Latency{Max: time.Millisecond}})
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
order: sequence
create: {workspaces: 5, concurrency: 5}
scenarios:
  - {name: terminals, kind: terminal, duration: 2s, bytes_per_tick: 100, targets: 60%}
  - {name: apps, kind: app, app: wsec, duration: 2s, bytes_per_tick: 100}
  - {name: people, kind: dashboard, duration: 2s, interval: 500ms}
`), 0o600))
	runs, said := shards(t, 2, binary, "TestScenario", append(live(d.URL(), d.OwnerToken()), p+"SCENARIO="+file))
	require.Len(t, runs, 2, "the creation, and the load")
	for _, r := range runs {
		require.Equal(t, harness.Pass, r.Result.Verdict, r.Result.Reasons)
	}
	assert.Equal(t, 5, runs[0].Result.Scenarios[0].Users)
	users := []int{}
	for _, s := range runs[1].Result.Scenarios {
		users = append(users, s.Users)
	}
	assert.Equal(t, []int{3, 5, 5}, users, "targets are those of both shards")
	assert.EqualValues(t, 3, d.Stats().TerminalsOpened)
	left, err := d.client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	assert.Empty(t, left, "each deletes its own, after the other is done with them: %s", strings.Join(said, "\n"))
}

func shardedAgents(t *testing.T, binary string) {
	d := deploy(t, codertest.Config{Provisioners: 5})
	runs, _ := shards(t, 2, binary, "TestAgents", append(live(d.URL(), d.OwnerToken()), p+"COUNT=5", p+"DURATION=1s"))
	require.Len(t, runs, 1)
	res := runs[0].Result
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	assert.Equal(t, 5, res.Scenarios[0].Users)
	pool, err := d.client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	assert.Len(t, pool, 5, "the first shard makes the pool, and the second finds it")
}

// mergedJob is the way without a collector: an instant, and one folder for all.
func mergedJob(t *testing.T, binary string) {
	d := deploy(t, codertest.Config{Workspaces: 5})
	dir, at := t.TempDir(), time.Now().Add(6*time.Second).Truncate(time.Second)
	var wg sync.WaitGroup
	for i := range 2 {
		cmd := child(t, append(live(d.URL(), d.OwnerToken()), p+"DURATION=1s", p+"WORKSPACE_TRAFFIC_BYTES_PER_TICK=100",
			p+"SHARD="+fmt.Sprintf("%d/2", i+1), p+"RUN_ID=later", p+"START_AT="+at.Format(time.RFC3339), p+"ARTIFACTS="+dir,
		), binary, "-test.v", "-test.run=^TestTerminals$")
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	wg.Wait()
	results, err := report.Read(dir)
	require.NoError(t, err)
	res, err := harness.Merge(harness.MergeOptions{}, results...)
	require.NoError(t, err)
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	assert.Equal(t, 5, res.Scenarios[0].Users)
	assert.EqualValues(t, 5, d.Stats().TerminalsOpened)
}
