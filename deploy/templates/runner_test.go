package templates_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// odd is a configuration that a shell could take for something else.
const odd = `{"comment":"it's \"$HOME\" ` + "`id`" + ` $(id) \\ \nCONFIG\n"}`

// runnerScript is that which the agent of the runner runs at its start, with a program
// that says what it was given.
func runnerScript(t *testing.T, folder, program string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "scaletest"), []byte("#!/bin/sh\n"+program), 0o755))
	found := heredoc.FindStringSubmatch(read(t, "scaletest-runner", "main.tf"))
	require.NotNil(t, found, "main.tf has no script that begins with <<-SH")
	text := strings.ReplaceAll("\n"+found[1], "\n    ", "\n") // as Terraform takes the indentation away
	text = strings.NewReplacer(
		"${local.programs}", folder, "${local.results}", folder+"/results", "${local.config}", folder+"/results/campaign.json",
		"${local.page}", "8080", "${local.campaign}", odd, "sleep 2", "sleep 0.2",
	).Replace(text)
	require.NotContains(t, text, "${", "the script has something that this test does not know")
	return strings.TrimPrefix(text, "\n")
}

func TestTheScriptOfTheRunnerHandsOverTheConfigurationAsItIs(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh, which every workspace has")
	}
	dir := t.TempDir()
	text := runnerScript(t, dir, `echo "$@"; echo $$ >"`+dir+`/pid"; exec sleep 60`)
	out, err := exec.CommandContext(t.Context(), sh, "-c", text).CombinedOutput()
	require.NoError(t, err, string(out))
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, dir, "pid")))
	require.NoError(t, err)
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, process.Kill(), "the campaign did not outlive the script")
	require.Equal(t, odd+"\n", read(t, dir, "results", "campaign.json"))
	require.Equal(t, "campaign -listen 127.0.0.1:8080 "+dir+"/results/campaign.json\n", string(out))
}

func TestTheScriptOfTheRunnerFailsAndSaysWhyWhenTheCampaignDoes(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh, which every workspace has")
	}
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), sh, "-c", runnerScript(t, dir, "echo the token is refused; exit 1")).CombinedOutput()
	require.Error(t, err, "the agent would say that all is well")
	require.Contains(t, string(out), "the token is refused")
}
