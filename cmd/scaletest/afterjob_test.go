package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// apiServer plays the API server that a pod finds, and returns the variables and the
// flag by which the command does.
func apiServer(t *testing.T, h http.HandlerFunc) (env []string, flag string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string]string{"ca.crt": string(ca), "token": "t", "namespace": "load"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return []string{"KUBERNETES_SERVICE_HOST=" + u.Hostname(), "KUBERNETES_SERVICE_PORT=" + u.Port()}, "-service-account=" + dir
}

func TestCleanupAfterAJobDeletesItsRunWhenItIsOverAndNotBefore(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, false)
	asked, users := 0, -1
	env, account := apiServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		conditions := ""
		if asked > 3 {
			conditions = `{"type":"Failed","status":"True","reason":"FailedIndexes"}`
			users = count(t, s.URL(), s.OwnerToken())
		}
		fmt.Fprintf(w, `{"kind":"Job","metadata":{"uid":"r"},"status":{"terminating":0,"conditions":[%s]}}`, conditions)
	})
	cmd := cleaner(t, s, dir, "-after-job", "scaletest", "-job-poll", "1ms", account)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text := string(out)
	assert.Equal(t, 4, asked)
	assert.Equal(t, 3, users, "something was deleted while the Job was going on")
	assert.True(t, strings.HasPrefix(text, "Job load/scaletest is running (UID r)\nJob load/scaletest is failed\n"), text)
	assert.Contains(t, text, ", run r:\n")
	assert.True(t, strings.HasSuffix(text, "\n2 deleted, 0 orphaned, 0 left\n"), text)
}

// count is how many users a deployment has.
func count(t *testing.T, at, token string) int {
	req, err := http.NewRequest(http.MethodGet, at+"/api/v2/users", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Coder-Session-Token", token)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return strings.Count(string(body), `"username"`)
}

func TestCleanupAfterAJobDeletesNothingWhenItCannotKnowTheRun(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, false)
	env, account := apiServer(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"kind":"Status","message":"jobs.batch \"scaletest\" not found","code":404}`, http.StatusNotFound)
	})
	cmd := cleaner(t, s, dir, "-after-job", "scaletest", "-job-poll", "1ms", "-job-appears", "5ms", account)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, exitError, cmd.ProcessState.ExitCode())
	assert.Contains(t, string(out), "scaletest cleanup: wait for Job load/scaletest: it was not there in 5ms, so that its UID is not known: nothing was deleted")

	cmd = cleaner(t, s, dir, "-after-job", "scaletest")
	cmd.Env = append(cmd.Env, "KUBERNETES_SERVICE_HOST=", "KUBERNETES_SERVICE_PORT=")
	out, err = cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "scaletest cleanup: find the Kubernetes API: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not both set")
	assert.Equal(t, 3, count(t, s.URL(), s.OwnerToken()))
}

func TestMergeAfterAJobThatDoesNotAppearWritesNothing(t *testing.T) {
	t.Parallel()
	s, dir := leftovers(t, false)
	env, account := apiServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := cleaner(t, s, dir)
	cmd.Args = []string{cmd.Args[0], "merge", "-after-job", "scaletest", "-job-poll", "1ms", "-job-appears", "5ms", account, "-o", file, dir}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "scaletest merge: wait for Job load/scaletest: it was not there")
	assert.NoFileExists(t, file)
}

func TestMergeAfterAJobTakesTheFolderOfItsRunAlone(t *testing.T) {
	t.Parallel()
	env, account := apiServer(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"kind":"Job","metadata":{"uid":"second"},"status":{"terminating":0,"conditions":[{"type":"Complete","status":"True"}]}}`)
	})
	volume := t.TempDir()
	for _, run := range []string{"first", "second"} {
		require.NoError(t, os.Mkdir(filepath.Join(volume, run), 0o700))
		require.NoError(t, os.Rename(shards(t, 2), filepath.Join(volume, run, "shards")))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "merge", "-after-job=scaletest", "-job-poll=1ms", account, "-o="+volume+"/{uid}/result.json", volume+"/{uid}/shards")
	cmd.Env = append(os.Environ(), append(env, asCommand+"=1")...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	res, err := harness.ReadResult(filepath.Join(volume, "second", "result.json"))
	require.NoError(t, err)
	assert.Len(t, res.Shards, 2)
	assert.NoFileExists(t, filepath.Join(volume, "first", "result.json"))
	assert.Equal(t, []string{"{uid}/result.json"}, ofJob("", "{uid}/result.json"), "without a Job nothing is known of its UID")
}

func TestFlagsAboutAJobThatMakeNoSenseAreMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-after-job", "j", "-run", "r"}, "-after-job excludes -run: the run is that of the Job"},
		{[]string{"-job-poll", "1s", "-service-account", "x"}, "-job-poll needs -after-job; -service-account needs -after-job"},
		{[]string{"-after-job", "j", "-job-appears", "-1s"}, "-job-appears or -job-poll is negative, want more than 0"},
	} {
		var errs bytes.Buffer
		code := run(t.Context(), append([]string{"cleanup"}, c.args...), streams{io.Discard, &errs})
		assert.Equal(t, exitUsage, code, "%q", c.args)
		assert.Equal(t, "scaletest cleanup: "+c.says+"\n", errs.String())
	}
}
