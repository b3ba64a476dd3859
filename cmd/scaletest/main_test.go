package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asCommand makes the test binary be the command itself.
const asCommand = "SCALETEST_TEST_AS_COMMAND"

// asParent makes the test binary a process that starts the command and waits
// to be killed.
const asParent = "SCALETEST_TEST_AS_PARENT"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asParent) != "":
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), asParent+"=", asCommand+"=1")
		cmd.Stdout = os.Stdout
		if cmd.Start() != nil {
			os.Exit(1)
		}
		select {}
	case os.Getenv(asCommand) != "":
		main()
	}
	goleak.VerifyTestMain(m)
}

// start runs the command as a process of its own and returns what it prints
// for programs.
func start(t *testing.T, mode string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), mode+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// address reads the two lines that a served deployment begins with.
func address(t *testing.T, lines *bufio.Scanner) (url, token string) {
	t.Helper()
	for _, into := range []struct {
		name  string
		value *string
	}{{"CODER_URL", &url}, {"CODER_SESSION_TOKEN", &token}} {
		require.True(t, lines.Scan(), "it ended without its address")
		name, value, _ := strings.Cut(lines.Text(), "=")
		require.Equal(t, into.name, name)
		*into.value = value
	}
	return url, token
}

func TestMistakesAreOneSentenceAndExitCodeTwo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"serv"}, `scaletest: there is no command "serv": see scaletest help`},
		{[]string{"help", "serv"}, `scaletest: there is no command "serv": see scaletest help`},
		{[]string{"serve", "-frobnicate"}, "scaletest serve: flag provided but not defined: -frobnicate: see scaletest help serve"},
		{[]string{"serve", "now"}, `scaletest serve: unexpected argument "now": see scaletest help serve`},
		{[]string{"serve", "-workspaces", "many"}, `scaletest serve: invalid value "many" for flag -workspaces: parse error: see scaletest help serve`},
		{[]string{"serve", "-build-time", "soon"}, `scaletest serve: invalid value "soon" for flag -build-time: want a time such as 500ms or a range such as 1s..2s: see scaletest help serve`},
		{[]string{"serve", "-workspaces", "-1", "-build-failure-rate", "2"}, "scaletest serve: Workspaces is -1, want 0 or more; BuildFailureRate is 2, want 0 to 1"},
		{[]string{"version", "please"}, `scaletest version: unexpected argument "please": see scaletest help version`},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, streams{&out, &errs})
		assert.Equal(t, exitUsage, code, "%q", c.args)
		assert.Equal(t, c.says+"\n", errs.String(), "%q", c.args)
		assert.Empty(t, out.String(), "%q", c.args)
	}
}

func TestAddressThatIsTakenIsAnErrorAndNotAMistakeOfUse(t *testing.T) {
	t.Parallel()
	cmd, lines := start(t, asCommand, "serve", "-workspaces", "1")
	url, _ := address(t, lines)
	var errs bytes.Buffer
	code := run(t.Context(), []string{"serve", "-addr", strings.TrimPrefix(url, "http://")}, streams{io.Discard, &errs})
	assert.Equal(t, exitError, code)
	assert.Contains(t, errs.String(), "address already in use")
	require.NoError(t, cmd.Process.Kill())
}

func TestHelpNamesEveryCommandAndItsFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"help"}, streams{&out, io.Discard}))
	for _, c := range commands() {
		assert.Contains(t, out.String(), "  "+c.name+" ")
		var flags bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), []string{"help", c.name}, streams{&flags, io.Discard}))
		assert.Contains(t, flags.String(), "Usage: scaletest "+c.name)
	}
	var nothing bytes.Buffer
	require.Equal(t, exitUsage, run(t.Context(), nil, streams{io.Discard, &nothing}))
	assert.Equal(t, out.String(), nothing.String())
}

func TestVersionSaysWhatItIs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"--version"}, streams{&out, io.Discard}))
	assert.Regexp(t, `^scaletest \S+ go1\.`, out.String())
}

func TestServedDeploymentAnswersAndEndsCleanlyWhenSignalled(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd, lines := start(t, asCommand, "serve", "-workspaces", "3", "-build-time", "1ms..2ms")
		url, token := address(t, lines)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v2/users/me", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Coder-Session-Token", token)
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)

		require.NoError(t, cmd.Process.Signal(sig))
		assert.False(t, lines.Scan(), "it printed more than its address")
		require.NoError(t, cmd.Wait(), "%v is not an error", sig)
	}
}

func TestServedDeploymentEndsWithItsParentWhenAskedTo(t *testing.T) {
	t.Parallel()
	parent, lines := start(t, asParent, "serve", "-workspaces", "1", "-exit-with-parent")
	address(t, lines)
	require.NoError(t, parent.Process.Kill())
	ended := make(chan bool, 1)
	go func() { ended <- !lines.Scan() }() // the pipe ends when its last writer does
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case ok := <-ended:
		assert.True(t, ok)
	case <-ctx.Done():
		t.Fatal("it outlived its parent")
	}
}

func TestTimeRangeReadsBackWhatItPrints(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1s", "1s..2s", "500ms..1m0s"} {
		var r timeRange
		require.NoError(t, r.Set(s))
		assert.Equal(t, s, r.String())
	}
	for _, s := range []string{"", "..", "1s..", "2s..1s", "-1s", "x..y"} {
		var r timeRange
		assert.Error(t, r.Set(s), s)
		assert.Zero(t, r, s)
	}
	var r timeRange
	require.NoError(t, r.Set("0"))
	assert.NotZero(t, r, "no time at all would mean the default")
}
