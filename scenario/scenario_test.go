package scenario_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(scenario.Schema))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	return s
}

// asJSON is what an editor holds against the schema.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	b, err := json.Marshal(v)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	require.NoError(t, err)
	return doc
}

const good = `
name: nightly
order: sequence
baseline: 5m
max_failures: 2
create:
  workspaces: 100
  template: small
  concurrency: 10
  parameters: {size: large}
scenarios:
  - {name: terminals, kind: terminal, duration: 30m, bytes_per_tick: 4KiB, tick_interval: 100ms, thresholds: ["echo: p(99)<250ms"]}
  - {kind: ssh, duration: 30m, ssh_mode: terminal, targets: 50%}
  - {kind: app, duration: 1m30s, app: wsdi, targets: "25%:50%"}
  - {kind: api, duration: 1m, rate: 50, calls: [{path: "/api/v2/workspaces/{workspace}", weight: 2}]}
  - {kind: build, build: stop, targets: "0:10"}
  - {kind: watch, duration: 1m, start_after: 10s}
  - {kind: dashboard, duration: 1m, interval: 5s, jitter: 1s}
`

func TestAFileSaysWhatAProgramSays(t *testing.T) {
	f, err := scenario.Parse([]byte(good))
	require.NoError(t, err)
	minute := scenario.Duration(time.Minute)
	require.Equal(t, scenario.File{
		Name: "nightly", Order: scenario.Sequence, Baseline: 5 * minute, MaxFailures: 2,
		Create: &scenario.Create{Workspaces: 100, Template: "small", Concurrency: 10, Parameters: map[string]string{"size": "large"}},
		Scenarios: []scenario.Scenario{
			{Name: "terminals", Kind: scenario.Terminal, Duration: 30 * minute, BytesPerTick: 4096, TickInterval: scenario.Duration(100 * time.Millisecond), Thresholds: []string{"echo: p(99)<250ms"}},
			{Kind: scenario.SSH, Duration: 30 * minute, SSHMode: "terminal", Targets: scenario.Targets{Share: 50}},
			{Kind: scenario.App, Duration: minute * 3 / 2, App: "wsdi", Targets: scenario.Targets{Range: runners.Range{Start: 25, End: 50, Percent: true}}},
			{Kind: scenario.API, Duration: minute, Rate: 50, Calls: []scenario.Call{{Path: "/api/v2/workspaces/{workspace}", Weight: 2}}},
			{Kind: scenario.Build, Build: "stop", Targets: scenario.Targets{Range: runners.Range{End: 10}}},
			{Kind: scenario.Watch, Duration: minute, StartAfter: scenario.Duration(10 * time.Second)},
			{Kind: scenario.Dashboard, Duration: minute, Interval: scenario.Duration(5 * time.Second), Jitter: scenario.Duration(time.Second)},
		},
	}, f)
	require.Equal(t, 7*5*time.Minute+65*time.Minute-30*time.Second+10*time.Second, f.Length())

	// What a program writes is read as it was.
	text, err := yaml.Marshal(f)
	require.NoError(t, err)
	again, err := scenario.Parse(text)
	require.NoError(t, err, string(text))
	require.Equal(t, f, again)
	require.NoError(t, schema(t).Validate(asJSON(t, good)))
}

func TestWhatIsWrongWithAFileIsSaidAllAtOnce(t *testing.T) {
	s := schema(t)
	for _, tt := range []struct {
		name, text string
		want       []string
		unknown    bool // to the schema, which can't say it
	}{
		{"empty", "", []string{"it is empty"}, true},
		{"two documents", "scenarios: [{kind: build}]\n---\nscenarios: [{kind: build}]\n", []string{"more than one document"}, true},
		{"no scenarios", "name: x\n", []string{"there are no scenarios"}, false},
		{"unknown key", "scenarios: [{kind: build, colour: red}]\n", []string{"line 1: field colour is not known here"}, false},
		{"bad duration", "scenarios: [{kind: watch, duration: soon}]\n", []string{`"soon" is no duration`}, false},
		{"bad bytes", "scenarios: [{kind: ssh, duration: 1s, bytes_per_tick: 4KB}]\n", []string{`"4KB" is no number of bytes`}, false},
		{"bad targets", "scenarios: [{kind: ssh, duration: 1s, targets: all}]\n", []string{`targets are "all"`}, false},
		{"share of nothing", "scenarios: [{kind: ssh, duration: 1s, targets: 0%}]\n", []string{`want a share from 0% to 100%`}, true},
		{"bad order", "order: random\nscenarios: [{kind: build}]\n", []string{`order is "random", want together or sequence`}, false},
		{"staggered sequence", "order: sequence\nstagger: 1m\nscenarios: [{kind: build}]\n", []string{"stagger is for order together"}, true},
		{"everything", `
create: {workspaces: 0, retries: -1}
scenarios:
  - {kind: teleport}
  - {kind: api, duration: 1s, ssh_mode: echo}
  - {kind: watch}
  - {kind: watch, duration: 1s, thresholds: ["x"]}
  - {kind: dashboard, duration: 1s, interval: 1s, jitter: 1s}
`, []string{
			"create: workspaces is 0", "create: a number is negative", `scenario 1 (teleport): the kind is "teleport"`,
			"scenario 2 (api): ssh_mode means nothing for kind api", "scenario 2 (api): there is no rate", "scenario 2 (api): there are no calls",
			"scenario 3 (watch): there is no duration", `two scenarios are named "watch"`, `scenario 4 (watch): threshold "x"`,
			"scenario 5 (dashboard): jitter is 1s, want less than the interval of 1s",
		}, false},
		{"turns that never end", "scenarios: [{kind: app, app: wsra, duration: 1s, concurrency: 2}, {kind: watch, duration: 1s, concurrency: 2}]\n",
			[]string{"want none with app wsra", "scenario 2 (watch): concurrency means nothing for kind watch"}, true},
		{"parts that leave nothing", "scenarios: [{kind: ssh, duration: 1m, ramp_up: 1m, warm_up: 40s, cool_down: 20s}, {name: b, kind: ssh, duration: 1m, concurrency: 2, ramp_up: 1s}, {kind: build, warm_up: 1s}, {kind: api, duration: 1m, ramp_up: 1s}]\n",
			[]string{"ramp_up is 1m", "nothing would count", "scenario 2 (b): ramp_up and cool_down are for targets", "warm_up means nothing for kind build", "ramp_up means nothing for kind api"}, true},
		{"too much together", "scenarios: [{kind: ssh, duration: 1s, targets: 60%}, {kind: app, duration: 1s, targets: 50%}]\n", []string{"add up to more than 100%"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := scenario.Parse([]byte(tt.text))
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "yaml:")
			if !tt.unknown {
				require.Error(t, s.Validate(asJSON(t, tt.text)))
			}
		})
	}
	_, err := scenario.Read("no/such/file.yaml")
	require.ErrorContains(t, err, "read the scenario file: open no/such/file.yaml")
}

func resources(n int) scenario.Resources {
	var r scenario.Resources
	for range n {
		r.Workspaces = append(r.Workspaces, runners.Workspace{Client: &coder.Client{}, ID: uuid.New(), Agent: coder.Agent{ID: uuid.New()}})
		r.People = append(r.People, runners.Person{Client: &coder.Client{}, User: coder.User{ID: uuid.New()}})
	}
	r.Dialer = runners.TCP{}
	return r
}

func TestScenariosThatRunTogetherTakeConsecutiveSlices(t *testing.T) {
	f, err := scenario.Parse([]byte(`
stagger: 3m
scenarios:
  - {kind: ssh, duration: 1m, targets: 50%}
  - {kind: app, duration: 1m, targets: 25%}
  - {kind: watch, duration: 1m, targets: 25%}
`))
	require.NoError(t, err)
	plan, err := f.Plan(resources(101))
	require.NoError(t, err)
	users := []int{}
	for _, s := range plan.Scenarios {
		users = append(users, s.Schedule.Users())
	}
	require.Equal(t, []int{51, 25, 25}, users)
	require.Equal(t, 3*time.Minute, plan.Stagger)
	require.NoError(t, plan.Validate())

	f.Order, f.Stagger = scenario.Sequence, 0
	plan, err = f.Plan(resources(101))
	require.NoError(t, err)
	users = users[:0]
	for _, s := range plan.Scenarios {
		users = append(users, s.Schedule.Users())
	}
	require.Equal(t, []int{51, 25, 25}, users, "each from the beginning")
}

func TestTargetsTakeTurnsWhenTheyAreAskedTo(t *testing.T) {
	f, err := scenario.Parse([]byte(`scenarios: [{kind: terminal, duration: 1m, concurrency: 2}]`))
	require.NoError(t, err)
	plan, err := f.Plan(resources(5))
	require.NoError(t, err)
	require.Equal(t, "5 users, 2 at a time", plan.Scenarios[0].Schedule.String())
	require.Equal(t, 3*time.Minute, plan.Length())
}

func TestUsersComeOneAfterTheOtherAndTheEndsDoNotCountWhenAskedTo(t *testing.T) {
	const text = `scenarios: [
  {kind: terminal, duration: 10m, ramp_up: 1m, warm_up: 2m, cool_down: 30s},
  {kind: dashboard, duration: 10m, ramp_up: 1m},
]`
	require.NoError(t, schema(t).Validate(asJSON(t, text)))
	f, err := scenario.Parse([]byte(text))
	require.NoError(t, err)
	plan, err := f.Plan(resources(5))
	require.NoError(t, err)
	require.NoError(t, plan.Validate())
	for _, s := range plan.Scenarios {
		require.Equal(t, "users: 0 to 5 over 1m0s, then 5 for 9m0s", s.Schedule.String())
	}
	require.Equal(t, 10*time.Minute, plan.Length(), "as long as without")
	require.Equal(t, 2*time.Minute, plan.Scenarios[0].WarmUp)
	require.Equal(t, 30*time.Second, plan.Scenarios[0].CoolDown)
}

func TestTargetsThatAreNotThereAreAnError(t *testing.T) {
	f, err := scenario.Parse([]byte(`scenarios: [{kind: ssh, duration: 1m, targets: "0:10"}, {name: none, kind: app, duration: 1m, targets: 1%}]`))
	require.NoError(t, err)
	_, err = f.Plan(resources(5))
	require.ErrorContains(t, err, `scenario "ssh": targets are 0:10: it goes to 10, but there are only 5 workspaces`)
	require.ErrorContains(t, err, `scenario "none": targets are 0%:1%, which is none of the 5 workspaces`)
}

func TestAFileSaysWhatItNeeds(t *testing.T) {
	f, err := scenario.Parse([]byte(good))
	require.NoError(t, err)
	workspaces, anyState, people, dialer := f.Needs()
	require.Equal(t, []bool{true, true, true, true}, []bool{workspaces, anyState, people, dialer})
	f, err = scenario.Parse([]byte(`scenarios: [{kind: api, duration: 1s, rate: 1, calls: [{path: /}]}]`))
	require.NoError(t, err)
	workspaces, anyState, people, dialer = f.Needs()
	require.Equal(t, []bool{false, false, true, false}, []bool{workspaces, anyState, people, dialer})
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("scenarios: [{kind: ssh, duration: 1s, targets: 50%}]")
	f.Add("scenarios: [{kind: watch, duration: 1m}]\ndisruptions: [{name: x, at: 1s, for: 1s, command: a, undo_command: b}]")
	for _, s := range schedules {
		f.Add("scenarios: [" + s.text + "]")
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := scenario.Parse([]byte(text))
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an error without words")
			}
			return
		}
		_, _ = file.Plan(resources(7))
	})
}
