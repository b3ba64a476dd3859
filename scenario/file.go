package scenario

import "time"

// File is a load test as data.
type File struct {
	// Name is for people.
	Name string `yaml:"name,omitempty" json:"name,omitempty"`

	// Order is together (the default) or sequence.
	Order Order `yaml:"order,omitempty" json:"order,omitempty"`

	// Stagger is how much later each scenario begins than the one before it. For
	// order together.
	Stagger Duration `yaml:"stagger,omitempty" json:"stagger,omitempty"`

	// Baseline is a quiet time before the first scenario and, in a sequence,
	// between them.
	Baseline Duration `yaml:"baseline,omitempty" json:"baseline,omitempty"`

	// MaxFailures is how many failed runs are still a pass.
	MaxFailures int `yaml:"max_failures,omitempty" json:"max_failures,omitempty"`

	// Create makes workspaces before, which are then the targets (and their
	// owners those of a dashboard), and deletes them afterwards. Nil takes those
	// that are there.
	Create *Create `yaml:"create,omitempty" json:"create,omitempty"`

	// Scenarios are the kinds of load.
	Scenarios []Scenario `yaml:"scenarios" json:"scenarios"`

	// Disruptions are done to what is tested while the load is on, in this order
	// and one at a time.
	Disruptions []Disruption `yaml:"disruptions,omitempty" json:"disruptions,omitempty"`
}

// Order says whether scenarios run side by side.
type Order string

// The orders. Empty is [Together].
const (
	Together Order = "together"
	Sequence Order = "sequence"
)

// Create says which workspaces are made before the load.
type Create struct {
	// Workspaces is how many there are to be, each with a user of its own.
	Workspaces int `yaml:"workspaces" json:"workspaces"`

	// Template is a name or an ID. Empty is that of the environment, or the only
	// one that there is.
	Template string `yaml:"template,omitempty" json:"template,omitempty"`

	// Parameters are values for the template's rich parameters.
	Parameters map[string]string `yaml:"parameters,omitempty" json:"parameters,omitempty"`

	// Concurrency is how many are made at a time. 0 means 1, as for the
	// variable of Coder's utility that is left out.
	Concurrency int `yaml:"concurrency,omitempty" json:"concurrency,omitempty"`

	// CleanupConcurrency is how many are deleted at a time. 0 means Concurrency.
	CleanupConcurrency int `yaml:"cleanup_concurrency,omitempty" json:"cleanup_concurrency,omitempty"`

	// Retries is how often a workspace is built again after a failure.
	Retries int `yaml:"retries,omitempty" json:"retries,omitempty"`

	// MaxFailures is how many of them may fail.
	MaxFailures int `yaml:"max_failures,omitempty" json:"max_failures,omitempty"`

	// Keep leaves them at the end.
	Keep bool `yaml:"keep,omitempty" json:"keep,omitempty"`
}

// Kind is a kind of load.
type Kind string

// The kinds, each a runner of package runners.
const (
	Terminal  Kind = "terminal"
	SSH       Kind = "ssh"
	App       Kind = "app"
	Dashboard Kind = "dashboard"
	API       Kind = "api"
	Build     Kind = "build"
	Watch     Kind = "watch"
)

// Scenario is one kind of load.
type Scenario struct {
	// Name tells scenarios apart: lower-case letters, digits, '_' and '-'. Empty
	// is the kind.
	Name string `yaml:"name,omitempty" json:"name,omitempty"`

	// Kind is what is done.
	Kind Kind `yaml:"kind" json:"kind"`

	// Duration is how long. It is required, except where a [Schedule] says how long
	// it lasts, and for builds, which take as long as they take.
	Duration Duration `yaml:"duration,omitempty" json:"duration,omitempty"`

	// StartAfter delays it.
	StartAfter Duration `yaml:"start_after,omitempty" json:"start_after,omitempty"`

	// RampUp lets the users of a terminal, ssh, app, dashboard or watch come one
	// after the other, in the first part of the duration. 0 means all at once.
	RampUp Duration `yaml:"ramp_up,omitempty" json:"ramp_up,omitempty"`

	// WarmUp and CoolDown are the first and the last part of the duration that do
	// not count. They are for all kinds; for a build only if it has a schedule.
	WarmUp   Duration `yaml:"warm_up,omitempty" json:"warm_up,omitempty"`
	CoolDown Duration `yaml:"cool_down,omitempty" json:"cool_down,omitempty"`

	// Targets are a share ("50%") or a range ("0:100", "25%:50%") of the
	// workspaces or, for a dashboard, of the users. Empty is all.
	Targets Targets `yaml:"targets,omitempty" json:"targets,omitzero"`

	// BytesPerTick and TickInterval are the load of a terminal, ssh or app. 0
	// means 1 KiB every 100 ms.
	BytesPerTick Bytes    `yaml:"bytes_per_tick,omitempty" json:"bytes_per_tick,omitempty"`
	TickInterval Duration `yaml:"tick_interval,omitempty" json:"tick_interval,omitempty"`

	// Concurrency lets so many of the targets of a terminal, ssh or app have their
	// load at a time, each for the duration, one after the other. 0 means all at
	// once. Apps that are only read (wsra) can't take turns. Of a build it is how
	// many are done at a time.
	Concurrency int `yaml:"concurrency,omitempty" json:"concurrency,omitempty"`

	// App is the slug of an app. Empty is wsec. AppMode is what is done with it:
	// wsec, wsra, wsdi or http; empty goes by the slug.
	App     string `yaml:"app,omitempty" json:"app,omitempty"`
	AppMode string `yaml:"app_mode,omitempty" json:"app_mode,omitempty"`

	// SSHMode is echo (the default), terminal, exec, shell or bulk.
	SSHMode string `yaml:"ssh_mode,omitempty" json:"ssh_mode,omitempty"`

	// Build is start, stop, restart (the default) or update.
	Build string `yaml:"build,omitempty" json:"build,omitempty"`

	// Interval and Jitter are the think time of a dashboard. 0 means 10 s, and
	// half of the interval more or less.
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitempty"`
	Jitter   Duration `yaml:"jitter,omitempty" json:"jitter,omitempty"`

	// Schedule is when users come, or iterations start. Nil is a constant Rate for
	// an api; for a build all targets once; and for all others users who come at
	// once, by RampUp or by Concurrency, and stay for the duration.
	Schedule *Schedule `yaml:"schedule,omitempty" json:"schedule,omitempty"`

	// Rate is how many calls are made to the api in a second, by VirtualUsers
	// who each make one at a time (0 means 50). Calls are the mix. VirtualUsers are
	// also those of a [Schedule] of another kind.
	Rate         float64 `yaml:"rate,omitempty" json:"rate,omitempty"`
	VirtualUsers int     `yaml:"virtual_users,omitempty" json:"virtual_users,omitempty"`
	Calls        []Call  `yaml:"calls,omitempty" json:"calls,omitempty"`

	// Thresholds decide between pass and fail, as in "echo: p(99)<250ms".
	Thresholds []string `yaml:"thresholds,omitempty" json:"thresholds,omitempty"`
}

// Call is one kind of call to the API.
type Call struct {
	Name   string  `yaml:"name,omitempty" json:"name,omitempty"`
	Method string  `yaml:"method,omitempty" json:"method,omitempty"`
	Path   string  `yaml:"path" json:"path"`
	Body   string  `yaml:"body,omitempty" json:"body,omitempty"`
	Weight float64 `yaml:"weight,omitempty" json:"weight,omitempty"`
	Status int     `yaml:"status,omitempty" json:"status,omitempty"`
}

// name is the scenario's name.
func (s Scenario) name() string {
	if s.Name == "" {
		return string(s.Kind)
	}
	return s.Name
}

// Length is how long the load takes, as far as the file says.
func (f File) Length() time.Duration {
	var longest, sum time.Duration
	for i, s := range f.Scenarios {
		d := time.Duration(f.Baseline+s.StartAfter) + s.length()
		if f.Order != Sequence {
			d += time.Duration(i) * time.Duration(f.Stagger)
		}
		longest, sum = max(longest, d), sum+d
	}
	if f.Order == Sequence {
		return sum
	}
	return longest
}
