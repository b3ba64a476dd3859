//go:build unix

package campaign_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/campaign"
)

func TestAStopDeletesWhatTheStrategySays(t *testing.T) {
	for strategy, cleaned := range map[campaign.Strategy]bool{"": true, campaign.Always: true, campaign.OnStop: true, campaign.OnSuccess: false, campaign.OnError: false} {
		t.Run(string(or(strategy, "default")), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := &world{t: t}
				cfg := config(t)
				cfg.Cleanup.Strategy = campaign.OnStop // so that something is left
				w.run(t.Context(), cfg)
				require.Empty(t, w.cleaned)
				cfg.Cleanup.Strategy = strategy
				require.NoError(t, campaign.Stop(t.Context(), cfg, w.means()))
				if !cleaned {
					require.Empty(t, w.cleaned)
					require.Contains(t, w.said(), "left: 1, which 'scaletest cleanup -ledger "+filepath.Join(cfg.Results, "create")+"' deletes\n    workspace create-1\n")
					return
				}
				require.Equal(t, []string{"create"}, w.cleaned)
				require.Contains(t, states(record(t, cfg.Results)), "report=done cleanup=done", "the page of the next one shows it")
				require.NoError(t, campaign.Stop(t.Context(), cfg, w.means()))
				require.Len(t, w.cleaned, 1, "there is nothing left")
			})
		})
	}
}

func TestAStopOfADryRunOrOfNothingDoesNothing(t *testing.T) {
	w := &world{t: t}
	cfg := config(t)
	require.NoError(t, campaign.Stop(t.Context(), cfg, w.means()))
	cfg.DryRun = true
	require.NoError(t, campaign.Stop(t.Context(), cfg, w.means()))
	require.Empty(t, w.cleaned)
}

func TestAStopThatLeavesSomethingSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		cfg.Cleanup.Strategy = campaign.OnStop
		w.run(t.Context(), cfg)
		w.left = errors.New("1 could not be deleted")
		require.EqualError(t, campaign.Stop(t.Context(), cfg, w.means()),
			"clean up: 1 could not be deleted: repeat it with 'scaletest cleanup -ledger "+filepath.Join(cfg.Results, "create")+"'")
	})
}

// kill is a campaign whose process ends in the middle of its second step.
func (w *world) kill(cfg campaign.Config) {
	w.t.Helper()
	means := w.means()
	ended := errors.New("it is gone")
	means.Child = func(ctx context.Context, job campaign.Job) error {
		if job.Name == "create" {
			return w.child(ctx, job)
		}
		panic(ended)
	}
	c, err := campaign.Open(cfg, means)
	require.NoError(w.t, err)
	func() {
		defer func() { require.Equal(w.t, ended, recover()) }()
		c.Run(w.t.Context())
	}()
	require.NoError(w.t, c.Close()) // as the system does
	require.Contains(w.t, states(record(w.t, cfg.Results)), "ssh=running")
}

func TestAStopAfterAKillSaysWhatIsLeftUnlessItDeletesThat(t *testing.T) {
	for strategy, cleaned := range map[campaign.Strategy]bool{campaign.Always: true, campaign.OnStop: true, campaign.OnSuccess: false, campaign.OnError: false} {
		t.Run(string(strategy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := &world{t: t}
				cfg := config(t)
				cfg.Cleanup.Strategy = strategy
				w.kill(cfg)
				err := campaign.Stop(t.Context(), cfg, w.means())
				require.Contains(t, w.said(), "the campaign in "+cfg.Results+" was killed before its end\n")
				rec := record(t, cfg.Results)
				require.Equal(t, harness.Interrupted, rec.Verdict)
				require.Equal(t, []string{"it was killed, some time before this was noticed"}, rec.Reasons)
				if cleaned {
					require.NoError(t, err)
					require.Equal(t, []string{"create"}, w.cleaned)
					require.True(t, strings.HasSuffix(states(rec), "ssh=interrupted cleanup=done"), states(rec))
					return
				}
				require.Empty(t, w.cleaned)
				require.EqualError(t, err, "1 are left: the campaign was killed before its strategy, "+string(strategy)+", could decide: delete them with 'scaletest cleanup -ledger "+cfg.Results+"'")
				require.Contains(t, w.said(), "left: 1, which 'scaletest cleanup -ledger "+filepath.Join(cfg.Results, "create")+"' deletes\n    workspace create-1\n")
				require.True(t, strings.HasSuffix(states(rec), "ssh=interrupted"), states(rec))
			})
		})
	}
}

func TestAKilledCampaignIsInterruptedInTheArchive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		w.kill(cfg)
		w.run(t.Context(), cfg)
		found, err := filepath.Glob(filepath.Join(cfg.Results, "archive", "*"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		rec := record(t, found[0])
		require.Equal(t, harness.Interrupted, rec.Verdict)
		require.Contains(t, states(rec), "ssh=interrupted")
	})
}

// holding makes the test binary a process that has a campaign, and ends at SIGTERM
// unless it is "stubborn".
const holding = "SCALETEST_TEST_HOLDS"

func TestAProcessThatHoldsAFolder(t *testing.T) {
	dir := os.Getenv(holding)
	if dir == "" {
		t.Skip("it is a child process of the tests of stops, which run it")
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	defer signal.Stop(terms)
	w := &world{t: t}
	cfg := config(t)
	cfg.Results = dir
	c, err := campaign.Open(cfg, w.means())
	require.NoError(t, err)
	fmt.Println("it holds the folder")
	<-terms
	if os.Getenv("STUBBORN") != "" {
		select {}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ended"), nil, 0o600))
	require.NoError(t, c.Close())
}

// held starts a process that has the folder of a campaign.
func held(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAProcessThatHoldsAFolder$")
	cmd.Env = append(append(os.Environ(), holding+"="+dir), env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "it holds the folder" {
			return cmd
		}
	}
	require.Fail(t, "it ended before it held the folder")
	return nil
}

func TestAStopEndsTheProcessThatRunsAndWaitsForIt(t *testing.T) {
	w := &world{t: t}
	cfg := config(t)
	cmd := held(t, cfg.Results)
	_, err := campaign.Open(cfg, w.means())
	require.ErrorContains(t, err, "a campaign goes on")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, campaign.Stop(ctx, cfg, w.means()))
	require.FileExists(t, filepath.Join(cfg.Results, "ended"), "it came back before the campaign had ended")
	require.NoError(t, cmd.Wait())
	require.Contains(t, w.said(), "stopping the campaign of process ")
}

func TestAStopGivesUpOnAProcessThatDoesNotEndAndDeletesNothing(t *testing.T) {
	w := &world{t: t}
	cfg := config(t)
	cmd := held(t, cfg.Results, "STUBBORN=1")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, campaign.Stop(ctx, cfg, w.means()), "has not ended in time: repeat it, or kill it and then repeat it")
	require.Empty(t, w.cleaned)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	require.NoError(t, campaign.Stop(t.Context(), cfg, w.means()), "the system frees the folder")
}
