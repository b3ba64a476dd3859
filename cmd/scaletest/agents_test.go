package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
)

// player is `scaletest agents` as a process of its own.
func player(t *testing.T, s *codertest.Server, args ...string) *exec.Cmd {
	t.Helper()
	cmd := cleaner(t, s, t.TempDir())
	cmd.Args = append([]string{cmd.Args[0], "agents"}, args...)
	return cmd
}

func playAgents(t *testing.T, s *codertest.Server, args ...string) said {
	t.Helper()
	cmd := player(t, s, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit code says it
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func TestAgentsArePlayedUntilTheyAreInterruptedAndTheirPoolStays(t *testing.T) {
	t.Parallel()
	s := codertest.Start(t, codertest.Config{BuildTime: codertest.Fixed(time.Millisecond), RateLimit: -1})
	cmd := player(t, s, "-count", "3", "-serve", "1", "-sub-agents", "2", "-metadata-interval", "100ms", "-heartbeat", "50ms", "-report-off")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(pipe)
	var seen []string
	for lines.Scan() {
		seen = append(seen, lines.Text())
		if strings.Contains(lines.Text(), "3 of 3 agents ready, 6 of 6 sub-agents") {
			break
		}
	}
	assert.Equal(t, "template scaletest-simulated: importing it", seen[0])
	assert.Equal(t, "3 of 3 workspaces run", seen[1])
	assert.Equal(t, 9, s.Stats().AgentsConnected)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var last string
	for lines.Scan() {
		last = lines.Text()
	}
	require.NoError(t, cmd.Wait(), errs.String())
	assert.Regexp(t, `^played 3 agents of workspaces and 6 sub-agents, which are no workspaces: \d+ calls, 0 failed, `, last)
	assert.Empty(t, errs.String())

	got := playAgents(t, s, "-count", "3", "-for", "1ms")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.NotContains(t, got.out, "importing")
	assert.Contains(t, got.out, "all agents are ready after ")
	got = playAgents(t, s, "-delete")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.Equal(t, "3 of 3 workspaces are deleted\n", got.out)
	got = playAgents(t, s, "-delete")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.Equal(t, "nothing to delete: there is no such pool\n", got.out)
}

func TestAgentsThatCanNotBePlayedAreOneSentenceAndExitCodeOne(t *testing.T) {
	t.Parallel()
	s := codertest.Start(t, codertest.Config{BuildTime: codertest.Fixed(time.Millisecond), RateLimit: -1, BuildFailureRate: 1})
	got := playAgents(t, s, "-count", "2")
	assert.Equal(t, exitError, got.code)
	assert.Equal(t, 1, strings.Count(got.err, "\n"), got.err)
	assert.Contains(t, got.err, "scaletest agents: 2 of 2 workspaces don't run, for example workspace scaletest-sim-")
}

func TestAgentFlagsThatMakeNoSenseAreMistakes(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	code := run(t.Context(), []string{"agents", "-count", "2", "-serve", "3", "-sub-agents", "-1", "-metadata-bytes", "1000000", "-for", "-1s", "-prefix", "a b"}, streams{io.Discard, &errs})
	assert.Equal(t, exitUsage, code)
	for _, part := range []string{"3 of 2 agents can't serve", "the number of sub-agents is -1", "Metadata.Bytes is 1000000", "a time is negative", `Prefix is "a b"`} {
		assert.Contains(t, errs.String(), part)
	}
}
