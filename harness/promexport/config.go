package promexport

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"

	"github.com/coderscale/scaletest/internal/progress"
)

// Config configures an [Exporter]. The zero value is useful.
type Config struct {
	// Name of the run, for people. It is empty by default.
	Name string

	// Namespace is what the names of metrics begin with. "" means "scaletest".
	Namespace string

	// Buckets are the upper bounds of classic buckets, in seconds, rising. Nil
	// means [DefaultBuckets]; an empty slice leaves classic buckets out, for those
	// whose Prometheus takes native histograms.
	Buckets []float64

	// Durations are further metrics of durations, under names that somebody's
	// dashboards know.
	Durations []Duration

	// Counters are further metrics of counters, the same.
	Counters []Counter

	// MaxNames is how many actions of a scenario's setup, actions of its load, and
	// counters have series of their own: the first by which a scrape finds them.
	// The rest is summed up under the name "other". It also bounds disruptions,
	// of which the rest is left out. 0 means [DefaultMaxNames].
	MaxNames int

	// NoProcess leaves go_* and process_* out, for a process that shows them
	// elsewhere.
	NoProcess bool
}

// Duration is a metric of the durations of some actions, and one of their
// errors, both labelled with scenario and action.
type Duration struct {
	// Name is the metric's, without the namespace, such as "login_seconds".
	Name, Help string

	// Actions are the values of the label "action", by the action's name.
	Actions map[string]string

	// Service takes service times instead of response times.
	Service bool

	// Errors is the name of a counter of the errors, without the namespace, such
	// as "login_errors_total". "" is none.
	Errors, ErrorsHelp string
}

// Counter is a metric of a counter, labelled with the scenario.
type Counter struct {
	// Name is the metric's, without the namespace, such as "bytes_read_total".
	Name, Help string

	// Counter is the counter's name.
	Counter string
}

// DefaultBuckets are bounds from 100 µs, an echo on one machine, to ten minutes,
// the build of a workspace.
var DefaultBuckets = slices.Clone(progress.Buckets)

// DefaultMaxNames is more than all runners of this module have together, and
// keeps a scenario below 10,000 series, whatever names are made up.
const DefaultMaxNames = progress.DefaultMaxNames

var metricName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Validate reports everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	used := maps.Clone(builtin)
	name := func(what, name, help string) {
		switch {
		case !metricName.MatchString(name):
			errs = append(errs, fmt.Errorf("%s is named %q, want lower-case letters, digits and '_'", what, name))
		case used[name]:
			errs = append(errs, fmt.Errorf("two metrics are named %q", name))
		case help == "":
			errs = append(errs, fmt.Errorf("%s %q has no Help", what, name))
		}
		used[name] = true
	}
	if c.Namespace != "" && !metricName.MatchString(c.Namespace) {
		errs = append(errs, fmt.Errorf("the Namespace is %q, want lower-case letters, digits and '_'", c.Namespace))
	}
	for i, b := range c.Buckets {
		if math.IsNaN(b) || math.IsInf(b, 0) || b <= 0 || i > 0 && b <= c.Buckets[i-1] {
			errs = append(errs, fmt.Errorf("the bound Buckets[%d] is %v, want finite numbers of more than 0 that rise", i, b))
		}
	}
	if c.MaxNames < 0 {
		errs = append(errs, fmt.Errorf("MaxNames is %d, want 0 (%d) or more", c.MaxNames, DefaultMaxNames))
	}
	for _, d := range c.Durations {
		name("a duration", d.Name, d.Help)
		if d.Errors != "" {
			name("a counter of errors", d.Errors, d.ErrorsHelp)
		}
		values := slices.Sorted(maps.Values(d.Actions))
		switch {
		case len(values) == 0:
			errs = append(errs, fmt.Errorf("the duration %q has no Actions", d.Name))
		case len(slices.Compact(values)) < len(d.Actions):
			errs = append(errs, fmt.Errorf("the duration %q has two actions with the same label", d.Name))
		}
	}
	for _, n := range c.Counters {
		name("a counter", n.Name, n.Help)
		if n.Counter == "" {
			errs = append(errs, fmt.Errorf("the counter %q is made of no Counter", n.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("configure the Prometheus exporter: %w", err)
	}
	return nil
}

// builtin are the names that the exporter has itself.
var builtin = map[string]bool{
	"run_info": true, "users": true, "users_ready": true, "iterations_started_total": true,
	"iterations_total": true, "iteration_seconds": true, "iterations_dropped_total": true,
	"setup_failures_total": true, "stuck_total": true, "action_seconds": true, "action_service_seconds": true,
	"action_errors_total": true, "lag_seconds": true, "bytes_intended_total": true, "bytes_achieved_total": true,
	"events_intended_total": true, "events_dropped_total": true, "counted_total": true,
	"phase": true, "disruption": true,
	"connections": true, "connections_lost_total": true, "connections_restored_total": true,
}
