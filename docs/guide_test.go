//go:build linux && !scaletest

package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/campaign"
)

// programs are built once: the tests as a binary, and the command line.
func programs(t *testing.T) (tests, command string) {
	t.Helper()
	dir := t.TempDir()
	tests, command = filepath.Join(dir, "scaletest.test"), filepath.Join(dir, "scaletest")
	for _, args := range [][]string{
		{"test", "-c", "-tags", "scaletest", "-o", tests, ".."},
		{"build", "-o", command, "../cmd/scaletest"},
	} {
		out, err := exec.Command("go", args...).CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}
	return tests, command
}

var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestEveryCommandOfTheGuideRuns runs the blocks of each page in their order, in one
// shell, against an embedded deployment. The go command runs what was built, with each
// load a second long; kubectl, helm and coder are played.
func TestEveryCommandOfTheGuideRuns(t *testing.T) {
	if raceDetector {
		t.Skip("what it runs is built without the race detector")
	}
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	tests, command := programs(t)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		blocks := shell.FindAllStringSubmatch(string(text), -1)
		require.Equal(t, strings.Count(string(text), "```"), 2*len(blocks), "%s: other blocks than of sh are not run", page)
		if len(blocks) == 0 {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			var script strings.Builder
			script.WriteString("set -euo pipefail\n")
			for _, b := range blocks {
				script.WriteString("echo '--- next block'\n" + b[1])
			}
			d := deployed(t, page)
			out, err := d.guided(t, tests, command, script.String())
			t.Log(out)
			require.NoError(t, err)
			if check := checks[page]; check != nil {
				check(t, d)
			}
		})
	}
}

// guideRun is a page's deployment, and the folder that its script is run in.
type guideRun struct {
	*codertest.Server
	client *coder.Client
	dir    string
}

// checks look at what the script of a page has left.
var checks = map[string]func(t *testing.T, d guideRun){
	"plan.md":      stagesReachTheirSizes,
	"campaigns.md": theCampaignIsDone,
	"sizing.md":    allShardsAreMerged,
}

// deployed starts what a page is about. What creates workspaces begins with an empty one.
func deployed(t *testing.T, page string) guideRun {
	t.Helper()
	there := 12
	if page == "plan.md" || page == "campaigns.md" {
		there = 0
	}
	server := codertest.Start(t, codertest.Config{
		Workspaces: there, Users: there, Replicas: 1, RateLimit: -1, BuildTime: codertest.Fixed(time.Nanosecond), Provisioners: 10,
	})
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return guideRun{server, client, t.TempDir()}
}

// stagesReachTheirSizes reads what each stage of the plan has created and loaded.
func stagesReachTheirSizes(t *testing.T, d guideRun) {
	there := 0
	for _, n := range []int{10, 50, 200} {
		users := func(test string) int {
			res, err := harness.ReadResult(filepath.Join(d.dir, "artifacts", strconv.Itoa(n), test, "result.json"))
			require.NoError(t, err)
			return res.Scenarios[0].Users
		}
		there += users("TestCreateWorkspaces")
		assert.Equal(t, n, there, "workspaces of the deployment at stage %d", n)
		assert.Equal(t, n, users("TestTerminals"), "terminals of stage %d", n)
	}
	d.nothingIsLeft(t)
}

// theCampaignIsDone reads the phases of the example, and looks for the plan before it.
func theCampaignIsDone(t *testing.T, d guideRun) {
	states := func(path ...string) (all []string) {
		var rec campaign.Record
		b, err := os.ReadFile(filepath.Join(append([]string{d.dir, "results"}, path...)...))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &rec))
		assert.Equal(t, harness.Pass, rec.Verdict)
		for _, p := range rec.Phases {
			all = append(all, p.Name+" "+string(p.State))
		}
		return all
	}
	assert.Equal(t, []string{
		"prepare done", "cleanup-before done", "create pass", "baseline done", "terminal pass", "baseline done", "dashboard pass", "report done", "cleanup done",
	}, states("phases.json"))
	earlier, err := filepath.Glob(filepath.Join(d.dir, "results", "archive", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, earlier)
	assert.Contains(t, states("archive", filepath.Base(earlier[0]), "phases.json"), "create done", "the first one is the plan")
	d.nothingIsLeft(t)
}

// allShardsAreMerged reads what both ways have made of three shards.
func allShardsAreMerged(t *testing.T, d guideRun) {
	for _, path := range []string{"collected/TestTerminals/result.json", "whole.json"} {
		res, err := harness.ReadResult(filepath.Join(d.dir, path))
		require.NoError(t, err)
		require.Len(t, res.Shards, 3, path)
		for _, s := range res.Shards {
			assert.False(t, s.Partial, "%s: %s", path, s.Shard)
		}
		assert.EqualValues(t, res.Scenarios[0].Users, res.Scenarios[0].Ready, path)
	}
}

func (d guideRun) nothingIsLeft(t *testing.T) {
	t.Helper()
	left, err := d.client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	assert.Empty(t, left, "the page ends with a cleanup")
}

// Of a campaign's configuration the times are made short, and the thresholds wide: a
// busy machine must not fail the guide.
var (
	lasting  = regexp.MustCompile(`"\d+m"`)
	inConfig = regexp.MustCompile(`: p\(99\)<\d+ms(")`)
)

// guided runs a script of the guide in a folder that looks like a clone.
func (d guideRun) guided(t *testing.T, tests, command, script string) (string, error) {
	t.Helper()
	templates, err := d.client.Templates(t.Context())
	require.NoError(t, err)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	for _, name := range []string{"deploy", "scenario", "docs"} {
		require.NoError(t, os.Symlink(filepath.Join(root, name), filepath.Join(d.dir, name)))
	}
	script = strings.NewReplacer(
		"https://coder.example.com", d.URL(), "=coder.example.com", "=127.0.0.1", "CODER_SCALETEST_TEMPLATE=scaletest-small", "CODER_SCALETEST_TEMPLATE="+templates[0].Name,
		`"scaletest-small"`, strconv.Quote(templates[0].Name), "date -u -d '1 minute'", "date -u -d '35 seconds'",
	).Replace(script)
	script = inConfig.ReplaceAllString(lasting.ReplaceAllString(script, `"1s"`), ": p(99)<10m$1")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = d.dir
	played, err := filepath.Abs("testdata/played")
	require.NoError(t, err)
	guide, err := os.Executable()
	require.NoError(t, err)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CODER_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+played+":"+os.Getenv("PATH"), "HOME="+d.dir, "XDG_CACHE_HOME="+filepath.Join(d.dir, ".cache"),
		"PLAYED_GUIDE="+guide, "PLAYED_TESTS="+tests, "PLAYED_SCALETEST="+command, "PLAYED_TOKEN="+d.OwnerToken(), "PLAYED_KUBECTL="+real("kubectl"))
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// real is where a program is, or "".
func real(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	inCode = regexp.MustCompile(`%[a-z+.0-9]*[sdvq]`)
)

// TestSymptomsAreInTheWordsOfTheProgram looks for what the page on troubleshooting
// quotes in the source.
func TestSymptomsAreInTheWordsOfTheProgram(t *testing.T) {
	text, err := os.ReadFile("troubleshooting.md")
	require.NoError(t, err)
	var source strings.Builder
	for _, dir := range []string{"..", "../harness", "../coder", "../runners", "../runners/cleanup", "../internal/collector"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			source.Write(inCode.ReplaceAll(b, []byte("…")))
		}
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 {
			continue
		}
		for _, q := range quoted.FindAllStringSubmatch(cells[0], -1) {
			if q[1] == "invalid" || q[1] == "cannot assign requested address" { // a verdict, and the system's words
				continue
			}
			found++
			for piece := range strings.SplitSeq(q[1], "…") {
				piece = strings.TrimSpace(regexp.MustCompile(`\d+/\d+`).ReplaceAllString(piece, "…"))
				assert.Contains(t, source.String(), piece, "in %q", q[1])
			}
		}
	}
	assert.Greater(t, found, 5)
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

func TestLinksOfTheGuideLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, l := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			_, err := os.Stat(l[1])
			assert.NoError(t, err, "in %s", page)
			if l[2] != "" {
				target, err := os.ReadFile(l[1])
				require.NoError(t, err)
				assert.Contains(t, anchors(string(target)), strings.TrimPrefix(l[2], "#"), "in %s", page)
			}
		}
	}
}

// anchors are those that a page's headings make.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			name := strings.ToLower(strings.TrimSpace(heading))
			name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
			all = append(all, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return all
}
