package scenario_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/scenario"
	"github.com/coderscale/scaletest/traffic"
)

const calls = `calls: [{path: /x}]`

// schedules are all that a file can say, with what the harness then does for ten
// targets.
var schedules = []struct {
	name, text string // a scenario
	want       harness.Schedule
	length     time.Duration // of the file
}{
	{"constant as ever", `{kind: api, duration: 1m, rate: 5, ` + calls + `}`, harness.ConstantArrivals(5, time.Minute, 50), time.Minute},
	{"constant with a longest wait", `{kind: api, duration: 1m, rate: 5, virtual_users: 7, schedule: {max_wait: 2s}, ` + calls + `}`,
		harness.Arrivals{Shape: traffic.Flat{PerSecond: 5}, Duration: time.Minute, VirtualUsers: 7, MaxWait: 2 * time.Second}, time.Minute},
	{"constant commands", `{kind: ssh, ssh_mode: exec, duration: 1m, schedule: {kind: constant_arrivals, rate: 5}}`, harness.ConstantArrivals(5, time.Minute, 10), time.Minute},
	{"ramping", `{kind: api, schedule: {kind: ramping_arrivals, stages: [{to: 2.5, over: 1m}, {hold: 5m}, {over: 1m}]}, ` + calls + `}`,
		harness.RampingArrivals(50, traffic.Stage{To: 2.5, Over: time.Minute}, traffic.Stage{To: 2.5, Over: 5 * time.Minute}, traffic.Stage{To: 0, Over: time.Minute}), 7 * time.Minute},
	{"ramping that is cut", `{kind: api, duration: 2m, schedule: {kind: ramping_arrivals, stages: [{to: 10}, {hold: 5m}]}, ` + calls + `}`,
		harness.Arrivals{Shape: traffic.Stages{{To: 10}, {To: 10, Over: 5 * time.Minute}}, Duration: 2 * time.Minute, VirtualUsers: 50}, 2 * time.Minute},
	{"stepped", `{kind: build, schedule: {kind: stepped_arrivals, steps: [{rate: 1, for: 1m}, {rate: 2, for: 30s}]}}`,
		harness.SteppedArrivals(10, traffic.Step{PerSecond: 1, For: time.Minute}, traffic.Step{PerSecond: 2, For: 30 * time.Second}), 90 * time.Second},
	{"spike", `{kind: api, duration: 1h, schedule: {kind: spike_arrivals, rate: 1, peak: 50, length: 10s, every: 5m}, ` + calls + `}`,
		harness.SpikeArrivals(traffic.Spikes{Base: 1, Peak: 50, Length: 10 * time.Second, Every: 5 * time.Minute}, time.Hour, 50), time.Hour},
	{"sine", `{kind: api, duration: 1h, schedule: {kind: sine_arrivals, rate: 10, amplitude: 5, period: 5m}, ` + calls + `}`,
		harness.SineArrivals(traffic.Sine{Mean: 10, Amplitude: 5, Period: 5 * time.Minute}, time.Hour, 50), time.Hour},
	{"poisson", `{kind: api, duration: 1h, schedule: {kind: poisson_arrivals, rate: 10, seed: 3}, ` + calls + `}`,
		harness.PoissonArrivals(10, 3, time.Hour, 50), time.Hour},
	{"replay", `{kind: api, warm_up: 1s, schedule: {kind: replay_arrivals, offsets: [0s, 1s, 2500ms]}, ` + calls + `}`,
		harness.ReplayArrivals(traffic.Replay{0, time.Second, 2500 * time.Millisecond}, 50), 2500 * time.Millisecond},
	{"users who ramp", `{kind: terminal, cool_down: 30s, schedule: {kind: ramping_users, stages: [{to: 4, over: 1m}, {hold: 5m}, {to: 100%}, {hold: 1m}, {to: 0, over: 30s}], graceful_ramp_down: 0s, shuffle: 0}}`,
		harness.RampUsers(4, time.Minute).Hold(5*time.Minute).To(10, 0).Hold(time.Minute).To(0, 30*time.Second).GracefulRampDown(0).Shuffled(0), 7*time.Minute + 30*time.Second},
	{"callers who ramp", `{kind: api, schedule: {kind: ramping_users, stages: [{to: 200, over: 1m}]}, ` + calls + `}`, harness.RampUsers(200, time.Minute), time.Minute},
	{"a short ramp", `{kind: dashboard, duration: 5m, ramp_up: 1m, schedule: {shuffle: 3}}`, harness.RampUsers(10, time.Minute).Hold(4 * time.Minute).Shuffled(3), 5 * time.Minute},
	{"shared", `{kind: api, virtual_users: 5, warm_up: 1s, schedule: {kind: shared_iterations, iterations: 100}, ` + calls + `}`, harness.SharedIterations(100, 5), 0},
	{"shared by fewer than there are", `{kind: build, schedule: {kind: shared_iterations, iterations: 3}}`, harness.SharedIterations(3, 3), 0},
	{"of each user", `{kind: ssh, ssh_mode: shell, schedule: {kind: per_user_iterations, iterations: 3, stagger: 1s, shuffle: 5}}`,
		harness.PerUserIterations(3, 10).Staggered(time.Second).Shuffled(5), 0},
	{"staggered", `{kind: watch, duration: 1m, schedule: {stagger: 5s, shuffle: 5}}`, harness.AllAtOnce(10).Hold(time.Minute).Staggered(5 * time.Second).Shuffled(5), time.Minute},
	{"staggered turns", `{kind: app, duration: 1m, concurrency: 2, schedule: {kind: turns, stagger: 5s}}`, harness.AtATime(10, 2).Lasting(time.Minute).Staggered(5 * time.Second), time.Minute},
	{"staggered builds", `{kind: build, concurrency: 2, schedule: {stagger: 5s}}`, harness.AtATime(10, 2).Staggered(5 * time.Second), 0},
	{"callers who go on", `{kind: api, duration: 1m, virtual_users: 3, schedule: {kind: turns}, ` + calls + `}`, harness.AllAtOnce(3).Hold(time.Minute), time.Minute},
}

func TestEveryScheduleOfTheHarnessCanBeSaidInAFile(t *testing.T) {
	s := schema(t)
	for _, tt := range schedules {
		t.Run(tt.name, func(t *testing.T) {
			text := "scenarios: [" + tt.text + "]"
			require.NoError(t, s.Validate(asJSON(t, text)), "the schema refuses it")
			f, err := scenario.Parse([]byte(text))
			require.NoError(t, err)
			require.Equal(t, tt.length, f.Length())
			plan, err := f.Plan(resources(10))
			require.NoError(t, err)
			require.NoError(t, plan.Validate())
			require.Equal(t, tt.want, plan.Scenarios[0].Schedule)

			written, err := yaml.Marshal(f)
			require.NoError(t, err)
			again, err := scenario.Parse(written)
			require.NoError(t, err, string(written))
			require.Equal(t, f, again, "what a program writes is read as it was")
			require.NoError(t, s.Validate(asJSON(t, string(written))), string(written))
			written, err = json.Marshal(f)
			require.NoError(t, err)
			again, err = scenario.Parse(written)
			require.NoError(t, err, string(written))
			require.Equal(t, f, again, "as JSON too")
			require.NoError(t, s.Validate(asJSON(t, string(written))), string(written))
		})
	}
}

func TestSchedulesThatMakeNoSenseAreRefusedAllAtOnce(t *testing.T) {
	s := schema(t)
	for _, tt := range []struct {
		name, text string // scenarios
		want       []string
		unknown    bool // to the schema, which can't say it
	}{
		{"no such kind", `{kind: watch, duration: 1s, schedule: {kind: bursts}}`, []string{`schedule: the kind is "bursts", want turns, ramping_users`}, false},
		{"no such field", `{kind: watch, duration: 1s, schedule: {users: 3}}`, []string{"field users is not known here"}, false},
		{"arrivals of who stays", `{kind: terminal, duration: 1s, schedule: {kind: poisson_arrivals, rate: 1}}`,
			[]string{"poisson_arrivals start iterations, but users of kind terminal stay for the whole load: want turns or ramping_users"}, false},
		{"arrivals of a held ssh", `{kind: ssh, duration: 1s, schedule: {kind: poisson_arrivals, rate: 1}}`, []string{"users of an ssh of mode echo stay"}, true},
		{"iterations of who stays", `{kind: dashboard, schedule: {kind: shared_iterations, iterations: 3}}`, []string{"shared_iterations start iterations, but users of kind dashboard stay"}, false},
		{"fields of others", `{kind: api, duration: 1s, rate: 1, schedule: {stagger: 1s, shuffle: 1, stages: [{to: 1}], steps: [], iterations: 1, seed: 1}, calls: [{path: /}]}`,
			[]string{"stagger means nothing for constant_arrivals", "shuffle means", "stages means", "iterations means", "seed means"}, false},
		{"two rates", `{kind: api, duration: 1s, rate: 1, schedule: {rate: 2}, calls: [{path: /}]}`, []string{"there is a rate beside that of the schedule: want one of the two"}, true},
		{"a rate elsewhere", `{kind: api, duration: 1s, rate: 1, schedule: {kind: sine_arrivals, period: 1s}, calls: [{path: /}]}`,
			[]string{"rate is that of constant_arrivals, and the schedule is sine_arrivals", "there is no rate, want how many"}, false},
		{"a sine below 0", `{kind: api, duration: 1s, schedule: {kind: sine_arrivals, rate: 1, amplitude: 2}, calls: [{path: /}]}`,
			[]string{"amplitude of the sine is 2, want at most its mean", "period of the sine is 0s"}, false},
		{"a spike without anything", `{kind: api, schedule: {kind: spike_arrivals}, calls: [{path: /}]}`,
			[]string{"there is no duration", "there is no peak", "length of a spike is 0s", "interval between spikes is 0s"}, false},
		{"steps", `{kind: api, schedule: {kind: stepped_arrivals}, calls: [{path: /}]}, {name: b, kind: api, schedule: {kind: stepped_arrivals, steps: [{rate: -1, for: 0s}]}, calls: [{path: /}]}`,
			[]string{"scenario 1 (api): schedule: arrivals: steps: there are none", "scenario 2 (b): schedule: arrivals: step 1 is -1", "duration of step 1 is 0s"}, false},
		{"stages", `{kind: api, schedule: {kind: ramping_arrivals, stages: [{hold: 1s}, {to: 50%, over: 1s}, {hold: 1s, to: 3}]}, calls: [{path: /}]}`,
			[]string{"the first stage holds", "stage 2 goes to 50%, but a rate is a number", "stage 3 has hold besides to and over"}, false},
		{"no stages", `{kind: watch, schedule: {kind: ramping_users}}`, []string{"there are no stages"}, false},
		{"stages without length", `{kind: watch, schedule: {kind: ramping_users, stages: [{to: 3}]}}`, []string{"all stages together last 0s"}, true},
		{"stages without users", `{kind: watch, schedule: {kind: ramping_users, stages: [{to: 0, over: 1s}]}}`, []string{"there is never a user"}, true},
		{"half a user", `{kind: watch, schedule: {kind: ramping_users, stages: [{to: 2.5, over: 1s}]}}`, []string{"stage 1 goes to 2.5 users, want a whole number"}, true},
		{"a share of callers", `{kind: api, schedule: {kind: ramping_users, stages: [{to: 50%, over: 1s}]}, calls: [{path: /}]}`, []string{"callers of an api are no targets"}, true},
		{"nothing to go to", `{kind: watch, schedule: {kind: ramping_users, stages: [{to: -1, over: 1s}]}}`, []string{`"-1" is nothing to go to`}, false},
		{"more than all", `{kind: watch, schedule: {kind: ramping_users, stages: [{to: 101%, over: 1s}]}}`, []string{`"101%" is nothing to go to`}, true},
		{"a duration of iterations", `{kind: api, duration: 1s, virtual_users: 3, cool_down: 1s, schedule: {kind: shared_iterations, iterations: 2}, calls: [{path: /}]}`,
			[]string{"duration means nothing for shared_iterations", "3 users for 2 iterations", "cool_down needs a load whose length is known"}, false},
		{"no iterations", `{kind: api, schedule: {kind: per_user_iterations}, calls: [{path: /}]}`, []string{"the iterations of each user are less than 1"}, false},
		{"a duration of stages", `{kind: watch, duration: 1s, schedule: {kind: ramping_users, stages: [{to: 3, over: 1s}]}}`, []string{"duration means nothing for ramping_users"}, false},
		{"ramp upon ramp", `{kind: ssh, ssh_mode: exec, ramp_up: 1s, concurrency: 3, virtual_users: 3, schedule: {kind: ramping_users, stages: [{to: 3, over: 9s}]}}`,
			[]string{"ramp_up is for users who take turns", "virtual_users means nothing for ramping_users", "concurrency is for"}, true},
		{"ramp and stagger", `{kind: watch, duration: 5s, ramp_up: 1s, schedule: {stagger: 1s}}`, []string{"ramp_up and stagger both say"}, true},
		{"users of turns", `{kind: ssh, duration: 1s, virtual_users: 3}`, []string{"virtual_users means nothing for turns of an ssh of mode echo"}, true},
		{"nothing counts", `{kind: api, warm_up: 1s, schedule: {kind: replay_arrivals, offsets: [0s, 1s]}, calls: [{path: /}]}`, []string{"less than the duration of 1s: nothing would count"}, true},
		{"offsets that go back", `{kind: api, schedule: {kind: replay_arrivals, offsets: [2s, 1s]}, calls: [{path: /}]}`, []string{"instants that never go back"}, true},
		{"no offsets", `{kind: api, schedule: {kind: replay_arrivals}, calls: [{path: /}]}`, []string{"it has no events"}, false},
		{"two recordings", `{kind: api, schedule: {kind: replay_arrivals, offsets: [1s], file: x}, calls: [{path: /}]}`, []string{"there are offsets and a file"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "scenarios: [" + tt.text + "]"
			_, err := scenario.Parse([]byte(text))
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			if !tt.unknown {
				require.Error(t, s.Validate(asJSON(t, text)), "the schema takes it")
			}
		})
	}
}

func TestWhatAProgramSaysIsCheckedAsAFileIs(t *testing.T) {
	minus := scenario.Duration(-1)
	for want, s := range map[string]scenario.Scenario{
		"stage 1 goes to NaN": {Kind: scenario.Watch, Schedule: &scenario.Schedule{Kind: scenario.RampingUsers, Stages: []scenario.Stage{{To: scenario.Level{Number: nan()}, Over: 1}}}},
		"stage 1 goes to -1":  {Kind: scenario.Watch, Schedule: &scenario.Schedule{Kind: scenario.RampingUsers, Stages: []scenario.Stage{{To: scenario.Level{Number: -1}, Over: 1}}}},
		"time of stage 1":     {Kind: scenario.Watch, Schedule: &scenario.Schedule{Kind: scenario.RampingUsers, Stages: []scenario.Stage{{To: scenario.Level{Number: 1}, Over: -1}}}},
		"time to finish":      {Kind: scenario.Watch, Schedule: &scenario.Schedule{Kind: scenario.RampingUsers, GracefulRampDown: &minus, Stages: []scenario.Stage{{To: scenario.Level{Number: 1}, Over: 1}}}},
		"no rate":             {Kind: scenario.API, Duration: 1, Schedule: &scenario.Schedule{Kind: scenario.PoissonArrivals, Rate: nan()}, Calls: []scenario.Call{{Path: "/"}}},
		"longest wait":        {Kind: scenario.API, Duration: 1, Schedule: &scenario.Schedule{Rate: 1, MaxWait: -1}, Calls: []scenario.Call{{Path: "/"}}},
		"virtual_users is -1": {Kind: scenario.API, Duration: 1, Rate: 1, VirtualUsers: -1, Calls: []scenario.Call{{Path: "/"}}},
		"is not read":         {Kind: scenario.API, Schedule: &scenario.Schedule{Kind: scenario.ReplayArrivals, File: "x"}, Calls: []scenario.Call{{Path: "/"}}},
	} {
		require.ErrorContains(t, scenario.File{Scenarios: []scenario.Scenario{s}}.Validate(), want)
	}
}

func TestMoreUsersThanTargetsAreRefusedWhereEachHasOne(t *testing.T) {
	for text, want := range map[string]string{
		`{kind: terminal, schedule: {kind: ramping_users, stages: [{to: 11, over: 1m}]}}`:                     `scenario "terminal": the schedule has 11 users, but there are 10 workspaces`,
		`{kind: dashboard, schedule: {kind: ramping_users, stages: [{to: 11, over: 1m}]}}`:                    `the schedule has 11 users, but there are 10 users`,
		`{kind: build, virtual_users: 11, duration: 1m, schedule: {kind: constant_arrivals, rate: 1}}`:        `the schedule has 11 users, but there are 10 workspaces`,
		`{kind: watch, duration: 5s, schedule: {stagger: 1s}}`:                                                `the last of 10 users would start after 9s, but they are held for 5s`,
		`{kind: terminal, targets: "0:1", schedule: {kind: ramping_users, stages: [{to: 10%, over: 1m}]}}`:    `there is never a user`,
		`{kind: ssh, ssh_mode: exec, virtual_users: 11, schedule: {kind: shared_iterations, iterations: 20}}`: ``,
	} {
		f, err := scenario.Parse([]byte("scenarios: [" + text + "]"))
		require.NoError(t, err)
		plan, err := f.Plan(resources(10))
		if want == "" { // they share workspaces
			require.NoError(t, err, text)
			_, err := plan.Scenarios[0].Runner(10)
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

func TestExamplesAreWhatTheSchemaAndTheDecoderTake(t *testing.T) {
	paths, err := filepath.Glob("examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		require.NoError(t, schema(t).Validate(asJSON(t, text(t, path))), path)
		f, err := scenario.Read(path)
		require.NoError(t, err)
		plan, err := f.Plan(resources(3))
		require.NoError(t, err)
		require.NoError(t, plan.Validate())
	}
}
