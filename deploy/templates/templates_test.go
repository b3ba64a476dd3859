// Package templates_test holds the workspace templates to each other and to the code
// that knows them. What they do is tested by Terraform, in their folders.
package templates_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/internal/trafficapps"
	"github.com/coderscale/scaletest/runners"
)

var update = flag.Bool("update", false, "copy what all sizes have in common from kubernetes-minimal to the others")

// sizes are those of Coder's public guide to load tests.
var sizes = map[string]struct {
	cpu, memory string
	usage       bool
	greedy      int
}{
	"kubernetes-minimal":       {"1", "2Gi", false, 0},
	"kubernetes-small":         {"1", "1Gi", true, 0},
	"kubernetes-medium":        {"2", "2Gi", true, 0},
	"kubernetes-medium-greedy": {"2", "2Gi", true, agentfleet.Greedy.Items},
	"kubernetes-large":         {"4", "4Gi", true, 0},
}

// own are the files that a size has for itself.
var own = []string{"README.md", "size.tf", filepath.Join("tests", "size.tftest.hcl")}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

// files are those of a template, but for what Terraform leaves behind.
func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".terraform":
			return filepath.SkipDir
		case d.IsDir() || d.Name() == ".terraform.lock.hcl":
			return nil
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, name)
		return err
	}))
	return names
}

func folders(t *testing.T) (names []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("*", "main.tf"))
	require.NoError(t, err)
	for _, path := range all {
		names = append(names, filepath.Dir(path))
	}
	require.NotEmpty(t, names)
	return names
}

func TestASizeDiffersFromTheOthersInItsSizeOnly(t *testing.T) {
	const first = "kubernetes-minimal"
	common := slices.DeleteFunc(files(t, first), func(name string) bool { return slices.Contains(own, name) })
	require.NotEmpty(t, common)
	for name, size := range sizes {
		for _, file := range common {
			want := read(t, first, file)
			if *update {
				require.NoError(t, os.WriteFile(filepath.Join(name, file), []byte(want), 0o600))
			}
			assert.Equal(t, want, read(t, name, file), "%s/%s is not that of %s: change it there and run this test with -update", name, file, first)
		}
		assert.ElementsMatch(t, slices.Concat(common, own), files(t, name), "%s has other files than %s", name, first)

		want := strings.NewReplacer(
			`cpu    = "1"`, fmt.Sprintf("cpu    = %q", size.cpu), `memory = "2Gi"`, fmt.Sprintf("memory = %q", size.memory),
			"usage = false", "usage = "+strconv.FormatBool(size.usage), "greedy_items = 0", "greedy_items = "+strconv.Itoa(size.greedy),
		).Replace(read(t, first, "size.tf"))
		assert.Equal(t, want, read(t, name, "size.tf"), name)
	}
	for _, name := range folders(t) {
		if strings.HasPrefix(name, "kubernetes-") {
			assert.Contains(t, sizes, name, "there is a template whose size nobody knows")
		}
	}
}

var providerVersion = regexp.MustCompile(`(?s)source  = "([^"]+)"\s+version = "([^"]+)"`)

func TestNoTemplateTakesTheNextMajorVersionOfAProviderByItself(t *testing.T) {
	for _, name := range folders(t) {
		found := providerVersion.FindAllStringSubmatch(read(t, name, "main.tf"), -1)
		require.NotEmpty(t, found, name)
		for _, m := range found {
			assert.Regexp(t, `^~> \d+\.\d+$|, < \d+\.0$`, m[2], "%s takes any later %s", name, m[1])
		}
	}
}

var appLine = regexp.MustCompile(`(?m)^ +(\w+) = \{ name = "[^"]+", port = (\d+) \}$`)

func TestTheAppsOfTemplatesAreThoseOfTheHelperAndOfTheRunners(t *testing.T) {
	want := map[string]string{}
	var slugs []runners.AppMode
	for _, app := range trafficapps.All() {
		want[app.Slug] = strconv.Itoa(int(app.Port))
		slugs = append(slugs, runners.AppMode(app.Slug))
	}
	assert.ElementsMatch(t, []runners.AppMode{runners.AppEchoMode, runners.AppReadMode, runners.AppDiscardMode}, slugs)
	seen := 0
	for _, name := range folders(t) {
		main := read(t, name, "main.tf")
		if !strings.Contains(main, `resource "coder_app"`) {
			continue
		}
		seen++
		got := map[string]string{}
		for _, m := range appLine.FindAllStringSubmatch(main, -1) {
			got[m[1]] = m[2]
		}
		assert.Equal(t, want, got, name)
	}
	assert.Greater(t, seen, len(sizes), "not every template has the apps")
}

func TestMetadataOfTheGreedySizeIsThatOfGreedyAgents(t *testing.T) {
	main := read(t, "kubernetes-medium-greedy", "main.tf")
	assert.Contains(t, main, "-greedy-item\"\n      interval     = 1\n")
	assert.InDelta(t, 1, agentfleet.Greedy.Interval.Seconds(), 0)
	assert.Equal(t, 4096, agentfleet.Greedy.Bytes)
}

func TestEveryTemplateSaysWhatItIs(t *testing.T) {
	about := read(t, "README.md")
	for _, name := range folders(t) {
		readme := read(t, name, "README.md")
		assert.Regexp(t, `^---\ndisplay_name: .+\ndescription: .+\ntags: \[.+\]\n---\n\n# `, readme, name)
		assert.Contains(t, about, "("+name+")", "README.md has no link to %s", name)
	}
	for name, size := range sizes {
		words := fmt.Sprintf("%s vCPU and %s GiB", size.cpu, strings.TrimSuffix(size.memory, "Gi"))
		assert.Contains(t, read(t, name, "README.md"), words, name)
		assert.Regexp(t, regexp.MustCompile(`\(`+name+`\) .*\| `+size.cpu+` / `+strings.TrimSuffix(size.memory, "Gi")+` `), about, "README.md says another size of %s", name)
	}
}

// program builds the helper.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scaletest-apps")
	text, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/scaletest-apps").CombinedOutput()
	require.NoError(t, err, string(text))
	return path
}

var heredoc = regexp.MustCompile(`(?s)script +=\s+<<-SH\n(.*?)\n  SH\n`)

// script is that which the agent runs at its start, as Terraform makes it.
func script(t *testing.T, program, log, pid string, ports []string) string {
	t.Helper()
	found := heredoc.FindStringSubmatch(read(t, "kubernetes-minimal", "main.tf"))
	require.NotNil(t, found, "main.tf has no script that begins with <<-SH")
	text := strings.NewReplacer(
		"${local.program}", program, "${local.ports}", strings.Join(ports, " "), "${var.random_rate}", "1000",
		"/tmp/scaletest-apps.log", log, "</dev/null &", "</dev/null & echo $! >"+pid, "-wait 30s", "-wait 60s",
	).Replace(found[1])
	require.NotContains(t, text, "${", "the script has something that this test does not know")
	require.Contains(t, text, pid, "the script starts nothing that goes on behind it")
	return text
}

func TestTheScriptOfTheAgentEndsAndTheAppsGoOn(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh, which every workspace has")
	}
	dir := t.TempDir()
	log, pid := filepath.Join(dir, "log"), filepath.Join(dir, "pid")
	var ports []string
	for _, app := range trafficapps.All() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		require.NoError(t, l.Close())
		ports = append(ports, "-"+app.Slug, port)
	}
	helper := program(t)
	cmd := exec.CommandContext(t.Context(), sh, "-c", script(t, helper, log, pid, ports))
	var out bytes.Buffer // a pipe, which would stay open if the apps had it, too
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), out.String())
	t.Cleanup(func() {
		n, err := strconv.Atoi(strings.TrimSpace(read(t, pid)))
		require.NoError(t, err)
		apps, err := os.FindProcess(n)
		require.NoError(t, err)
		require.NoError(t, apps.Kill(), "the apps did not outlive the script")
	})
	require.Contains(t, out.String(), "serving wsec at 127.0.0.1:"+ports[1])
	text, err := exec.CommandContext(t.Context(), helper, append(slices.Clone(ports), "-wait", "60s")...).CombinedOutput()
	require.NoError(t, err, string(text))
}

func TestTheScriptOfTheAgentFailsAndSaysWhyWhenTheAppsDo(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh, which every workspace has")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // which answers nothing
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	dir := t.TempDir()
	text := script(t, program(t), filepath.Join(dir, "log"), filepath.Join(dir, "pid"), []string{"-wsec", port, "-wsra", "0", "-wsdi", "0"})
	text = strings.Replace(text, "-wait 60s", "-wait 500ms", 1)
	out, err := exec.CommandContext(t.Context(), sh, "-c", text).CombinedOutput()
	require.Error(t, err, "the agent would say that it is ready")
	require.Contains(t, string(out), "app wsec is not there after 500ms")
	require.Contains(t, string(out), "address already in use")
}
