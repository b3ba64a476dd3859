//go:build unix

package campaign_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/campaign"
)

// script is a campaign whose children are a script, and which is stopped when its
// output has a word. It returns what came of it, and the output of the first child.
func script(t *testing.T, text, stopAt string, change func(*campaign.Config)) (campaign.Outcome, *campaign.Campaign, string) {
	t.Helper()
	w := &world{t: t}
	cfg := config(t)
	cfg.Baseline = 0
	require.NoError(t, os.WriteFile(cfg.Binary, []byte("#!/bin/sh\n"+text), 0o755))
	if change != nil {
		change(&cfg)
	}
	c, err := campaign.Open(cfg, campaign.Means{Clean: w.clean, Out: w})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	path := filepath.Join(cfg.Results, "create", "output.txt")
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for stopAt != "" {
			if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), stopAt) {
				stop()
				return
			}
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	outcome := c.Run(ctx)
	close(done)
	<-watched
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return outcome, c, string(b)
}

func TestAChildGetsItsTestAndNoSecretThatItDoesNotNeed(t *testing.T) {
	t.Setenv(campaign.EnvGrafanaToken, "glsa_s3cret")
	t.Setenv(campaign.EnvWebhookURL, "https://hooks.example.com/s3cret")
	t.Setenv("CODER_SESSION_TOKEN", "of-the-deployment")
	t.Setenv(p+"COUNT", "999")
	outcome, _, out := script(t, "echo \"$@\"; env; echo '    loadtest_test.go:12: this is no load'; exit 1\n", "", nil)
	require.Equal(t, []string{"create: this is no load"}, outcome.Reasons)
	require.Contains(t, out, "-test.run=^TestCreateWorkspaces$ -test.timeout=0 -test.v\n")
	require.Contains(t, out, "CODER_SESSION_TOKEN=of-the-deployment\n")
	require.Contains(t, out, p+"COUNT=10\n")
	require.NotContains(t, out, p+"COUNT=999")
	require.NotContains(t, out, "s3cret")
}

func TestAChildThatIsToldToEndDoesSoByItself(t *testing.T) {
	outcome, _, out := script(t, "trap 'echo ending; exit 0' TERM\necho begun\nwhile :; do sleep 0.01; done\n", "begun", nil)
	require.Equal(t, harness.Interrupted, outcome.Verdict, outcome.Reasons)
	require.Equal(t, "begun\nending\n", out)
}

func TestAChildThatDoesNotEndIsKilledWhenItsTimeIsOver(t *testing.T) {
	outcome, _, _ := script(t, "trap '' TERM\necho begun\nwhile :; do sleep 0.01; done\n", "begun", func(c *campaign.Config) { c.StopWait = second / 10 })
	require.Equal(t, harness.Interrupted, outcome.Verdict, outcome.Reasons)
}

func TestAProgramThatIsNoneIsSaid(t *testing.T) {
	outcome, _, _ := script(t, "", "", func(c *campaign.Config) {
		require.NoError(t, os.WriteFile(c.Binary, []byte("\x7fELF"), 0o755))
	})
	require.Contains(t, outcome.Reasons[0], "create: the compiled tests failed, start ")
}

func TestTheTailOfALongOutputIsOnThePage(t *testing.T) {
	_, c, out := script(t, `i=0; while [ $i -lt 500 ]; do echo "line $i."; i=$((i+1)); done; printf '%05000d' 7; exit 1`, "", nil)
	require.Contains(t, out, "line 0.\n", "the file has all of it")
	page := get(t, c, "/").Body.String()
	require.NotContains(t, page, "line 0.")
	require.Contains(t, page, "line 499.")
	require.Contains(t, page, "00007", "also what has no end")
}
