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
// # Targets
//
// Targets are in a stable order. With order together, the scenarios of a kind
// that needs workspaces take consecutive slices of them: the first takes its
// share from the beginning, the next from there. In a sequence each takes its
// share from the beginning. A range (START:END) is always counted from the
// beginning.
package scenario
