package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness/ledger"
)

// said is what the command printed, and its exit code.
type said struct {
	out, err string
	code     int
}

// cleaner is the command as a process of its own, for a deployment.
func cleaner(t *testing.T, s *codertest.Server, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"cleanup"}, args...)...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CODER_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, asCommand+"=1", "CODER_URL="+s.URL(), "CODER_SESSION_TOKEN="+s.OwnerToken(), "CODER_SCALETEST_ARTIFACTS="+dir)
	return cmd
}

// cleanUp runs the command to its end.
func cleanUp(t *testing.T, s *codertest.Server, dir, stdin string, args ...string) said {
	t.Helper()
	cmd := cleaner(t, s, dir, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	_ = cmd.Run() // the exit code says it
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// leftovers is a deployment on which a run has left two users, one of whom
// somebody has given a workspace.
func leftovers(t *testing.T, stuck bool) (s *codertest.Server, dir string) {
	t.Helper()
	s = codertest.Start(t, codertest.Config{BuildTime: codertest.Fixed(time.Millisecond), RateLimit: -1})
	c, err := coder.New(coder.Config{URL: s.URL(), Token: s.OwnerToken(), PollInterval: time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	dir = t.TempDir()
	l, err := ledger.Create(dir, ledger.Header{Target: s.URL()})
	require.NoError(t, err)
	for _, name := range []string{"scaletest-r-0", "scaletest-r-1"} {
		require.NoError(t, l.Intend(t.Context(), "r", "user", name))
		u, err := c.CreateUser(t.Context(), coder.CreateUserRequest{Username: name, Email: name + "@scaletest.local", Password: "SomeSecurePassword!"})
		require.NoError(t, err)
		l.Made("r", "user", name, u.ID.String())
	}
	require.NoError(t, l.Close())
	if stuck {
		templates, err := c.Templates(t.Context())
		require.NoError(t, err)
		_, err = c.CreateWorkspace(t.Context(), "scaletest-r-0", coder.CreateWorkspaceRequest{Name: "theirs", TemplateID: templates[0].ID})
		require.NoError(t, err)
	}
	return s, dir
}

func TestCleanupExitsWithOneWhenSomethingIsLeft(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, true)
	got := cleanUp(t, s, dir, "")
	assert.Equal(t, exitError, got.code)
	assert.Contains(t, got.out, "\n1 deleted, 0 orphaned, 1 left\n")
	assert.Equal(t, "scaletest cleanup: 1 could not be deleted: repeat it when the cause is gone\n", got.err)
}

func TestCleanupIsDoneOnce(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, false)
	got := cleanUp(t, s, dir, "", "-dry-run")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.Contains(t, got.out, "to delete: 2 users")
	assert.NotContains(t, got.out, "deleted")
	got = cleanUp(t, s, dir, "", "-run", "r", "-concurrency", "2", "-timeout", "1m", "-job-timeout", "30s")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.True(t, strings.HasSuffix(got.out, "\n2 deleted, 0 orphaned, 0 left\n"), got.out)
	got = cleanUp(t, s, dir, "")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.Contains(t, got.out, "nothing to do: ")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, files)
}

func TestCleanupOfAllNeedsAnAnswerOrYes(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, false)
	got := cleanUp(t, s, dir, "y\n", "-all")
	assert.Equal(t, exitError, got.code)
	assert.Equal(t, "scaletest cleanup: there is nobody to ask, because the input is not a terminal: look with -dry-run, then say -yes\n", got.err)
	cmd := cleaner(t, s, dir, "-all") // its input is the null device
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "there is nobody to ask")
	got = cleanUp(t, s, dir, "", "-all", "-template", "none", "-yes")
	assert.Equal(t, exitError, got.code)
	assert.Contains(t, got.err, `there is no template "none"`)
	got = cleanUp(t, s, dir, "", "-all", "-yes")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.True(t, strings.HasSuffix(got.out, "\n2 deleted, 0 orphaned, 0 left\n"), got.out)
}

func TestOnlyYesIsAnAnswerThatDeletes(t *testing.T) {
	t.Parallel()
	for in, says := range map[string]string{
		"y\n": "", " YES \n": "", "y": "",
		"\n": "nothing was deleted", "n\n": "nothing was deleted", "yeah\n": "nothing was deleted",
		"": "nobody answered, nothing was deleted: look with -dry-run, then say -yes",
	} {
		err := answered(strings.NewReader(in))
		if says == "" {
			assert.NoError(t, err, "%q", in)
			continue
		}
		assert.EqualError(t, err, says, "%q", in)
	}
}

func TestCleanupFlagsThatMakeNoSenseAreMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-all", "-ledger", "l"}, "-all excludes -ledger"},
		{[]string{"-template", "x"}, "-template needs -all: ledgers don't know templates"},
		{[]string{"-concurrency", "0", "-timeout", "-1s"}, "-concurrency is 0, want 1 or more; a timeout is negative, want 0 (no limit) or more"},
	} {
		var errs bytes.Buffer
		code := run(t.Context(), append([]string{"cleanup"}, c.args...), streams{io.Discard, &errs})
		assert.Equal(t, exitUsage, code, "%q", c.args)
		assert.Equal(t, "scaletest cleanup: "+c.says+"\n", errs.String())
	}
}

func TestInterruptedCleanupSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, false)
	require.NoError(t, s.SetRoutes([]codertest.RouteFault{{Method: "DELETE", Path: "/api/v2/users", Latency: codertest.Fixed(time.Minute)}}))
	cmd := cleaner(t, s, dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(pipe)
	for lines.Scan() && !strings.Contains(lines.Text(), "user scaletest-r-1") {
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var rest strings.Builder
	for lines.Scan() {
		rest.WriteString(lines.Text() + "\n")
	}
	_ = cmd.Wait()
	assert.Equal(t, exitError, cmd.ProcessState.ExitCode())
	assert.Contains(t, rest.String(), "left: 2\n    user scaletest-r-0: ")
	assert.Contains(t, rest.String(), "\n0 deleted, 0 orphaned, 2 left\n")
	assert.Contains(t, errs.String(), "2 could not be deleted")

	require.NoError(t, s.SetRoutes(nil))
	got := cleanUp(t, s, dir, "")
	assert.Equal(t, exitOK, got.code, got.err)
	assert.Contains(t, got.out, "2 deleted")
}
