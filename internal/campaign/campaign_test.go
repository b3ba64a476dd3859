package campaign_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/campaign"
	"github.com/coderscale/scaletest/scenario"
)

// TestWhatIsDeletedAtTheEndIsTheStrategys goes through every strategy and outcome.
func TestWhatIsDeletedAtTheEndIsTheStrategys(t *testing.T) {
	type outcome struct {
		name    string
		world   func(*world)
		stop    time.Duration // after which it is stopped
		want    harness.Verdict
		phases  string // without the cleanup
		cleaned map[campaign.Strategy]bool
	}
	const created = "prepare=done create=pass baseline=done "
	outcomes := []outcome{
		{"pass", func(*world) {}, 0, harness.Pass, created + "ssh=pass baseline=done dashboard=pass report=done",
			map[campaign.Strategy]bool{campaign.Always: true, campaign.OnSuccess: true}},
		{"a threshold breaks", func(w *world) { w.verdicts = map[string]harness.Verdict{"ssh": harness.Fail} }, 0, harness.Fail,
			created + "ssh=fail baseline=done dashboard=pass report=done",
			map[campaign.Strategy]bool{campaign.Always: true, campaign.OnError: true}},
		{"the generator is too slow", func(w *world) {
			w.verdicts = map[string]harness.Verdict{"ssh": harness.Fail, "dashboard": harness.Invalid}
		}, 0, harness.Invalid,
			created + "ssh=fail baseline=done dashboard=invalid report=done",
			map[campaign.Strategy]bool{campaign.Always: true, campaign.OnError: true}},
		{"a load breaks down", func(w *world) { w.crash = map[string]string{"ssh": "    loadtest_test.go:10: it has no workspaces\n"} }, 0, harness.Error,
			created + "ssh=error report=done",
			map[campaign.Strategy]bool{campaign.Always: true, campaign.OnError: true}},
		{"not all could be created", func(w *world) { w.verdicts = map[string]harness.Verdict{"create": harness.Fail} }, 0, harness.Error,
			"prepare=done create=error report=done",
			map[campaign.Strategy]bool{campaign.Always: true, campaign.OnError: true}},
		{"stopped in a load", func(*world) {}, 150 * time.Second, harness.Interrupted,
			created + "ssh=interrupted report=done",
			map[campaign.Strategy]bool{campaign.Always: true}},
		{"stopped in a quiet time", func(*world) {}, 90 * time.Second, harness.Interrupted,
			created[:len(created)-1] + " report=done",
			map[campaign.Strategy]bool{campaign.Always: true}},
		{"stopped while it creates", func(*world) {}, 30 * time.Second, harness.Interrupted,
			"prepare=done create=interrupted report=done",
			map[campaign.Strategy]bool{campaign.Always: true}},
	}
	for _, o := range outcomes {
		for _, s := range []campaign.Strategy{"", campaign.Always, campaign.OnStop, campaign.OnSuccess, campaign.OnError} {
			t.Run(o.name+"/"+string(or(s, "default")), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := &world{t: t}
					o.world(w)
					cfg := config(t)
					cfg.Cleanup.Strategy = s
					ctx, stop := context.WithCancel(t.Context())
					defer stop()
					if o.stop > 0 {
						time.AfterFunc(o.stop, stop)
					}
					outcome, rec := w.run(ctx, cfg)
					assert.Equal(t, o.want, outcome.Verdict, outcome.Reasons)
					assert.Equal(t, o.want, rec.Verdict)
					assert.Equal(t, o.want == harness.Pass, len(rec.Reasons) == 0, rec.Reasons)
					want := o.phases
					cleaned := o.cleaned[or(s, campaign.Always)]
					if cleaned {
						want += " cleanup=done"
						assert.Equal(t, []string{"create"}, w.cleaned)
					} else {
						assert.Empty(t, w.cleaned)
					}
					assert.Equal(t, want, states(rec))
					for _, ph := range rec.Phases {
						assert.False(t, ph.Ended.Before(ph.Began), ph.Name)
					}
					assert.FileExists(t, filepath.Join(cfg.Results, "report.html"))
				})
			})
		}
	}
}

func TestWhatAChildComplainsOfIsTheReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t, crash: map[string]string{"create": "--- FAIL: TestCreateWorkspaces\n    loadtest_test.go:10: there is no template small\nFAIL\n"}}
		outcome, rec := w.run(t.Context(), config(t))
		require.Equal(t, []string{"create: there is no template small"}, outcome.Reasons)
		require.Equal(t, "there is no template small", rec.Phases[1].Detail)
	})
	bubble(t, func(t *testing.T) {
		w := &world{t: t, crash: map[string]string{"create": "panic: x\n"}}
		outcome, _ := w.run(t.Context(), config(t))
		require.Equal(t, []string{"create: the compiled tests failed, exit status 1: their output says why"}, outcome.Reasons)
	})
}

func TestAChildThatFailsBesideALoadThatPassedIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		means := w.means()
		means.Child = func(ctx context.Context, job campaign.Job) error {
			if job.Name == "ssh" {
				w.result(job, harness.Pass)
				_, _ = job.Out.Write([]byte("    scenariofile.go:176: left behind: key alice/1\n"))
				return errors.New("exit status 1")
			}
			return w.child(ctx, job)
		}
		c, err := campaign.Open(cfg, means)
		require.NoError(t, err)
		require.Equal(t, campaign.Outcome{Verdict: harness.Error, Reasons: []string{"ssh: left behind: key alice/1"}}, c.Run(t.Context()))
		require.NoError(t, c.Close())
	})
}

func TestACleanupThatLeavesSomethingIsAnErrorAndSaysWhatToDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t, left: errors.New("3 could not be deleted")}
		cfg := config(t)
		outcome, rec := w.run(t.Context(), cfg)
		require.Equal(t, harness.Error, outcome.Verdict)
		require.Equal(t, []string{"cleanup: 3 could not be deleted: repeat it with 'scaletest cleanup -ledger " + filepath.Join(cfg.Results, "create") + "'"}, rec.Reasons)
	})
}

func TestAStopWaitsForTheCleanupAndAKillDoesNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t, stubborn: true}
		cfg := config(t)
		c, err := campaign.Open(cfg, w.means())
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(130*time.Second, stop)
		time.AfterFunc(140*time.Second, c.Kill)
		began := time.Now()
		outcome := c.Run(ctx)
		require.NoError(t, c.Close())
		require.Equal(t, 140*time.Second, time.Since(began), "a child that does not end holds it up")
		require.Equal(t, harness.Error, outcome.Verdict, "what is left is not deleted")
		require.Contains(t, strings.Join(outcome.Reasons, "\n"), "cleanup: the cleanup was cut short")
		require.Equal(t, "prepare=done create=pass baseline=done ssh=interrupted report=done cleanup=error", states(record(t, cfg.Results)))
	})
}

func TestADryRunTouchesNothingAndShowsTheWholePlan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		cfg.DryRun, cfg.Greedy = true, "greedy"
		cfg.Cleanup.Before = true
		outcome, rec := w.run(t.Context(), cfg)
		require.Equal(t, harness.Pass, outcome.Verdict, outcome.Reasons)
		require.Equal(t, "prepare=done cleanup-before=done create=done create-greedy=done ssh-greedy=done ssh=done dashboard-greedy=done dashboard=done",
			strings.NewReplacer("ssh=done ssh-greedy=done", "ssh-greedy=done ssh=done", "dashboard=done dashboard-greedy=done", "dashboard-greedy=done dashboard=done").Replace(states(rec)))
		for _, name := range w.names() {
			set := w.job(name).Set
			require.Equal(t, "true", set[p+"DRY_RUN"], name)
			require.Empty(t, set[p+"REQUIRED"], "a dry run is a test that is skipped")
			require.Empty(t, set[p+"LIVE_ADDRESS"])
			if strings.HasPrefix(name, "create") {
				continue
			}
			want := &scenario.Create{Workspaces: 10, Template: "small", Concurrency: 1}
			if strings.HasSuffix(name, "-greedy") {
				want.Workspaces, want.Template = 1, "greedy"
			}
			require.Equal(t, want, w.file(name).Create, "without workspaces there would be no plan")
		}
		require.Contains(t, w.said(), "it is ssh", "the plan is what it is for")
	})
}

func TestLoadsTakeTurnsWithAQuietTimeBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		cfg.Create = campaign.Create{Concurrency: 7, Retries: 5, MaxFailures: 2}
		cfg.JobConcurrency = 3
		cfg.Loads[0].Percentage, cfg.Loads[0].BytesPerTick, cfg.Loads[0].TickInterval = 50, 2048, second
		began := time.Now()
		_, rec := w.run(t.Context(), cfg)
		require.Equal(t, []string{"create", "ssh", "dashboard"}, w.names())
		require.Equal(t, 5*time.Minute+time.Second, rec.Ended.Sub(began), "three children, two quiet minutes, and a second to clean up")

		create := w.job("create")
		require.Equal(t, "TestCreateWorkspaces", create.Test)
		for name, want := range map[string]string{
			"TEMPLATE": "small", "COUNT": "10", "CONCURRENCY": "7", "RETRY": "5", "MAX_FAILURES": "2", "NO_CLEANUP": "true",
			"TIMEOUT": "5h0m0s", "JOB_TIMEOUT": "25m0s", "REQUIRED": "true", "YES": "coder.example.com", "ARTIFACTS": filepath.Join(cfg.Results, "create"),
		} {
			require.Equal(t, want, create.Set[p+name], name)
		}
		require.Equal(t, scenario.File{Name: "ssh", Scenarios: []scenario.Scenario{{
			Kind: scenario.SSH, Duration: 60 * second, BytesPerTick: 2048, TickInterval: second, Concurrency: 3, Targets: scenario.Targets{Share: 50},
		}}}, w.file("ssh"))
		require.Equal(t, []scenario.Scenario{{Kind: scenario.Dashboard, Duration: 60 * second}}, w.file("dashboard").Scenarios)
		for _, name := range []string{"SHARD", "SHARDS", "COLLECTOR", "START_AT", "RUN_ID"} {
			value, set := w.job("ssh").Set[p+name]
			require.True(t, set && value == "", "%s of a sharded run would go to a child", name)
		}
		require.Equal(t, "small", w.job("ssh").Set[p+"TEMPLATE"], "only these workspaces are loaded")
		require.Empty(t, w.job("ssh").Set[p+"NO_CLEANUP"])
	})
}

func TestLoadsSideBySideAreOneChildWithSlicesOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		cfg.SideBySide, cfg.Stagger, cfg.SkipCreate = true, 30*second, true
		cfg.Loads = []campaign.Load{
			{Kind: scenario.SSH, Duration: 60 * second, Percentage: 40}, {Kind: scenario.App, Duration: 60 * second, Percentage: 60, App: "wsdi"},
			{Kind: scenario.Dashboard, Duration: 60 * second},
		}
		_, rec := w.run(t.Context(), cfg)
		require.Equal(t, "prepare=done baseline=done load=pass report=done cleanup=done", states(rec))
		f := w.file("load")
		require.Equal(t, 30*second, f.Stagger)
		require.Equal(t, []string{"40%", "60%", "100%"}, []string{f.Scenarios[0].Targets.String(), f.Scenarios[1].Targets.String(), f.Scenarios[2].Targets.String()})
		require.Empty(t, w.cleaned, "what was there before is not this campaign's")
	})
}

func TestAGreedyUserFloodsInTheSecondThirdOfEachLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t, verdicts: map[string]harness.Verdict{"ssh-greedy": harness.Fail}}
		cfg := config(t)
		cfg.Greedy = "greedy"
		outcome, _ := w.run(t.Context(), cfg)
		require.Equal(t, harness.Pass, outcome.Verdict, "what the flood does to itself is not the question: %v", outcome.Reasons)
		require.ElementsMatch(t, []string{"create", "create-greedy", "ssh", "ssh-greedy", "dashboard", "dashboard-greedy"}, w.names())
		s := w.file("ssh-greedy").Scenarios[0]
		require.Equal(t, []scenario.Duration{20 * second, 20 * second, second / 25}, []scenario.Duration{s.StartAfter, s.Duration, s.TickInterval})
		require.EqualValues(t, 25<<20, s.BytesPerTick)
		require.Equal(t, "greedy", w.job("ssh-greedy").Set[p+"TEMPLATE"])
		require.Empty(t, w.job("ssh-greedy").Set[p+"LIVE_ADDRESS"], "there is one page, of the load")
		require.Equal(t, "1", w.job("create-greedy").Set[p+"COUNT"])
		require.Equal(t, []string{"create", "create-greedy"}, w.cleaned)
	})
	bubble(t, func(t *testing.T) {
		w := &world{t: t, crash: map[string]string{"ssh-greedy": "    loadtest_test.go:1: no such template\n"}}
		cfg := config(t)
		cfg.Greedy = "greedy"
		outcome, _ := w.run(t.Context(), cfg)
		require.Equal(t, harness.Error, outcome.Verdict, "a load without its flood is not the one that was asked for")
		require.NotContains(t, w.names(), "dashboard")
	})
}

func TestEarlierResultsAreArchivedAndWhatTheyLeftIsDeletedBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		cfg.Cleanup = campaign.Cleanup{Before: true, Strategy: campaign.OnStop}
		_, first := w.run(t.Context(), cfg)
		require.Empty(t, w.cleaned)
		_, rec := w.run(t.Context(), cfg)
		require.Equal(t, []string{"create"}, w.cleaned)
		require.NotEqual(t, first.ID, rec.ID)
		archive, err := filepath.Glob(filepath.Join(cfg.Results, "archive", "*"))
		require.NoError(t, err)
		require.Len(t, archive, 1)
		require.Equal(t, first.Began.UTC().Format("2006-01-02T15-04-05Z"), filepath.Base(archive[0]))
		require.Equal(t, first.ID, record(t, archive[0]).ID)
		require.FileExists(t, filepath.Join(archive[0], "ssh", "TestScenario", "result.json"))
		require.FileExists(t, filepath.Join(archive[0], "report.html"))
	})
}

func TestASecondCampaignInTheSameFolderIsRefusedAndTouchesNothing(t *testing.T) {
	w := &world{t: t}
	cfg := config(t)
	c, err := campaign.Open(cfg, w.means())
	require.NoError(t, err)
	before := record(t, cfg.Results)
	_, err = campaign.Open(cfg, w.means())
	require.ErrorContains(t, err, "a campaign goes on in "+cfg.Results+" already, by process ")
	require.Equal(t, before.ID, record(t, cfg.Results).ID)
	require.NoError(t, c.Close())
	c, err = campaign.Open(cfg, w.means())
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestNothingIsCreatedWhereTheDeploymentOrTheProgramIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		means := w.means()
		means.Check = func(context.Context) error { return errors.New("the token is refused") }
		c, err := campaign.Open(cfg, means)
		require.NoError(t, err)
		require.Equal(t, campaign.Outcome{Verdict: harness.Error, Reasons: []string{"prepare: the token is refused"}}, c.Run(t.Context()))
		require.NoError(t, c.Close())

		require.NoError(t, os.Chmod(cfg.Binary, 0o600))
		outcome, _ := w.run(t.Context(), cfg)
		require.Contains(t, outcome.Reasons[0], cfg.Binary+" is no program that can be run")
		cfg.Binary += "x"
		outcome, _ = w.run(t.Context(), cfg)
		require.Contains(t, outcome.Reasons[0], "find the compiled tests: ")
		require.Empty(t, w.names())
	})
}

func TestTheRecordOfARunningCampaignSaysWhichPhaseIsOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		c, err := campaign.Open(cfg, w.means())
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(t.Context())
		}()
		time.Sleep(90 * time.Second)
		synctest.Wait()
		rec := record(t, cfg.Results)
		require.Equal(t, "prepare=done create=pass baseline=running", states(rec))
		require.Zero(t, rec.Phases[2].Ended)
		require.Empty(t, rec.Verdict)
		<-done
		require.NoError(t, c.Close())
	})
}
