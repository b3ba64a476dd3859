package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/internal/campaign"
)

// exported are what a shell still has after a sharded run, one way or the other.
var exported = map[string][]string{
	"a collector":        {"CODER_SCALETEST_COLLECTOR=http://127.0.0.1:1", "CODER_SCALETEST_RUN_ID=try-1"},
	"a collector's part": {"CODER_SCALETEST_COLLECTOR=http://127.0.0.1:1", "CODER_SCALETEST_RUN_ID=try-1", "CODER_SCALETEST_SHARD=2/3"},
	"a shard":            {"CODER_SCALETEST_SHARD=2/3"},
	"shards":             {"CODER_SCALETEST_SHARDS=3"},
	"an instant":         {"CODER_SCALETEST_START_AT=tomorrow", "CODER_SCALETEST_SHARD=2/3"},
}

func TestNoCommandIsRefusedBecauseAShardsVariablesAreStillExported(t *testing.T) {
	t.Parallel()
	for name, env := range exported {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir := leftovers(t, false)
			for _, args := range [][]string{{"cleanup"}, {"agents", "-delete"}} {
				cmd := cleaner(t, s, dir)
				cmd.Args = append(cmd.Args[:1], args...)
				cmd.Env = append(cmd.Env, env...)
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%v: %s", args, out)
			}
			assert.Zero(t, cleaned(t, s), "the cleanup has deleted what its ledger names")
		})
	}
}

// cleaned is how many users of scale tests are left.
func cleaned(t *testing.T, s *codertest.Server) int {
	t.Helper()
	got := cleanUp(t, s, t.TempDir(), "", "-all", "-dry-run")
	require.Equal(t, exitOK, got.code, got.err)
	return strings.Count(got.out, "user scaletest-")
}

func TestACampaignIsNotRefusedBecauseAShardsVariablesAreStillExported(t *testing.T) {
	d := codertest.Start(t, codertest.Config{BuildTime: codertest.Fixed(time.Nanosecond), RateLimit: -1})
	binary, err := exec.LookPath("true")
	require.NoError(t, err)
	path, _ := campaignOf(t, d, binary, func(c *campaign.Config) { c.DryRun = true })
	t.Setenv("CODER_SCALETEST_COLLECTOR", "http://127.0.0.1:1")
	t.Setenv("CODER_SCALETEST_SHARD", "2/3")
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"campaign", "-exit", "-listen", "", path}, streams{&out, &errs})
	require.Equal(t, exitOK, code, "%s%s", out.String(), errs.String())
	require.Contains(t, out.String(), "prepare        done")
}
