package campaign_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/campaign"
	"github.com/coderscale/scaletest/scenario"
)

func read(t *testing.T, text string) (campaign.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "campaign.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return campaign.ReadConfig(path)
}

func TestAConfigurationThatIsWrongIsRefusedWithAllThatIsWrong(t *testing.T) {
	_, err := read(t, `{"url": "ftp://x", "grafana": "https://me:s3cret@x", "webhook": "http://", "results": "", "workspaces": -1,
		"create": {"retries": -1}, "cleanup": {"strategy": "never"}, "greedy": "g", "side_by_side": true, "loads": [{"kind": "build"}, {"kind": "ssh", "percentage": 101}, {"kind": "ssh"}]}`)
	for _, want := range []string{
		"results is not set", "binary is not set", "template is not set", "url is no address", "grafana is no address: it has a user or a password", "webhook is no address",
		"workspaces is -1, want 0 or more", "create.retries is -1", `cleanup.strategy is "never", want always, on_stop, on_success or on_error`,
		"greedy is for loads one after the other", `load 1: the kind is "build"`, "load 2 (ssh): percentage is 101", "load 3: there is another ssh",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "s3cret")
}

func TestWhatAScenarioFileCanNotSayIsRefusedBeforeAnythingIsCreated(t *testing.T) {
	for name, c := range map[string]struct{ json, want string }{
		"no duration":        {`"loads": [{"kind": "ssh"}]`, "duration"},
		"more than all":      {`"side_by_side": true, "loads": [{"kind": "ssh", "duration": "1m", "percentage": 60}, {"kind": "terminal", "duration": "1m", "percentage": 60}]`, "add up to more than 100%"},
		"turns of a reader":  {`"job_concurrency": 2, "loads": [{"kind": "app", "app": "wsra", "duration": "1m"}]`, "concurrency is for loads that are sent"},
		"a broken threshold": {`"loads": [{"kind": "ssh", "duration": "1m", "thresholds": ["fast"]}]`, `threshold "fast"`},
		"no loads":           {`"loads": []`, "there are no loads"},
		"greedy as the rest": {`"greedy": "small", "loads": [{"kind": "ssh", "duration": "1m"}]`, "want one of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, `{"results": "r", "binary": "b", "template": "small", "workspaces": 1, `+c.json+`}`)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFileThatIsNoConfigurationIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "EOF",
		`{"workspace": 1}`:   `unknown field "workspace"`,
		`{} {}`:              "more behind the first object",
		`{"baseline": "5"}`:  `"5" is no duration`,
		`{"workspaces": ""}`: "cannot unmarshal string",
	} {
		_, err := read(t, text)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "is no configuration of a campaign")
	}
	_, err := campaign.ReadConfig(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorContains(t, err, "read the configuration of the campaign: ")
}

// templateFolder is that of the workspace template that makes configurations.
const templateFolder = "../../deploy/templates/scaletest-runner"

// TestWhatTheTemplateRendersIsAConfiguration reads what its tests, which Terraform runs,
// hold to what it renders.
func TestWhatTheTemplateRendersIsAConfiguration(t *testing.T) {
	cfg, err := campaign.ReadConfig(filepath.Join(templateFolder, "tests", "defaults.json"))
	require.NoError(t, err)
	minutes := func(n int) scenario.Duration { return scenario.Duration(n) * 60 * second }
	require.Equal(t, campaign.Config{
		Name: "runner", URL: "https://coder.example.com", Results: "/home/coder/scaletest/results", Binary: "/opt/scaletest/scaletest.test",
		DryRun: true, Template: "small", Workspaces: 100,
		Create:   campaign.Create{Concurrency: 10, Retries: 5},
		Cleanup:  campaign.Cleanup{Before: true, Strategy: campaign.Always, Concurrency: 10},
		Baseline: minutes(5), Stagger: minutes(3),
		Loads: []campaign.Load{
			{Kind: scenario.SSH, Duration: minutes(30), Percentage: 100, BytesPerTick: 1024, TickInterval: second / 10},
			{Kind: scenario.Terminal, Duration: minutes(30), Percentage: 100, BytesPerTick: 1024, TickInterval: second / 10},
			{Kind: scenario.App, Duration: minutes(30), Percentage: 100, BytesPerTick: 1024, TickInterval: second / 10, App: "wsec"},
			{Kind: scenario.Dashboard, Duration: minutes(30), Percentage: 100},
		},
	}, cfg)

	full, err := campaign.ReadConfig(filepath.Join(templateFolder, "tests", "changed.json"))
	require.NoError(t, err)
	require.Equal(t, "greedy-ones", full.Greedy)
	require.Equal(t, campaign.OnStop, full.Cleanup.Strategy)
	b, err := json.Marshal(full)
	require.NoError(t, err)
	again, err := read(t, string(b))
	require.NoError(t, err)
	require.Equal(t, full, again)
}
