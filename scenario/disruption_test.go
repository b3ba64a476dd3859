package scenario_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/scenario"
)

func TestDisruptionsOfAFileAreCommands(t *testing.T) {
	dir := t.TempDir()
	text := `
scenarios: [{kind: watch, duration: 10m, warm_up: 1s, cool_down: 1s, thresholds: ["errors@warm-up: rate<1", "errors@during: rate<0.1 abort after 10s", "watch_event{kind=x}@cool-down: p(99)<1s"]}]
disruptions:
  - {name: one, at: 1m, for: 30s, command: 'echo did >"$DIR/one"', undo_command: 'mv "$DIR/one" "$DIR/undone"', timeout: 5s}
  - {name: two, at: 2m, command: 'echo why; exit 3'}
`
	t.Setenv("DIR", dir)
	require.NoError(t, schema(t).Validate(asJSON(t, text)))
	f, err := scenario.Parse([]byte(text))
	require.NoError(t, err)
	plan, err := f.Plan(resources(2))
	require.NoError(t, err)
	require.NoError(t, plan.Validate())
	require.Len(t, plan.Disruptions, 2)
	one := plan.Disruptions[0]
	require.Equal(t, []any{"one", time.Minute, 30 * time.Second, 5 * time.Second}, []any{one.Name, one.At, one.For, one.Timeout})
	require.NoError(t, one.Do(t.Context()))
	require.FileExists(t, filepath.Join(dir, "one"))
	require.NoError(t, one.Undo(t.Context()))
	require.FileExists(t, filepath.Join(dir, "undone"))
	require.Nil(t, plan.Disruptions[1].Undo, "there is nothing to take back")
	require.ErrorContains(t, plan.Disruptions[1].Do(t.Context()), `it said "why"`)

	thresholds := plan.Scenarios[0].Thresholds
	require.Equal(t, harness.WarmUp, thresholds[0].Phase)
	require.Equal(t, []any{harness.During, true, 10 * time.Second}, []any{thresholds[1].Phase, thresholds[1].Abort, thresholds[1].AbortDelay})
	require.Equal(t, []any{harness.CoolDown, "kind=x"}, []any{thresholds[2].Phase, thresholds[2].Tags})
}

func TestWhatIsWrongWithDisruptionsIsSaidAllAtOnce(t *testing.T) {
	text := `
scenarios: [{kind: watch, duration: 10m, thresholds: ["errors@cool-down: rate<1"]}, {kind: build}]
disruptions:
  - {at: 1m}
  - {name: one, at: 2m, for: 1m, command: "true"}
  - {name: one, at: 2m30s, command: "true"}
  - {name: Three, at: 1m, command: "true"}
`
	_, err := scenario.Parse([]byte(text))
	for _, want := range []string{
		`disruption 1 (): the name is ""`, "disruption 1 (): there is no command",
		"disruption 2 (one): for is 1m0s, but there is no undo_command that ends it",
		"disruption 3 (one): another one has this name", "disruption 3 (one): it begins while one lasts",
		`disruption 4 (Three): the name is "Three"`, "disruption 4 (Three): it is before one",
		`scenario 1 (watch): threshold "errors@cool-down: rate<1": the scenario has no cool_down`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.Error(t, schema(t).Validate(asJSON(t, text)))

	_, err = scenario.Parse([]byte(`scenarios: [{kind: watch, duration: 10m, thresholds: ["errors@during: rate<1"]}]`))
	require.ErrorContains(t, err, "the file has no disruptions")
	require.ErrorContains(t, scenario.File{Disruptions: []scenario.Disruption{{Name: "x", Command: "true", At: -1}}}.Validate(), "disruption 1 (x): at, for or timeout is negative")
}

func TestADisruptionAfterTheLoadIsRefusedWhereThatIsKnown(t *testing.T) {
	for text, over := range map[string]bool{
		`baseline: 5m
scenarios: [{kind: watch, start_after: 1m, duration: 2m}]
disruptions: [{name: x, at: 3m, command: "true"}]`: true,
		`baseline: 5m
scenarios: [{kind: watch, start_after: 1m, duration: 2m}]
disruptions: [{name: x, at: 2m59s, command: "true"}]`: false,
		`scenarios: [{kind: build}, {kind: watch, duration: 2m}]
disruptions: [{name: x, at: 3m, command: "true"}]`: false,
		`scenarios: [{kind: app, duration: 1m, concurrency: 1}]
disruptions: [{name: x, at: 3m, command: "true"}]`: false,
		`scenarios: [{kind: watch, schedule: {kind: ramping_users, stages: [{to: 1, over: 1m}, {hold: 1m}]}}]
disruptions: [{name: x, at: 2m, command: "true"}]`: true,
	} {
		f, err := scenario.Parse([]byte(text))
		if over {
			require.ErrorContains(t, err, "disruption 1 (x): it begins after", text)
			continue
		}
		require.NoError(t, err, text)
		plan, err := f.Plan(resources(5))
		require.NoError(t, err)
		require.NoError(t, plan.Validate(), text)
	}
}

func TestCommandsOfAFileRunOnlyWithTheLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	f, err := scenario.Parse([]byte(`
scenarios: [{kind: watch, duration: 1m}]
disruptions: [{name: x, command: 'touch ` + path + `'}]`))
	require.NoError(t, err)
	_, err = f.Plan(resources(1))
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}
