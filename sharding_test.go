//go:build !scaletest

package scaletest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestShardsInTheEnvironment(t *testing.T) {
	const together = p + "START_AT=2030-01-01T00:00:00Z"
	for _, c := range []struct {
		set   []string
		shard harness.Shard
		says  string // "" is fine
	}{
		{nil, harness.Shard{}, ""},
		{[]string{"JOB_COMPLETION_INDEX=3"}, harness.Shard{}, ""}, // some other Job's
		{[]string{p + "SHARDS=1"}, harness.Shard{Of: 1}, ""},
		{[]string{p + "SHARD=1/1"}, harness.Shard{Of: 1}, ""},
		{[]string{p + "SHARD=2/5", p + "RUN_ID=a", together}, harness.Shard{Index: 1, Of: 5}, ""},
		{[]string{p + "SHARDS=5", "JOB_COMPLETION_INDEX=0", p + "RUN_ID=a", together}, harness.Shard{Index: 0, Of: 5}, ""},
		{[]string{p + "SHARDS=5", "JOB_COMPLETION_INDEX=4", p + "RUN_ID=a", p + "COLLECTOR=http://c:1"}, harness.Shard{Index: 4, Of: 5}, ""},
		{[]string{p + "SHARD=0/2", p + "RUN_ID=a", together}, harness.Shard{}, `SHARD is "0/2", want the number of this shard, from 1 on, and how many there are, such as 2/5`},
		{[]string{p + "SHARDS=5", "JOB_COMPLETION_INDEX=5", p + "RUN_ID=a", together}, harness.Shard{}, `JOB_COMPLETION_INDEX is "5", want 0 to 4, as CODER_SCALETEST_SHARDS is 5`},
		{[]string{p + "SHARDS=0"}, harness.Shard{}, `SHARDS is "0", want a whole number, at least 1`},
		{[]string{p + "SHARDS=5", p + "RUN_ID=a", together}, harness.Shard{}, `SHARDS is 5, but JOB_COMPLETION_INDEX is not set`},
		{[]string{p + "SHARDS=5", p + "SHARD=1/5", p + "RUN_ID=a", together}, harness.Shard{}, `SHARD and CODER_SCALETEST_SHARDS are both set`},
		{[]string{p + "SHARD=2/5", together}, harness.Shard{Index: 1, Of: 5}, `RUN_ID is not set, want the same one for all shards`},
		{[]string{p + "SHARD=2/5", p + "RUN_ID=Nightly", together}, harness.Shard{Index: 1, Of: 5}, `RUN_ID is "Nightly", want at most 15 lower-case letters`},
		{[]string{p + "SHARD=2/5", p + "RUN_ID=a"}, harness.Shard{Index: 1, Of: 5}, `SHARD is set, but nothing says when all shards begin`},
		{[]string{p + "SHARD=2/5", p + "RUN_ID=a", p + "START_AT=noon"}, harness.Shard{Index: 1, Of: 5}, `START_AT is "noon", want an instant such as 2026-01-31T14:30:00Z`},
		{[]string{p + "SHARD=2/5", p + "RUN_ID=a", together, p + "COLLECTOR=http://c:1"}, harness.Shard{Index: 1, Of: 5}, `COLLECTOR and CODER_SCALETEST_START_AT are both set`},
		{[]string{p + "COLLECTOR=http://c:1", p + "RUN_ID=a"}, harness.Shard{}, `COLLECTOR is set, but this is no shard`},
		{[]string{p + "COLLECTOR=http://c:1", p + "SHARDS=1"}, harness.Shard{Of: 1}, `COLLECTOR is set, but CODER_SCALETEST_RUN_ID is not`},
		{[]string{p + "COLLECTOR=c:1", p + "SHARDS=1", p + "RUN_ID=a"}, harness.Shard{Of: 1}, `COLLECTOR is "c:1", want a URL`},
	} {
		t.Run(fmt.Sprint(c.set), func(t *testing.T) {
			cfg, err := scaletest.ConfigFromEnv(c.set)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
				require.NotContains(t, err.Error(), "\n", "one mistake is one sentence")
			}
			assert.Equal(t, c.shard, cfg.Sharding.Shard)
		})
	}
}

// briefly is a scenario of terminals for a moment.
func briefly(workspaces []runners.Workspace) harness.Scenario {
	load := traffic.Constant(100, 100*time.Millisecond)
	load.Shape = traffic.For{Shape: load.Shape, Duration: time.Second}
	return harness.Scenario{
		Name: "terminals", Runner: runners.Terminal(workspaces, load), Schedule: harness.AllAtOnce(len(workspaces)),
		Thresholds: []harness.Threshold{harness.Rate("errors").AtMost(0)},
	}
}

func TestAShardThatIsAloneSaysWhoDidNotComeAndLoadsNothing(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 3})
	server, err := collector.New(collector.Config{Shards: 2, Dir: t.TempDir(), MeetTimeout: time.Second})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	defer web.Close()
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"SHARD=1/2", p+"RUN_ID=alone", p+"COLLECTOR="+web.URL)...)
	var res *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) {
		res = scaletest.Run(tb, briefly(scaletest.Connect(tb).Workspaces(tb)))
	})
	require.NotNil(t, res, tb.fatal)
	assert.Equal(t, harness.Error, res.Verdict)
	assert.Contains(t, res.Reasons[0], "the load did not begin: meet the other shards: after 1s shard 2/2 was still not there")
	assert.Zero(t, res.Scenarios[0].Iterations.Succeeded+res.Scenarios[0].Iterations.Interrupted, "nobody types")
}

func TestALoadBeginsAtStartAtByTheDeploymentsClock(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 3})
	at := time.Now().Add(4 * time.Second).Truncate(time.Second)
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"START_AT="+at.Format(time.RFC3339))...)
	var first, second *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) {
		s := briefly(scaletest.Connect(tb).Workspaces(tb))
		first = scaletest.Run(tb, s)
		second = scaletest.RunPlan(tb, harness.Plan{Name: "second", Scenarios: []harness.Scenario{s}, Baseline: time.Second})
	})
	require.NotNil(t, second, tb.fatal)
	require.Equal(t, harness.Pass, first.Verdict, first.Reasons)
	began := first.StartedAt.Add(time.Duration(first.TimelineAt * float64(time.Second)))
	t.Logf("began %v after its instant", began.Sub(at))
	assert.False(t, began.Before(at.Add(-time.Millisecond)))
	assert.Equal(t, harness.Error, second.Verdict, "it is for one run")
	assert.Contains(t, second.Reasons[0], "after CODER_SCALETEST_START_AT, which is "+at.Format(time.RFC3339)+": set it later")
}

func TestAStartThatIsFarAwayHoldsNobodysConnections(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 1})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"START_AT="+time.Now().Add(72*time.Hour).UTC().Format(time.RFC3339))...)
	var res *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) { res = scaletest.Run(tb, briefly(scaletest.Connect(tb).Workspaces(tb))) })
	require.NotNil(t, res, tb.fatal)
	assert.Equal(t, harness.Error, res.Verdict)
	assert.Contains(t, res.Reasons[0], "everybody is ready, and CODER_SCALETEST_START_AT is only in 7")
	assert.Contains(t, res.Reasons[0], "want at most 2h0m0s, because what the load needs is open until then")
}

func TestACollectorThatCannotBeReachedIsSaidWhileItIsWaitedFor(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 1})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"SHARD=1/2", p+"RUN_ID=alone", p+"COLLECTOR="+gone.URL)...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		var cancel context.CancelFunc
		tb.ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		tb.onOutput = func(text string) {
			if strings.Contains(text, "the collector can't be asked when to begin") {
				cancel()
			}
		}
		scaletest.Run(tb, briefly(scaletest.Connect(tb).Workspaces(tb)))
	})
	require.Contains(t, said(tb), "interrupted")
	require.NotContains(t, said(tb), "send the numbers", "there are none")
}

func TestNumbersThatTheCollectorDidNotGetAreFoundWhereTheyAre(t *testing.T) {
	t.Cleanup(scaletest.SetSendTime(time.Second))
	d := deploy(t, codertest.Config{Workspaces: 1})
	server, err := collector.New(collector.Config{Shards: 1, Dir: t.TempDir(), Lead: time.Millisecond})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	defer web.Close()
	dir := t.TempDir()
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"SHARD=1/1", p+"RUN_ID=alone", p+"COLLECTOR="+web.URL, p+"ARTIFACTS="+dir)...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		tb.onOutput = func(text string) {
			if strings.Contains(text, "load ended") {
				web.CloseClientConnections()
				_ = web.Listener.Close()
			}
		}
		scaletest.Run(tb, briefly(scaletest.Connect(tb).Workspaces(tb)))
	})
	require.Contains(t, said(tb), "send the numbers of shard 1/1 to "+web.URL)
	require.Contains(t, said(tb), "; they are in "+dir)
	require.Contains(t, said(tb), "'scaletest merge' makes one result of those of all shards")
}

func TestWhatCannotBeCutIntoShardsIsRefused(t *testing.T) {
	environment(t, p+"SHARD=1/2", p+"RUN_ID=x", p+"START_AT=2030-01-01T00:00:00Z")
	tb := attempt(t, nil, func(tb *fakeTB) {
		scaletest.Connect(tb)
		scaletest.FindLimit(tb, harness.Search{})
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "this process is shard 1/2 of run x, and a search can't be cut into shards")
}

var lookup = harness.NewAction("sharded_lookup")

// asking is a scenario whose users ask the deployment for something, and whose times
// are a function of the user and the iteration: they can be compared to the sample.
func asking(target *scaletest.Target, users int) harness.Scenario {
	return harness.Scenario{
		Name: "asking", Schedule: harness.PerUserIterations(10, users),
		Runner: func(user int) (harness.Runner, error) {
			n := 0
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				n++
				if _, err := target.Client().User(ctx, "me"); err != nil {
					return err
				}
				took := time.Duration(user*1_000_003+n*n*7919) * time.Microsecond / 13
				rec.Record(lookup, 2*took, took, nil)
				return nil
			}), nil
		},
	}
}

// TestMergedShardsAreTheRunOfOneProcess runs the same against the embedded deployment
// in shards and whole.
func TestMergedShardsAreTheRunOfOneProcess(t *testing.T) {
	const users = 11
	d := deploy(t, codertest.Config{Workspaces: users})
	environment(t, live(d.URL(), d.OwnerToken())...)
	run := func(shard harness.Shard) *harness.Result {
		var res *harness.Result
		tb := attempt(t, nil, func(tb *fakeTB) {
			target := scaletest.Connect(tb)
			res = scaletest.RunPlan(tb, harness.Plan{
				Name: "both", RunID: "whole", Shard: shard,
				Scenarios: []harness.Scenario{briefly(target.Workspaces(tb)), asking(target, users)},
			})
		})
		require.NotNil(t, res, tb.fatal)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		return res
	}
	whole := run(harness.Shard{})
	for _, n := range []int{2, 5} {
		var shards []*harness.Result
		for i := range n {
			shards = append(shards, run(harness.Shard{Index: i, Of: n}))
		}
		merged, err := harness.Merge(harness.MergeOptions{}, shards...)
		require.NoError(t, err)
		require.Equal(t, harness.Pass, merged.Verdict, merged.Reasons)
		for k, want := range whole.Scenarios {
			got := merged.Scenarios[k]
			assert.Equal(t, want.Users, got.Users)
			assert.Equal(t, want.Ready, got.Ready)
			assert.Equal(t, want.Iterations, got.Iterations, "%d shards", n)
		}
		got, want := merged.Scenarios[0], whole.Scenarios[0]
		assert.Equal(t, want.Actions["echo"].Count, got.Actions["echo"].Count, "%d shards type what one process does", n)
		assert.Equal(t, want.Throughput.BytesIntended, got.Throughput.BytesIntended)

		a, b := merged.Scenarios[1].Actions["sharded_lookup"], whole.Scenarios[1].Actions["sharded_lookup"]
		assert.Equal(t, encoded(t, b.Response.Histogram), encoded(t, a.Response.Histogram), "the very numbers of the unsharded histogram")
		assert.Equal(t, encoded(t, b.Service.Histogram), encoded(t, a.Service.Histogram))
		assert.Equal(t, b.Response.P99, a.Response.P99)
		assert.Equal(t, b.Response.Mean, a.Response.Mean)
		assert.Equal(t, b.Response.Max, a.Response.Max)
	}
}

func encoded(t *testing.T, h *histogram.Histogram) string {
	t.Helper()
	text, err := h.MarshalText()
	require.NoError(t, err)
	return string(text)
}
