//go:build !scaletest

package scaletest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

const p = "CODER_SCALETEST_"

// login is a deployment and its token.
var login = []string{"CODER_URL=https://coder.example.com", "CODER_SESSION_TOKEN=xyzzy-s3cret"}

func TestBadVariablesAreNamedWithValueAndExpectation(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"CODER_URL=coder.example.com", `CODER_URL is "coder.example.com", want the access URL of a Coder deployment, such as https://coder.example.com: it must begin with http:// or https://`},
		{"CODER_URL=https://", `CODER_URL is "https:", want the access URL of a Coder deployment, such as https://coder.example.com: it has no host`},
		{"CODER_URL=https://a\x7fb", `it is not a URL`},
		{"CODER_URL=https://me:hunter2@example.com", `CODER_URL is "…@example.com", want the access URL of a Coder deployment, such as https://coder.example.com: it must not hold a user name or password`},
		{"CODER_URL=https://example.com?token=hunter2", `CODER_URL is "https://example.com?…", want the access URL of a Coder deployment, such as https://coder.example.com: it must not have a query or a fragment`},
		{"CODER_SESSION_TOKEN=hunter2 hunter2", "CODER_SESSION_TOKEN has characters that no token has, want what 'coder tokens create' prints"},
		{p + "CONCURRENCY=-1", p + `CONCURRENCY is "-1", want a whole number, at least 0`},
		{p + "TIMEOUT=30", p + `TIMEOUT is "30", want a duration such as 90s or 10m, or 0 for no limit`},
		{p + "JOB_TIMEOUT=-1s", p + `JOB_TIMEOUT is "-1s", want a duration such as 90s or 10m, or 0 for no limit`},
		{p + "CLEANUP_TIMEOUT=soon", p + `CLEANUP_TIMEOUT is "soon", want a duration such as 90s or 10m, or 0 for no limit`},
		{p + "CLEANUP_JOB_TIMEOUT=5", p + `CLEANUP_JOB_TIMEOUT is "5", want a duration such as 90s or 10m, or 0 for no limit`},
		{p + "MAX_FAILURES=few", p + `MAX_FAILURES is "few", want a whole number, at least 0`},
		{p + "USE_HOST_LOGIN=ja", p + `USE_HOST_LOGIN is "ja", want true or false`},
		{p + "USE_CLI_LOGIN=ja", p + `USE_CLI_LOGIN is "ja", want true or false`},
		{p + "TARGET_WORKSPACES=100", p + `TARGET_WORKSPACES is "100", want START:END, counted from 0, END excluded and larger than START, such as 0:100`},
		{p + "TARGET_WORKSPACES=5:5", p + `TARGET_WORKSPACES is "5:5", want START:END`},
		{p + "TARGET_WORKSPACES=-1:5", p + `TARGET_WORKSPACES is "-1:5", want START:END`},
		{p + "ANY_WORKSPACE=all", p + `ANY_WORKSPACE is "all", want true or false`},
		{p + "WORKSPACE_TRAFFIC_BYTES_PER_TICK=0", p + `WORKSPACE_TRAFFIC_BYTES_PER_TICK is "0", want a whole number, at least 1`},
		{p + "WORKSPACE_TRAFFIC_TICK_INTERVAL=0", p + `WORKSPACE_TRAFFIC_TICK_INTERVAL is "0", want a duration of more than 0, such as 100ms or 90s`},
		{p + "COUNT=0", p + `COUNT is "0", want a whole number, at least 1`},
		{p + "RETRY=-1", p + `RETRY is "-1", want a whole number, at least 0`},
		{p + "NO_CLEANUP=x", p + `NO_CLEANUP is "x", want true or false`},
		{p + "NO_WAIT_FOR_AGENTS=x", p + `NO_WAIT_FOR_AGENTS is "x", want true or false`},
		{p + "RUN_EXPECT_OUTPUT=x", p + `RUN_COMMAND is not set, but what to expect of it is`},
		{p + "CONNECT_URL=https://localhost", p + `CONNECT_URL is "https://localhost", want a URL inside the workspace that begins with http://`},
		{p + "CONNECT_MODE=direct", p + `CONNECT_MODE is "direct", want derp: all traffic goes by relays here, never directly`},
		{p + "CONNECT_HOLD=-1s", p + `CONNECT_HOLD is "-1s", want a duration such as 90s or 10m, or 0 for no limit`},
		{p + "CONNECT_INTERVAL=1", p + `CONNECT_INTERVAL is "1", want a duration`},
		{p + "CONNECT_TIMEOUT=0", p + `CONNECT_TIMEOUT is "0", want a duration of more than 0`},
		{p + "CLEANUP_CONCURRENCY=0", p + `CLEANUP_CONCURRENCY is "0", want a whole number, at least 1`},
		{p + "DASHBOARD_TARGET_USERS=5", p + `DASHBOARD_TARGET_USERS is "5", want START:END`},
		{p + "DASHBOARD_JITTER=10s", p + `DASHBOARD_JITTER is "10s", want less than the interval of 10s`},
		{p + "DASHBOARD_RAND_SEED=x", p + `DASHBOARD_RAND_SEED is "x", want a whole number, at least 0`},
		{p + "WORKSPACE_PROXY_URL=proxy", p + `WORKSPACE_PROXY_URL is "proxy", want a URL such as https://proxy.example.com: it must begin with http:// or https://`},
		{p + "WORKSPACE_TRAFFIC_SSH=x", p + `WORKSPACE_TRAFFIC_SSH is "x", want true or false`},
		{p + "PROMETHEUS_WAIT=5", p + `PROMETHEUS_WAIT is "5", want a duration such as 90s or 10m, or 0 for no limit`},
		{p + "PROMETHEUS_PUSH_URL=http://me:hunter2@gateway", p + `PROMETHEUS_PUSH_URL is "…@gateway", want a URL`},
		{p + "TRACE=x", p + `TRACE is "x", want true or false`},
		{"CODER_RICH_PARAMETER=x", `CODER_RICH_PARAMETER is "x", want name=value, separated by commas`},
		{"CODER_RICH_PARAMETER_FILE=/does/not/exist", `CODER_RICH_PARAMETER_FILE is "/does/not/exist", want a YAML file`},
		{p + "DURATION=0s", p + `DURATION is "0s", want a duration of more than 0, such as 100ms or 90s`},
		{p + "THRESHOLDS=echo: p(99)<250", p + `THRESHOLDS is "echo: p(99)<250", want thresholds such as "terminals/echo: p(99)<250ms; errors: rate<0.01": `},
		{p + "OUTPUTS=xml:a", p + `OUTPUTS is "xml:a", want format or format:path, separated by commas, with the formats bench, csv, github, html, json, junit, markdown, result, row, text`},
		{p + "OUTPUTS=text,htm:a", p + `OUTPUTS is "text,htm:a", want format or format:path, separated by commas, with the formats bench, csv, github, html, json, junit, markdown, result, row, text`},
		{p + "OUTPUTS=json,text,csv,bench:b", p + `OUTPUTS is "json,text,csv,bench:b", want a path for all but one of csv, json, as in json:summary.json`},
		{p + "SEED=-1", p + `SEED is "-1", want a whole number, at least 0`},
		{p + "REQUIRED=maybe", p + `REQUIRED is "maybe", want true or false`},
		{p + "DRY_RUN=dry", p + `DRY_RUN is "dry", want true or false`},

		{p + "TARGET_WORKSPACE=0:5", p + "TARGET_WORKSPACE is not a known variable: the nearest is " + p + "TARGET_WORKSPACES"},
		{p + "SOMETHING_ELSE_ENTIRELY=x", p + "SOMETHING_ELSE_ENTIRELY is not a known variable: the README lists those that there are"},
		{p + "TRESHOLDS=x", p + "TRESHOLDS is not a known variable: the nearest is " + p + "THRESHOLDS"},
		{p + "WORKSPACE_TRAFFIC_SHH=1", p + "WORKSPACE_TRAFFIC_SHH is not a known variable: the nearest is " + p + "WORKSPACE_TRAFFIC_SSH"},
		{p + "TRACE_CODER=1", p + "TRACE_CODER is not supported: set the standard OTEL_* variables for your own collector instead"},
		{p + "TRACE_HONEYCOMB_API_KEY=hunter2", p + "TRACE_HONEYCOMB_API_KEY is not supported: set the standard OTEL_EXPORTER_OTLP_* variables instead"},
	} {
		t.Run(strings.Map(printable, c.set), func(t *testing.T) {
			set := append([]string{}, login...)
			_, err := scaletest.ConfigFromEnv(append(set, c.set)) // the last one counts
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n", "one mistake is one line")
			assert.NotContains(t, err.Error(), "hunter2", "a secret is shown")
			assert.NotContains(t, err.Error(), "xyzzy", "a secret is shown")
		})
	}
}

func printable(r rune) rune {
	if r <= ' ' || r == '/' || r >= 0x7f {
		return '_'
	}
	return r
}

func TestValuesThatAskForNothingAreAccepted(t *testing.T) {
	for _, set := range []string{
		"RETRY=0", "COUNT=1", "NO_CLEANUP=false", "NO_CLEANUP=0", "NO_WAIT_FOR_AGENTS=F", "RUN_COMMAND=", "RUN_TIMEOUT=5s",
		"CONNECT_MODE=derp", "CONNECT_HOLD=0m30s", "CONNECT_URL=", "CLEANUP_CONCURRENCY=1", "CLEANUP_TEMPLATE=",
		"DASHBOARD_HEADLESS=true", "DASHBOARD_INTERVAL=10s", "DASHBOARD_RAND_SEED=0", "WORKSPACE_TRAFFIC_SSH=false",
		"WORKSPACE_TRAFFIC_APP=", "WORKSPACE_TRAFFIC_DISABLE_DIRECT_CONNECTIONS=false", "WORKSPACE_PROXY_URL=",
		"PROMETHEUS_ADDRESS=", "PROMETHEUS_WAIT=15s", "TRACE=false", "TRACE_PROPAGATE=false", "TRACE_CODER=false",
		"TRACE_HONEYCOMB_API_KEY=", "USE_HOST_LOGIN=true", "DURATION=", "NOBODY_KNOWS_THIS=",
	} {
		_, err := scaletest.ConfigFromEnv([]string{p + set, "JOB_COMPLETION_INDEX=3", "CODER_AGENT_TOKEN=x"})
		assert.NoError(t, err, set)
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := scaletest.ConfigFromEnv([]string{
		"CODER_URL=nowhere", p + "SEED=x", p + "TRACE=yes", p + "SEDE=1", p + "DURATION=never", p + "OUTPUTS=htm",
	})
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, 7, "six bad ones, and no token: %v", err)
	for _, name := range []string{"CODER_URL is", "CODER_SESSION_TOKEN is not set", "_SEED is", "_TRACE is", "_SEDE is", "_DURATION is", "_OUTPUTS is"} {
		assert.Contains(t, err.Error(), name)
	}
}

func TestVariablesThatContradictEachOther(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{[]string{"CODER_URL=https://coder.example.com"}, "CODER_SESSION_TOKEN is not set, want a token for https://coder.example.com"},
		{[]string{"CODER_SESSION_TOKEN=hunter2"}, "CODER_URL is not set, but CODER_SESSION_TOKEN is: want both"},
		{[]string{p + "REQUIRED=true"}, "CODER_URL is not set, but CODER_SCALETEST_REQUIRED forbids the embedded deployment"},
		{append([]string{p + "REQUIRED=true", p + "DRY_RUN=true"}, login...), "CODER_SCALETEST_REQUIRED forbids that tests are skipped"},
		{[]string{p + "TIMEOUT=1m", p + "DURATION=5m"}, `CODER_SCALETEST_DURATION is "5m", want no more than the whole run may take, which is "1m" by CODER_SCALETEST_TIMEOUT`},
	} {
		_, err := scaletest.ConfigFromEnv(c.set)
		require.Error(t, err, c.set)
		assert.Contains(t, err.Error(), c.want)
		assert.NotContains(t, err.Error(), "\n", "one mistake is one line")
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestDefaults(t *testing.T) {
	c, err := scaletest.ConfigFromEnv(nil)
	require.NoError(t, err)
	assert.False(t, c.Live())
	assert.True(t, c.Targets.All())
	assert.Nil(t, c.Concurrency, "all at once")
	assert.Equal(t, 10*time.Second, c.Duration)
	assert.Equal(t, 30*time.Minute, c.Timeout)
	assert.Equal(t, 30*time.Minute, c.CleanupTimeout)
	assert.Equal(t, 5*time.Minute, c.CleanupJobTimeout)
	assert.Zero(t, c.JobTimeout)
	assert.Zero(t, c.MaxFailures)
	assert.Equal(t, []scaletest.Output{{Format: "text"}}, c.Outputs)
	assert.Empty(t, c.Thresholds)

	c, err = scaletest.ConfigFromEnv(login)
	require.NoError(t, err)
	assert.True(t, c.Live())
	assert.Equal(t, time.Minute, c.Duration)
}

func TestEveryVariableIsRead(t *testing.T) {
	c, err := scaletest.ConfigFromEnv([]string{
		"CODER_URL= https://coder.example.com/base/ ", "CODER_SESSION_TOKEN= xyzzy ",
		p + "TEMPLATE=docker", p + "TARGET_WORKSPACES=10:20", p + "ANY_WORKSPACE=true", p + "CONCURRENCY=0",
		p + "TIMEOUT=20m", p + "JOB_TIMEOUT=2m", p + "CLEANUP_TIMEOUT=3m", p + "CLEANUP_JOB_TIMEOUT=0", p + "MAX_FAILURES=4",
		p + "WORKSPACE_TRAFFIC_BYTES_PER_TICK=1024", p + "WORKSPACE_TRAFFIC_TICK_INTERVAL=40ms", p + "DURATION=5m",
		p + "THRESHOLDS=terminals/echo: p(99)<250ms; errors: rate<1%", p + "OUTPUTS=text, result:r.json,text:/tmp/a:b",
		p + "ARTIFACTS=/tmp/a", p + "SEED=18446744073709551615", p + "REQUIRED=1", p + "YES=coder.example.com",
	})
	require.NoError(t, err)
	assert.Equal(t, "https://coder.example.com/base", c.URL)
	assert.Equal(t, "docker", c.Template)
	assert.Equal(t, runners.Range{Start: 10, End: 20}, c.Targets)
	assert.True(t, c.AnyWorkspace)
	assert.Zero(t, *c.Concurrency)
	assert.Equal(t, 20*time.Minute, c.Timeout)
	assert.Equal(t, 2*time.Minute, c.JobTimeout)
	assert.Equal(t, 3*time.Minute, c.CleanupTimeout)
	assert.Zero(t, c.CleanupJobTimeout)
	assert.Equal(t, 4, c.MaxFailures)
	assert.Equal(t, 1024, c.BytesPerTick)
	assert.Equal(t, 40*time.Millisecond, c.TickInterval)
	assert.Equal(t, 5*time.Minute, c.Duration)
	assert.Equal(t, []harness.Threshold{harness.P99("echo").Below(250 * time.Millisecond)}, c.Thresholds["terminals"])
	assert.Len(t, c.Thresholds[""], 1)
	assert.Equal(t, []scaletest.Output{{Format: "text"}, {Format: "result", Path: "r.json"}, {Format: "text", Path: "/tmp/a:b"}}, c.Outputs)
	assert.Equal(t, "/tmp/a", c.Artifacts)
	assert.Equal(t, uint64(1<<64-1), c.Seed)
	assert.True(t, c.Required)
	assert.Equal(t, "coder.example.com", c.Yes)
}

func TestTimeoutIsTheDurationOfTrafficUnlessThatIsSet(t *testing.T) {
	for _, c := range []struct {
		set               []string
		duration, timeout time.Duration
	}{
		{[]string{p + "TIMEOUT=5m"}, 5 * time.Minute, 30 * time.Minute},
		{[]string{p + "TIMEOUT=5m", p + "DURATION=1m"}, time.Minute, 5 * time.Minute},
		{[]string{p + "TIMEOUT=0"}, 10 * time.Second, 0},
		{[]string{p + "DURATION=1h"}, time.Hour, 30 * time.Minute},
	} {
		cfg, err := scaletest.ConfigFromEnv(c.set)
		require.NoError(t, err)
		assert.Equal(t, c.duration, cfg.Duration, c.set)
		assert.Equal(t, c.timeout, cfg.Timeout, c.set)
	}
}

func TestLoginOfTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	from := []string{p + "USE_CLI_LOGIN=true", "CODER_CONFIG_DIR=" + dir}
	put := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	_, err := scaletest.ConfigFromEnv(from)
	assert.EqualError(t, err, p+"USE_CLI_LOGIN is set, but there is no login in "+filepath.Join(dir, "url")+": log in with 'coder login', or set CODER_CONFIG_DIR")

	put("url", "https://coder.example.com/\n")
	_, err = scaletest.ConfigFromEnv(from)
	assert.EqualError(t, err, p+"USE_CLI_LOGIN is set, but there is no login in "+filepath.Join(dir, "session")+": log in with 'coder login', or set CODER_CONFIG_DIR")

	put("session", "xyzzy-s3cret\n")
	c, err := scaletest.ConfigFromEnv(from)
	require.NoError(t, err)
	assert.Equal(t, "https://coder.example.com", c.URL)
	assert.NotContains(t, fmt.Sprintf("%+v", c), "xyzzy")

	c, err = scaletest.ConfigFromEnv(append([]string{"CODER_URL=http://localhost:3000", "CODER_SESSION_TOKEN=t"}, from...))
	require.NoError(t, err)
	assert.Equal(t, "http://localhost:3000", c.URL, "what is set counts more than a file")

	c, err = scaletest.ConfigFromEnv(from[1:])
	require.NoError(t, err)
	assert.False(t, c.Live(), "a login that nobody asked for is used")

	put("url", "ftp://coder.example.com")
	_, err = scaletest.ConfigFromEnv(from)
	require.Error(t, err)
	assert.Contains(t, err.Error(), `url is "ftp://coder.example.com", want the access URL`)
	assert.NotContains(t, err.Error(), "\n", "one mistake is one line")
}

func TestNothingThatPrintsAConfigShowsTheToken(t *testing.T) {
	c, err := scaletest.ConfigFromEnv(login)
	require.NoError(t, err)
	type holder struct{ c scaletest.Config } // fmt calls no methods of what is in here
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, &c, holder{c}, []scaletest.Config{c}} {
			assert.NotContains(t, fmt.Sprintf(verb, v), "xyzzy", verb)
			assert.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", "xyzzy"), verb)
		}
	}
}

func TestParametersComeFromWhereCodersOwnCommandLineTakesThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parameters.yaml")
	require.NoError(t, os.WriteFile(path, []byte("size: small\nregion: \"eu\"\n"), 0o600))
	c, err := scaletest.ConfigFromEnv([]string{
		"CODER_RICH_PARAMETER_FILE=" + path, `CODER_RICH_PARAMETER=size=large,"list=a,b"`,
		p + "RUN_COMMAND=true", p + "RUN_TIMEOUT=9s", p + "DASHBOARD_INTERVAL=2s", p + "WORKSPACE_PROXY_URL=https://proxy.example.com/",
	})
	require.NoError(t, err)
	assert.Equal(t, []coder.BuildParameter{{Name: "region", Value: "eu"}, {Name: "size", Value: "large"}, {Name: "list", Value: "a,b"}}, c.Create.Parameters)
	assert.Equal(t, &runners.CommandConfig{Command: "true", Timeout: 9 * time.Second}, c.Create.Command)
	assert.Equal(t, time.Second, c.Dashboard.Jitter, "the default is less than the interval")
	assert.Equal(t, "https://proxy.example.com", c.ProxyURL.String())
}
