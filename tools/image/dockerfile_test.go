package image_test

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/tools/image"
)

const (
	root       = "../.."
	dockerfile = root + "/deploy/kubernetes/Dockerfile"
)

func TestTheDockerfileKeepsTheRules(t *testing.T) {
	text, err := os.ReadFile(dockerfile)
	require.NoError(t, err)
	faults, err := image.Check(text, root)
	require.NoError(t, err)
	require.Empty(t, faults)
}

func TestEachFaultOfADockerfileIsFoundAndNamed(t *testing.T) {
	text, err := os.ReadFile(dockerfile)
	require.NoError(t, err)
	const tag = "golang:1.26.8-trixie"
	for _, c := range []struct{ old, new, says string }{
		{tag, "golang:latest", "FROM golang:latest: want a tag that says the whole version"},
		{tag, "golang", "FROM golang: want a tag"},
		{tag, "golang:1.26-trixie", "FROM golang:1.26-trixie: want a tag"},
		{tag, "golang:1.25.3-trixie", "golang:1.25.3-trixie: go.mod says go 1.26"},
		{"FROM scratch", "FROM gcr.io/distroless/static:nonroot", "FROM gcr.io/distroless/static:nonroot: want a tag"},
		{"COPY go.mod go.sum ./", "COPY go.mod gone.sum ./", "COPY gone.sum: it is not in the tree"},
		{"COPY . .", "ADD https://example.com/x.tar /", "ADD: want COPY"},
		{"--from=build /image/", "--from=builder /image/", "COPY --from=builder: there is no such stage above"},
		{"make image-binaries", "make binaries", "RUN make binaries: the Makefile has no such target"},
		{"make image-binaries OUT=/image", "go build -o /image ./cmd/...", "want a target of the Makefile"},
		{"USER 65532:65532", "USER nonroot", `USER "nonroot": want a number that is not 0`},
		{"USER 65532:65532", "USER 0", `USER "0": want a number that is not 0`},
		{"USER 65532:65532\n", "", `USER "": want a number that is not 0`},
		{`ENTRYPOINT ["/scaletest.test"]`, "ENTRYPOINT /scaletest.test", "ENTRYPOINT /scaletest.test: there is no shell in the image"},
		{`ENTRYPOINT ["/scaletest.test"]`, "", "there is no ENTRYPOINT"},
		{"ENV HOME=/tmp", "ENV CODER_URL=https://coder.example.com", "ENV CODER_URL: what is for one deployment is no part of the image"},
		{"AS build", "AS Build", "StageNameCasing"},
		{" AS build", " as build", "FromAsCasing"},
	} {
		require.Contains(t, string(text), c.old)
		faults, err := image.Check([]byte(strings.Replace(string(text), c.old, c.new, 1)), root)
		require.NoError(t, err)
		require.Contains(t, strings.Join(faults, "\n"), c.says)
	}
	_, err = image.Check([]byte("FROM scratch\nCOPPY a b\n"), root)
	require.ErrorContains(t, err, "COPPY")
}

// TestTheProgramsOfTheImageNeedNothingElse builds them as the Dockerfile does, and runs
// them where there is nothing, as in the image.
func TestTheProgramsOfTheImageNeedNothingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs, which takes half a minute the first time")
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "make", "-s", "image-binaries", "OUT="+dir)
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	programs, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	commands, err := filepath.Glob(root + "/cmd/*/main.go")
	require.NoError(t, err)
	require.Len(t, programs, len(commands)+1, "one for each folder of cmd, and the tests")
	for _, p := range programs {
		info, err := os.Stat(p)
		require.NoError(t, err)
		t.Logf("%-16s%5.1f MB", filepath.Base(p), float64(info.Size())/1e6)
		static(t, p)
	}
	list := exec.CommandContext(t.Context(), dir+"/scaletest.test", "-test.list", "^Test(Terminals|SSH|Scenario)$")
	list.Dir, list.Env = t.TempDir(), []string{}
	out, err = list.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "TestTerminals\nTestSSH\nTestScenario\n", string(out))

	run := exec.CommandContext(t.Context(), dir+"/scaletest.test", "-test.run=^TestTerminals$", "-test.v")
	run.Dir = t.TempDir()
	run.Env = []string{"HOME=" + run.Dir, "TMPDIR=" + run.Dir, "CODER_SCALETEST_DURATION=1s", "CODER_SCALETEST_TARGET_WORKSPACES=0:5"}
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "verdict     PASS")
}

// static holds a program to being one file: no interpreter, no libraries, no paths of
// the machine that built it.
func static(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries, path)
	for _, p := range f.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "%s has an interpreter", path)
	}
	require.Nil(t, f.Section(".debug_info"), "%s has what only a debugger reads", path)
	info, err := buildinfo.ReadFile(path)
	require.NoError(t, err)
	for _, s := range info.Settings {
		if s.Key == "-trimpath" {
			require.Equal(t, "true", s.Value)
			return
		}
	}
	t.Errorf("%s was not built with -trimpath", path)
}

// TestTheImageIsBuiltAndRuns needs an engine, and the network.
func TestTheImageIsBuiltAndRuns(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "docker", "info").CombinedOutput(); err != nil {
		t.Skipf("there is no engine: docker info says %s", bytes.TrimSpace(out[max(0, len(out)-200):]))
	}
	const tag = "scaletest:of-the-tests"
	build := exec.CommandContext(t.Context(), "docker", "build", "-f", dockerfile, "-t", tag, root)
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	defer exec.Command("docker", "rmi", tag).Run()
	run := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
		"-e", "CODER_SCALETEST_DURATION=1s", "-e", "CODER_SCALETEST_TARGET_WORKSPACES=0:5", tag)
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "verdict     PASS")
	out, err = exec.CommandContext(t.Context(), "docker", "run", "--rm", "--entrypoint", "/scaletest", tag, "version").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
