//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
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
	"github.com/coderscale/scaletest/internal/campaign"
	"github.com/coderscale/scaletest/scenario"
)

// templateName is that of the embedded deployment's only template.
const templateName = "scaletest"

// compiled is the library's tests, as a program.
func compiled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scaletest.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "scaletest", "-o", path, "../..").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// campaignOf is a configuration on a deployment, as a file.
func campaignOf(t *testing.T, d *codertest.Server, binary string, change func(*campaign.Config)) (path, results string) {
	t.Helper()
	t.Setenv("CODER_URL", "")
	t.Setenv("CODER_SESSION_TOKEN", d.OwnerToken()+"\n") // as a Secret made of a file has it
	cfg := campaign.Config{
		Name: "small", URL: d.URL(), Results: filepath.Join(t.TempDir(), "results"), Binary: binary,
		Template: templateName, Workspaces: 4, Create: campaign.Create{Concurrency: 4}, Cleanup: campaign.Cleanup{Concurrency: 4},
		Loads: []campaign.Load{{Kind: scenario.Terminal, Duration: scenario.Duration(2 * time.Second), BytesPerTick: 100}},
	}
	if change != nil {
		change(&cfg)
	}
	b, err := json.Marshal(cfg)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "campaign.json")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path, cfg.Results
}

func deployment(t *testing.T) (*codertest.Server, *coder.Client) {
	t.Helper()
	d := codertest.Start(t, codertest.Config{BuildTime: codertest.Fixed(time.Nanosecond), RateLimit: -1, Provisioners: 5})
	c, err := coder.New(coder.Config{URL: d.URL(), Token: d.OwnerToken()})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return d, c
}

// bringTemplate makes one more template.
func bringTemplate(t *testing.T, c *coder.Client, name string) {
	t.Helper()
	const source = `resource "coder_agent" "main" {}`
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "main.tf", Mode: 0o644, Size: int64(len(source))}))
	_, err := io.WriteString(w, source)
	require.NoError(t, errors.Join(err, w.Close()))
	file, err := c.UploadFile(t.Context(), b.Bytes())
	require.NoError(t, err)
	v, err := c.CreateTemplateVersion(t.Context(), "default", coder.CreateTemplateVersionRequest{FileID: file})
	require.NoError(t, err)
	_, err = c.WaitTemplateVersion(t.Context(), v.ID)
	require.NoError(t, err)
	_, err = c.CreateTemplate(t.Context(), "default", coder.CreateTemplateRequest{Name: name, VersionID: v.ID})
	require.NoError(t, err)
}

func left(t *testing.T, c *coder.Client) int {
	t.Helper()
	all, err := c.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	return len(all)
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

var pageLine = regexp.MustCompile(`^page +(http://\S+/)$`)

// TestCampaignAsAProcess goes through whole campaigns with the real load.
func TestCampaignAsAProcess(t *testing.T) {
	binary := compiled(t)

	t.Run("a pass leaves reports and nothing else", func(t *testing.T) {
		d, c := deployment(t)
		path, results := campaignOf(t, d, binary, func(c *campaign.Config) { c.Verbose = true })
		cmd, lines := start(t, asCommand, "campaign", "-listen", "127.0.0.1:0", path)
		var page, said string
		until := func(text string) {
			t.Helper()
			for lines.Scan() {
				said += lines.Text() + "\n"
				if m := pageLine.FindStringSubmatch(lines.Text()); m != nil {
					page = m[1]
				}
				if strings.Contains(lines.Text(), text) {
					return
				}
				require.NotContains(t, lines.Text(), ": ERROR: ", "%s", said)
			}
			require.Failf(t, "it ended before it said "+text, "%s", said)
		}
		until("terminal       terminal for 2s")
		until("4 users  ") // the first second of the load is over
		status, live := fetch(t, page+"live/")
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, live, "news?since=", "the page of the load is behind that of the campaign")
		until("the page is there until this program is stopped")

		_, body := fetch(t, page)
		assert.Contains(t, body, `href="files/report.html"`)
		status, body = fetch(t, page+"files/report.html")
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, body, "<title>")
		assert.Zero(t, left(t, c))

		code := run(t.Context(), []string{"campaign", "-stop", "-timeout", "1m", path}, streams{io.Discard, os.Stderr})
		assert.Equal(t, exitOK, code)
		for lines.Scan() {
			said += lines.Text() + "\n"
		}
		require.NoError(t, cmd.Wait(), said)

		var rec campaign.Record
		b, err := os.ReadFile(filepath.Join(results, "phases.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &rec))
		assert.Equal(t, harness.Pass, rec.Verdict, rec.Reasons)
		var names []string
		for _, ph := range rec.Phases {
			names = append(names, ph.Name+" "+string(ph.State))
		}
		assert.Equal(t, []string{"prepare done", "create pass", "terminal pass", "report done", "cleanup done"}, names)
		res, err := harness.ReadResult(filepath.Join(results, "terminal", "TestScenario", "result.json"))
		require.NoError(t, err)
		assert.Equal(t, 4, res.Scenarios[0].Users)
		assert.EqualValues(t, 4, d.Stats().TerminalsOpened)
		assert.NotContains(t, said+string(b)+live, d.OwnerToken())
	})

	t.Run("a dry run creates nothing", func(t *testing.T) {
		d, c := deployment(t)
		path, results := campaignOf(t, d, binary, func(cfg *campaign.Config) {
			cfg.DryRun, cfg.Greedy = true, "greedy"
		})
		cmd, lines := start(t, asCommand, "campaign", "-exit", "-listen", "", path)
		var said string
		for lines.Scan() {
			said += lines.Text() + "\n"
		}
		err := cmd.Wait()
		assert.Zero(t, left(t, c))
		assert.Zero(t, d.Stats().Builds)
		// The greedy template is not there, which is what a dry run is for.
		require.Error(t, err)
		assert.Contains(t, said, `create-greedy  error after `)
		assert.Contains(t, said, `"greedy", but `)
		assert.NoFileExists(t, filepath.Join(results, "report.html"))

		path, _ = campaignOf(t, d, binary, func(cfg *campaign.Config) { cfg.DryRun = true })
		cmd, lines = start(t, asCommand, "campaign", "-exit", "-listen", "", path)
		said = ""
		for lines.Scan() {
			said += lines.Text() + "\n"
		}
		require.NoError(t, cmd.Wait(), said)
		assert.Contains(t, said, "create      4 workspaces of "+templateName)
		assert.Contains(t, said, "terminal    4 users at once for 2s")
		assert.Zero(t, d.Stats().Builds)
	})

	t.Run("all loads side by side, and by somebody who interrupts them", func(t *testing.T) {
		d, c := deployment(t)
		all := func(lasting time.Duration) func(cfg *campaign.Config) {
			return func(cfg *campaign.Config) {
				cfg.SideBySide, cfg.Verbose, cfg.Loads = true, true, nil
				for kind, part := range map[scenario.Kind]float64{scenario.SSH: 25, scenario.Terminal: 25, scenario.App: 50, scenario.Dashboard: 100} {
					cfg.Loads = append(cfg.Loads, campaign.Load{Kind: kind, Percentage: part, Duration: scenario.Duration(lasting)})
				}
			}
		}
		path, results := campaignOf(t, d, binary, all(time.Second))
		cmd, lines := start(t, asCommand, "campaign", "-exit", "-listen", "", path)
		var said string
		for lines.Scan() {
			said += lines.Text() + "\n"
		}
		require.NoError(t, cmd.Wait(), said)
		res, err := harness.ReadResult(filepath.Join(results, "load", "TestScenario", "result.json"))
		require.NoError(t, err)
		users := map[string]int{}
		for _, s := range res.Scenarios {
			users[s.Name] = s.Users
		}
		assert.Equal(t, map[string]int{"ssh": 1, "terminal": 1, "app": 2, "dashboard": 4}, users)
		assert.Zero(t, left(t, c))

		path, _ = campaignOf(t, d, binary, all(time.Hour))
		cmd, lines = start(t, asCommand, "campaign", "-exit", "-listen", "", path)
		for told := false; lines.Scan(); {
			if !told && strings.Contains(lines.Text(), " users") && strings.Contains(lines.Text(), " 1s ") { // a heartbeat
				told = true // twice is at once
				require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			}
		}
		require.Error(t, cmd.Wait())
		assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
		assert.Zero(t, left(t, c))
	})

	t.Run("a greedy user has a workspace of its own", func(t *testing.T) {
		d, c := deployment(t)
		bringTemplate(t, c, "greedy")
		path, results := campaignOf(t, d, binary, func(cfg *campaign.Config) {
			cfg.Greedy, cfg.Loads[0].Duration = "greedy", scenario.Duration(900*time.Millisecond)
		})
		cmd, lines := start(t, asCommand, "campaign", "-exit", "-listen", "", path)
		var said string
		for lines.Scan() {
			said += lines.Text() + "\n"
		}
		_ = cmd.Wait() // the flood may take all of this machine, which makes it invalid
		assert.Contains(t, []int{exitOK, exitInvalid}, cmd.ProcessState.ExitCode(), said)
		res, err := harness.ReadResult(filepath.Join(results, "terminal-greedy", "TestScenario", "result.json"))
		require.NoError(t, err, said)
		assert.Equal(t, 1, res.Scenarios[0].Users)
		assert.Positive(t, res.Scenarios[0].Counters["bytes_received"])
		load, err := harness.ReadResult(filepath.Join(results, "terminal", "TestScenario", "result.json"))
		require.NoError(t, err, said)
		assert.Equal(t, 4, load.Scenarios[0].Users, "the greedy one is not among those who are hurt")
		assert.Zero(t, left(t, c))
	})

	t.Run("a threshold that breaks is an exit code of its own, and what stays is deleted at the stop", func(t *testing.T) {
		d, c := deployment(t)
		path, _ := campaignOf(t, d, binary, func(cfg *campaign.Config) {
			cfg.Loads[0].Duration = scenario.Duration(500 * time.Millisecond)
			cfg.Loads[0].Thresholds = []string{"echo: p(99)<1ns"}
			cfg.Cleanup.Strategy = campaign.OnStop
		})
		cmd, lines := start(t, asCommand, "campaign", "-exit", "-listen", "", path)
		for lines.Scan() {
		}
		require.Error(t, cmd.Wait())
		assert.Contains(t, []int{exitFail, exitInvalid}, cmd.ProcessState.ExitCode(), "a machine without time to spare makes it invalid")
		assert.Equal(t, 4, left(t, c), "they stay until the workspace stops")
		require.Equal(t, exitOK, run(t.Context(), []string{"campaign", "-stop", path}, streams{io.Discard, os.Stderr}))
		assert.Zero(t, left(t, c))
	})
}

func TestCampaignRefusesWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"campaign"}, exitUsage, "want one file"},
		{[]string{"campaign", "-stop", "-timeout", "-1s", "x"}, exitUsage, "-timeout is -1s"},
		{[]string{"campaign", "none.json"}, exitError, "read the configuration of the campaign"},
		{[]string{"install"}, exitUsage, "want the folder to install to"},
		{[]string{"install", t.TempDir(), "../x"}, exitUsage, "is a path"},
		{[]string{"install", t.TempDir(), "no-such-program"}, exitError, "want it beside this program"},
	} {
		var errs strings.Builder
		require.Equal(t, c.code, run(t.Context(), c.args, streams{io.Discard, &errs}), errs.String())
		require.Contains(t, errs.String(), c.want)
	}
}

func TestACampaignWithoutADeploymentOrAnOwnersTokenCreatesNothing(t *testing.T) {
	d, c := deployment(t)
	_, err := c.CreateUser(t.Context(), coder.CreateUserRequest{Username: "alice", Email: "alice@example.com", Password: "SomeSecurePassword!"})
	require.NoError(t, err)
	token, err := c.CreateToken(t.Context(), "alice", coder.CreateTokenRequest{})
	require.NoError(t, err)
	binary, err := os.Executable()
	require.NoError(t, err)
	path, _ := campaignOf(t, d, binary, nil)
	for name, c := range map[string]struct{ token, url, want string }{
		"a member": {token, d.URL(), "the token of alice may not create users"},
		"nobody":   {"", d.URL(), "CODER_SESSION_TOKEN is not set"},
		"nowhere":  {"", "", "there is no deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CODER_SESSION_TOKEN", c.token)
			path := path
			if c.url == "" {
				path, _ = campaignOf(t, d, binary, func(cfg *campaign.Config) { cfg.URL = "" })
				t.Setenv("CODER_SESSION_TOKEN", "")
			}
			var out, errs strings.Builder
			require.Equal(t, exitError, run(t.Context(), []string{"campaign", "-exit", "-listen", "", path}, streams{&out, &errs}))
			require.Contains(t, errs.String(), "the verdict is error: prepare: ")
			require.Contains(t, errs.String(), c.want)
		})
	}
	require.Zero(t, d.Stats().Builds)
}
