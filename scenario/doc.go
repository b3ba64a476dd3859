// Package scenario says what a load test does as data: which kinds of load, on
// which share of the targets, for how long, together or one after the other. A
// file says it in YAML, a program as a [File]; both mean the same.
//
//	name: nightly
//	order: sequence
//	baseline: 5m
//	create:
//	  workspaces: 100
//	  template: small
//	  concurrency: 10
//	scenarios:
//	  - name: terminals
//	    kind: terminal
//	    duration: 30m
//	    bytes_per_tick: 1KiB
//	    tick_interval: 100ms
//	    thresholds:
//	      - "echo: p(99)<250ms"
//	  - name: apps
//	    kind: app
//	    app: wsec
//	    targets: 50%
//	    duration: 30m
//
// The names are those of the parameters of Coder's scaletest-runner template.
// [Schema] is a JSON Schema of the format, for editors.
//
// A complete one is in examples/complete.yaml.
//
// # Schedules
//
// A kind of load without a schedule has its usual one: an api calls at a constant
// rate; the users of all others come at once, or as ramp_up and concurrency say, and
// stay for the duration. Otherwise a [Schedule] says when users come, or when
// iterations start:
//
//	schedule: {kind: ramping_users, stages: [{to: 100%, over: 1m}, {hold: 10m}, {to: 0, over: 1m}]}
//	schedule: {kind: spike_arrivals, rate: 5, peak: 100, length: 10s, every: 5m}
//	schedule: {kind: replay_arrivals, file: monday.txt}
//	schedule: {kind: shared_iterations, iterations: 1000}
//	schedule: {stagger: 100ms, shuffle: 7}
//
// Arrivals and numbers of iterations are for an api, a build, and an ssh of mode
// exec, shell or bulk. Users of anything else stay for the whole load, and can only
// come and leave.
//
// # Disruptions
//
// A [Disruption] is a command that does something to what is tested in mid-load,
// and one that takes it back. Thresholds may then be about the phases before, during
// and after:
//
//	thresholds: ["errors@during: rate<5%", "echo@after: p(99)<250ms"]
//	disruptions:
//	  - {name: lose-replica, at: 10m, for: 1m, command: ./scale 2, undo_command: ./scale 3}
//
// # Targets
//
// Targets are in a stable order. With order together, the scenarios of a kind
// that needs workspaces take consecutive slices of them: the first takes its
// share from the beginning, the next from there. In a sequence each takes its
// share from the beginning. A range (START:END) is always counted from the
// beginning.
package scenario
