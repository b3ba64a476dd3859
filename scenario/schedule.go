package scenario

import "time"

// ScheduleKind is how users come, or iterations start.
type ScheduleKind string

// The kinds of [Schedule]. Turns and RampingUsers suit all kinds of load. The
// others start iterations, which an api, a build, and an ssh of mode exec, shell
// or bulk have: whoever uses anything else stays for the whole load.
const (
	// Turns lets the users come at once, or Concurrency of them at a time, and
	// stay for the duration. A build is done once by each.
	Turns ScheduleKind = "turns"
	// RampingUsers lets users come and leave by Stages.
	RampingUsers ScheduleKind = "ramping_users"
	// SharedIterations lets the users share a number of Iterations.
	SharedIterations ScheduleKind = "shared_iterations"
	// PerUserIterations lets each user run a number of Iterations.
	PerUserIterations ScheduleKind = "per_user_iterations"
	// ConstantArrivals start iterations at a Rate.
	ConstantArrivals ScheduleKind = "constant_arrivals"
	// RampingArrivals change the rate linearly by Stages.
	RampingArrivals ScheduleKind = "ramping_arrivals"
	// SteppedArrivals hold one rate after the other, by Steps.
	SteppedArrivals ScheduleKind = "stepped_arrivals"
	// SpikeArrivals have a Rate, and a Peak for Length in the middle of Every.
	SpikeArrivals ScheduleKind = "spike_arrivals"
	// SineArrivals swing around a Rate by Amplitude, with a Period.
	SineArrivals ScheduleKind = "sine_arrivals"
	// PoissonArrivals come at random, at a Rate on average.
	PoissonArrivals ScheduleKind = "poisson_arrivals"
	// ReplayArrivals start iterations at recorded Offsets.
	ReplayArrivals ScheduleKind = "replay_arrivals"
)

// Schedule is when users come, or iterations start. Each kind has some of the
// fields; one that means nothing for it is an error. Those of package harness say
// the formulas.
//
//	kind: api
//	virtual_users: 100
//	schedule:
//	  kind: ramping_arrivals
//	  stages: [{to: 50, over: 1m}, {hold: 10m}, {to: 0, over: 1m}]
//	  max_wait: 5s
//
// Constant, spike, sine and poisson arrivals come for the scenario's duration. The
// others of the arrivals end by themselves: a duration cuts them, and may be left
// out. RampingUsers and iterations have no duration.
//
// Arrivals and iterations are those of VirtualUsers. 0 means 50 for an api, whose
// users need not be as many people, and for an ssh or a build as many as targets.
// There may be more for an ssh, who then share workspaces.
type Schedule struct {
	// Kind is the kind. Empty is constant_arrivals for an api, whose rate may then
	// be the scenario's, and turns for all others.
	Kind ScheduleKind `yaml:"kind,omitempty" json:"kind,omitempty"`

	// Rate is iterations in a second: those of constant arrivals, between spikes,
	// and the mean of sine and poisson.
	Rate float64 `yaml:"rate,omitempty" json:"rate,omitempty"`

	// Peak is the rate in a spike, Length how long one lasts, and Every how much
	// time is from one to the next.
	Peak   float64  `yaml:"peak,omitempty" json:"peak,omitempty"`
	Length Duration `yaml:"length,omitempty" json:"length,omitempty"`
	Every  Duration `yaml:"every,omitempty" json:"every,omitempty"`

	// Amplitude is how far a sine's rate swings, at most Rate, within Period.
	Amplitude float64  `yaml:"amplitude,omitempty" json:"amplitude,omitempty"`
	Period    Duration `yaml:"period,omitempty" json:"period,omitempty"`

	// Seed decides the instants of poisson arrivals. 0 is one as well.
	Seed uint64 `yaml:"seed,omitempty" json:"seed,omitempty"`

	// Stages change the number of users, or the rate, one after the other,
	// beginning at 0.
	Stages []Stage `yaml:"stages,omitempty" json:"stages,omitempty"`

	// Steps are rates one after the other.
	Steps []Step `yaml:"steps,omitempty" json:"steps,omitempty"`

	// Offsets are instants since the load's beginning that never go back. File is
	// the path of a file with one a line instead (see traffic.ReadReplay), relative
	// to the scenario file: [Read] reads it into Offsets.
	Offsets []Duration `yaml:"offsets,omitempty" json:"offsets,omitempty"`
	File    string     `yaml:"file,omitempty" json:"file,omitempty"`

	// MaxWait drops an arrival that has waited longer for a free user. 0 drops
	// none.
	MaxWait Duration `yaml:"max_wait,omitempty" json:"max_wait,omitempty"`

	// Iterations is how many there are in all (shared_iterations) or for each user
	// (per_user_iterations).
	Iterations int `yaml:"iterations,omitempty" json:"iterations,omitempty"`

	// Stagger starts each user so much later than the one before. 0 is at once.
	Stagger Duration `yaml:"stagger,omitempty" json:"stagger,omitempty"`

	// Shuffle is the seed of a random order in which the users come. Nil is their
	// own.
	Shuffle *uint64 `yaml:"shuffle,omitempty" json:"shuffle,omitempty"`

	// GracefulRampDown is how long a user who is to leave may go on with what it
	// does. Nil means 30 s.
	GracefulRampDown *Duration `yaml:"graceful_ramp_down,omitempty" json:"graceful_ramp_down,omitempty"`
}

// Stage is a change to another number of users, or rate, or a time of rest.
type Stage struct {
	// To is what there is at its end: "200" or "50%" of the targets; for arrivals a
	// rate. Over is how long the change takes: 0 is a jump.
	To   Level    `yaml:"to,omitempty" json:"to,omitzero"`
	Over Duration `yaml:"over,omitempty" json:"over,omitempty"`

	// Hold keeps what there is for so long. It is instead of To and Over.
	Hold Duration `yaml:"hold,omitempty" json:"hold,omitempty"`
}

// Step is a rate for a time.
type Step struct {
	Rate float64  `yaml:"rate" json:"rate"`
	For  Duration `yaml:"for" json:"for"`
}

// schedule is the scenario's with its kind, also where the file has none.
func (s Scenario) schedule() Schedule {
	var of Schedule
	if s.Schedule != nil {
		of = *s.Schedule
	}
	if of.Kind == "" {
		of.Kind = Turns
		if s.Kind == API {
			of.Kind = ConstantArrivals
		}
	}
	if of.Kind == ConstantArrivals && of.Rate == 0 {
		of.Rate = s.Rate
	}
	return of
}

// arrives reports whether the schedule starts iterations by the clock.
func (k ScheduleKind) arrives() bool {
	switch k {
	case ConstantArrivals, RampingArrivals, SteppedArrivals, SpikeArrivals, SineArrivals, PoissonArrivals, ReplayArrivals:
		return true
	}
	return false
}

// counts reports whether the schedule is a number of iterations.
func (k ScheduleKind) counts() bool { return k == SharedIterations || k == PerUserIterations }

// byItself reports whether the schedule says how long it lasts.
func (k ScheduleKind) byItself() bool {
	switch k {
	case RampingUsers, RampingArrivals, SteppedArrivals, ReplayArrivals:
		return true
	}
	return false
}

// length is how long the load takes, and 0 where that depends on how long its
// iterations take. What takes turns is there for the duration, each.
func (s Scenario) length() time.Duration {
	of := s.schedule()
	if of.Kind.counts() {
		return 0
	}
	if s.Duration > 0 || !of.Kind.byItself() {
		return time.Duration(s.Duration)
	}
	var d Duration
	for _, st := range of.Stages {
		d += st.Over + st.Hold
	}
	for _, st := range of.Steps {
		d += st.For
	}
	if n := len(of.Offsets); n > 0 {
		d = of.Offsets[n-1]
	}
	return time.Duration(d)
}

// stays reports whether users of the kind are there for the whole load, so that
// it has no iterations to start.
func (s Scenario) stays() bool {
	switch s.Kind {
	case API, Build:
		return false
	case SSH:
		return s.SSHMode == "" || s.SSHMode == "echo" || s.SSHMode == "terminal"
	}
	return true
}
