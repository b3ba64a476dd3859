//go:build unix && !scaletest

package scaletest_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// TestMainJobAsAProcess runs the main job as users do, in a process of its own.
func TestMainJobAsAProcess(t *testing.T) {
	if raceDetector {
		t.Skip("the process that it runs is built without the race detector")
	}
	binary := filepath.Join(t.TempDir(), "scaletest.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "scaletest", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)

	t.Run("bad input is one line and exit code 1", func(t *testing.T) { badInput(t, binary) })
	t.Run("live", func(t *testing.T) { liveJob(t, binary) })
	t.Run("an interrupt ends it gracefully", func(t *testing.T) { interruptedJob(t, binary) })
	t.Run("kill -9 leaves what was seen", func(t *testing.T) { killedJob(t, binary) })
	t.Run("shards are one run", func(t *testing.T) { shardedJob(t, binary) })
	t.Run("a scenario file that creates, in shards", func(t *testing.T) { shardedFile(t, binary) })
	t.Run("agents, in shards", func(t *testing.T) { shardedAgents(t, binary) })
	t.Run("shards without a collector", func(t *testing.T) { mergedJob(t, binary) })
	t.Run("an orphan ends", func(t *testing.T) { orphanedJob(t, binary) })
}

// child is a process with an environment of its own.
func child(t *testing.T, set []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CODER_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, p+"ARTIFACTS="+t.TempDir())
	cmd.Env = append(cmd.Env, set...)
	return cmd
}

var failLine = regexp.MustCompile(`(?m)^ +loadtest_test\.go:\d+: (.*)$`)

// badInput goes through the mistakes that a process sees.
func badInput(t *testing.T, binary string) {
	d := deploy(t, codertest.Config{Workspaces: 1001})
	empty := deploy(t, codertest.Config{})
	member := d.member(t)
	expired, err := d.client.CreateToken(t.Context(), "alice", coder.CreateTokenRequest{Lifetime: time.Nanosecond})
	require.NoError(t, err)
	two := func(set ...string) []string { return append(set, p+"TARGET_WORKSPACES=0:2") }
	own := live(d.URL(), d.OwnerToken())
	elsewhere := func(proxy string) []string {
		return append(live("http://coder.example.test", d.OwnerToken()), "HTTP_PROXY="+proxy, "HTTPS_PROXY="+proxy)
	}

	for _, c := range []struct {
		name    string
		set     []string
		timeout string
		want    string
	}{
		{"two bad variables", []string{p + "SEED=x", p + "SEDE=1"}, "", p + `SEDE is not a known variable: the nearest is ` + p + `SEED`},
		{"no token", []string{"CODER_URL=https://coder.example.com"}, "", "CODER_SESSION_TOKEN is not set, want a token for https://coder.example.com"},
		{"wrong port", live("http://127.0.0.1:1", "t"), "", "http://127.0.0.1:1 can't be tested: "},
		{"expired token", live(d.URL(), expired), "", "expired"},
		{"no workspaces", live(empty.URL(), empty.OwnerToken()), "", "has no workspaces"},
		{"others' workspaces", live(d.URL(), member), "", "has no workspaces"},
		{"no right to open", live(refuseRights(t, d), d.OwnerToken()), "", "may not open terminals"},
		{"range beyond the end", append(own, p+"TARGET_WORKSPACES=0:2000"), "", "it goes to 2000, but there are only 1001 workspaces"},
		{"tick of 0", append(own, p+"WORKSPACE_TRAFFIC_TICK_INTERVAL=0"), "", "want a duration of more than 0"},
		{"no such template", append(own, p+"TEMPLATE=x"), "", `has no such template`},
		{"longer than the test may take", append(two(own...), p+"DURATION=10m"), "10m", "run it with -timeout 0, or shorter"},
		{"a crowd on another's host", elsewhere(forwardProxy(t, d, true)), "", "1001 users on coder.example.test are more than the 1000 that need no confirmation: set CODER_SCALETEST_YES=coder.example.test"},
		{"upgrades answered with 403", two(live(refuseUpgrades(t, d, http.StatusForbidden), d.OwnerToken())...), "", "lets no WebSockets through"},
		{"upgrades answered with 502", two(live(refuseUpgrades(t, d, http.StatusBadGateway), d.OwnerToken())...), "", "lets no WebSockets through"},
		{"a proxy that makes no tunnels", two(elsewhere(forwardProxy(t, d, false))...), "", "lets no WebSockets through"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := child(t, c.set, binary, "-test.v", "-test.run=^TestTerminals$", "-test.timeout="+c.timeout+"0s")
			if c.timeout != "" {
				cmd.Args[len(cmd.Args)-1] = "-test.timeout=" + c.timeout
			}
			b, _ := cmd.CombinedOutput()
			out := string(b)
			assert.Equal(t, 1, cmd.ProcessState.ExitCode(), out)
			lines := failLine.FindAllStringSubmatch(out, -1)
			if assert.Len(t, lines, 1, out) {
				assert.Contains(t, out, c.want)
			}
			assert.Equal(t, 1, strings.Count(out, "--- FAIL: "), out)
			for _, never := range []string{"panic", "goroutine ", "runtime/", "\tat ", d.OwnerToken(), expired} {
				assert.NotContains(t, out, never)
			}
		})
	}
	assert.Zero(t, d.Stats().TerminalsOpened)
	assert.Zero(t, d.Stats().Builds)
}

func liveJob(t *testing.T, binary string) {
	d := deploy(t, codertest.Config{Workspaces: 5})
	dir := t.TempDir()
	text := filepath.Join(dir, "summary.txt")
	set := append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS="+dir, p+"DURATION=1s", p+"OUTPUTS=text,text:"+text,
		p+"WORKSPACE_TRAFFIC_BYTES_PER_TICK=100")
	out, err := child(t, set, binary, "-test.v", "-test.run=^TestTerminals$").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "target      "+d.URL()+" (v2.37.0)")
	assert.Contains(t, string(out), "verdict     PASS")
	assert.EqualValues(t, 5, d.Stats().TerminalsOpened, "one for each workspace")
	res, err := harness.ReadResult(filepath.Join(dir, "TestTerminals", "result.json"))
	require.NoError(t, err)
	assert.Equal(t, d.URL(), res.Target["url"])
	assert.Equal(t, "1s", res.Configuration[p+"DURATION"])
	b, err := os.ReadFile(text)
	require.NoError(t, err)
	assert.Contains(t, string(b), "verdict     PASS")
}

// lines are what a process prints, to be waited for.
type lines struct {
	scan *bufio.Scanner
	seen strings.Builder
}

func follow(r io.Reader) *lines { return &lines{scan: bufio.NewScanner(r)} }

// until reads to the line that has the text, or to the end.
func (l *lines) until(t *testing.T, text string) {
	t.Helper()
	for l.scan.Scan() {
		fmt.Fprintln(&l.seen, l.scan.Text())
		if strings.Contains(l.scan.Text(), text) {
			return
		}
	}
	require.Failf(t, "the process ended before it printed "+text, "%s", l.seen.String())
}

// rest reads what is left.
func (l *lines) rest() string {
	for l.scan.Scan() {
		fmt.Fprintln(&l.seen, l.scan.Text())
	}
	return l.seen.String()
}

func interruptedJob(t *testing.T, binary string) {
	dir := t.TempDir()
	cmd := child(t, []string{p + "DURATION=60s", p + "TARGET_WORKSPACES=0:20", p + "ARTIFACTS=" + dir},
		binary, "-test.v", "-test.run=^TestTerminals$")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := follow(stdout)
	out.until(t, " MB/s  echo p50") // a heartbeat
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	said := out.rest()
	_ = cmd.Wait()

	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Contains(t, said, "interrupted: ending gracefully, then cleaning up (again: skip to the results)")
	assert.Contains(t, said, "verdict     INTERRUPTED")
	assert.NotContains(t, said, "goroutine ")
	if line := failLine.FindStringSubmatch(said); assert.NotNil(t, line, said) {
		assert.Equal(t, "interrupted: the run was stopped before its end", line[1])
	}
	res, err := harness.ReadResult(filepath.Join(dir, "TestTerminals", "result.json"))
	require.NoError(t, err)
	assert.Equal(t, harness.Interrupted, res.Verdict)
	assert.NotEmpty(t, res.Scenarios[0].Timeline)
	assert.Zero(t, res.Scenarios[0].Actions["echo"].Errors, "ending is not an error")
}

// killedJob is killed where nothing can be written any more.
func killedJob(t *testing.T, binary string) {
	dir := t.TempDir()
	cmd := child(t, []string{p + "DURATION=60s", p + "TARGET_WORKSPACES=0:20", p + "ARTIFACTS=" + dir},
		binary, "-test.v", "-test.run=^TestTerminals$")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := follow(stdout)
	out.until(t, " 3s    20 users")
	require.NoError(t, cmd.Process.Kill())
	out.rest()
	_ = cmd.Wait()

	require.NoFileExists(t, filepath.Join(dir, "TestTerminals", "result.json"))
	results, err := report.Read(dir)
	require.NoError(t, err)
	require.Len(t, results, 1)
	res := results[0]
	assert.Equal(t, harness.Interrupted, res.Verdict)
	assert.Contains(t, res.Reasons[0], "its process was killed")
	s := res.Scenarios[0]
	assert.GreaterOrEqual(t, len(s.Timeline), 2, "at most a second is lost")
	assert.InDelta(t, 200*len(s.Timeline), float64(s.Actions["echo"].Count), 60, "20 users type 10 times a second")
	assert.Equal(t, int64(20), s.Ready)
	assert.NotNil(t, s.Setup["terminal_open"].Response.Histogram)
}

func orphanedJob(t *testing.T, binary string) {
	dir := t.TempDir()
	// The shell ends when its input does, and leaves the job alone.
	cmd := child(t, []string{p + "DURATION=60s", p + "TARGET_WORKSPACES=0:5", p + "ARTIFACTS=" + dir},
		"sh", "-c", `"$0" "$@" </dev/null & read -r _ || exit 0`, binary, "-test.v", "-test.run=^TestTerminals$")
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	cmd.Stdout = write
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	out := follow(read)
	out.until(t, " MB/s  echo p50")
	require.NoError(t, stdin.Close())
	require.NoError(t, cmd.Wait())

	said := out.rest() // ends when the job does
	assert.Contains(t, said, "the process that started this one is gone: ending")
	assert.Contains(t, said, "verdict     INTERRUPTED")
	_, err = harness.ReadResult(filepath.Join(dir, "TestTerminals", "result.json"))
	assert.NoError(t, err)
}

// interruptSelf is what Ctrl-C does.
func interruptSelf(t *testing.T) {
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Error(err)
	}
}
