package scenario

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// scheduleFields are the fields that kinds of schedule have.
var scheduleFields = map[ScheduleKind][]string{
	Turns:             {"stagger", "shuffle"},
	RampingUsers:      {"stages", "graceful_ramp_down", "shuffle"},
	SharedIterations:  {"iterations"},
	PerUserIterations: {"iterations", "stagger", "shuffle"},
	ConstantArrivals:  {"rate", "max_wait"},
	RampingArrivals:   {"stages", "max_wait"},
	SteppedArrivals:   {"steps", "max_wait"},
	SpikeArrivals:     {"rate", "peak", "length", "every", "max_wait"},
	SineArrivals:      {"rate", "amplitude", "period", "max_wait"},
	PoissonArrivals:   {"rate", "seed", "max_wait"},
	ReplayArrivals:    {"offsets", "file", "max_wait"},
}

// scheduleKinds are those names, as errors list them.
const scheduleKinds = "turns, ramping_users, shared_iterations, per_user_iterations, or constant, ramping, stepped, spike, sine, poisson or replay with _arrivals"

// field is one that a file may set.
type field struct {
	name  string
	given bool
}

func (of Schedule) given() []field {
	return []field{
		{"rate", of.Rate != 0}, {"peak", of.Peak != 0}, {"length", of.Length != 0}, {"every", of.Every != 0},
		{"amplitude", of.Amplitude != 0}, {"period", of.Period != 0}, {"seed", of.Seed != 0},
		{"stages", len(of.Stages) > 0}, {"steps", len(of.Steps) > 0}, {"offsets", len(of.Offsets) > 0}, {"file", of.File != ""},
		{"max_wait", of.MaxWait != 0}, {"iterations", of.Iterations != 0}, {"stagger", of.Stagger != 0},
		{"shuffle", of.Shuffle != nil}, {"graceful_ramp_down", of.GracefulRampDown != nil},
	}
}

// validateSchedule reports everything that is wrong with when the load comes.
func (s Scenario) validateSchedule() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	of := s.schedule()
	fields, known := scheduleFields[of.Kind]
	if !known {
		add("schedule: the kind is %q, want %s", of.Kind, scheduleKinds)
		return errors.Join(errs...)
	}
	if s.Schedule != nil {
		for _, f := range s.Schedule.given() {
			if f.given && !slices.Contains(fields, f.name) {
				add("schedule: %s means nothing for %s", f.name, of.Kind)
			}
		}
	}
	if s.stays() && (of.Kind.arrives() || of.Kind.counts()) {
		add("schedule: %s start iterations, but users of %s stay for the whole load: want turns or ramping_users", of.Kind, s.what())
	}
	errs = append(errs, s.validateBeside(of))
	switch {
	case of.Kind == ConstantArrivals && s.Rate != 0 && s.Schedule != nil && s.Schedule.Rate != 0:
		add("there is a rate beside that of the schedule: want one of the two")
	case s.Rate != 0 && of.Kind != ConstantArrivals:
		add("rate is that of constant_arrivals, and the schedule is %s: want it in the schedule, if that has one", of.Kind)
	}
	switch of.Kind {
	case Turns:
	case RampingUsers:
		errs = append(errs, s.validateStages(of.Stages))
	case RampingArrivals:
		errs = append(errs, s.validateStages(of.Stages), of.check(s))
	case ConstantArrivals, PoissonArrivals, SineArrivals:
		if !(of.Rate > 0) {
			add("there is no rate, want how many there are in a second")
			break
		}
		errs = append(errs, of.check(s))
	case SpikeArrivals:
		if !(of.Peak > 0) {
			add("schedule: there is no peak, want the rate in a spike")
		}
		errs = append(errs, of.check(s))
	case ReplayArrivals:
		switch {
		case of.File != "" && len(of.Offsets) > 0:
			add("schedule: there are offsets and a file with others: want one of the two")
		case of.File != "":
			add("schedule: the file %s is not read: only a scenario file that is read from disk has others beside itself; give the offsets, or use Read", of.File)
		default:
			errs = append(errs, of.check(s))
		}
	default:
		errs = append(errs, of.check(s))
	}
	return errors.Join(errs...)
}

// validateBeside reports what of the scenario does not go with the schedule.
func (s Scenario) validateBeside(of Schedule) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case of.Kind.counts() && s.Duration != 0:
		add("duration means nothing for %s: they take as long as they take", of.Kind)
	case of.Kind == RampingUsers && s.Duration != 0:
		add("duration means nothing for ramping_users: the stages say how long")
	case s.Duration < 0 || s.Duration == 0 && !of.Kind.byItself() && !of.Kind.counts() && !(s.Kind == Build && of.Kind == Turns):
		add("there is no duration, want one such as 30m")
	}
	if of.Kind != Turns && s.RampUp != 0 {
		add("ramp_up is for users who take turns, and the schedule is %s: want none", of.Kind)
	}
	if s.RampUp > 0 && of.Stagger > 0 {
		add("ramp_up and stagger both say how users come one after the other: want one of the two")
	}
	if of.Kind != Turns && s.Concurrency != 0 {
		add("concurrency is for users who take turns, and the schedule is %s: want none", of.Kind)
	}
	switch {
	case s.VirtualUsers < 0:
		add("virtual_users is %d, want 0 (the default) or more", s.VirtualUsers)
	case s.VirtualUsers == 0:
	case of.Kind == RampingUsers:
		add("virtual_users means nothing for ramping_users: the stages say how many")
	case s.Kind != API && of.Kind == Turns:
		add("virtual_users means nothing for turns of %s: each target has one", s.what())
	}
	return errors.Join(errs...)
}

// validateStages reports what is wrong with stages that package harness can't
// know, and for users all of it.
func (s Scenario) validateStages(stages []Stage) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	users := s.schedule().Kind == RampingUsers
	for i, st := range stages {
		n := i + 1
		switch {
		case st.Hold != 0 && (st.Over != 0 || st.To != Level{}):
			add("schedule: stage %d has hold besides to and over: want one stage for each", n)
		case st.Hold != 0 && i == 0:
			add("schedule: the first stage holds, and there is nothing yet: want to and over")
		case st.Over < 0 || st.Hold < 0:
			add("schedule: a time of stage %d is negative", n)
		}
		switch {
		case math.IsNaN(st.To.Number) || st.To.Number < 0 || st.To.Number > maxLevel || st.To.Percent && st.To.Number > 100:
			add("schedule: stage %d goes to %v, want a number of 0 or more, or a share up to 100%%", n, st.To)
		case st.To.Percent && !users:
			add("schedule: stage %d goes to %v, but a rate is a number, not a share of the targets", n, st.To)
		case st.To.Percent && s.Kind == API:
			add("schedule: stage %d goes to %v, but callers of an api are no targets: want a number of users", n, st.To)
		case users && !st.To.Percent && st.To.Number != math.Trunc(st.To.Number):
			add("schedule: stage %d goes to %v users, want a whole number", n, st.To)
		}
	}
	if len(errs) == 0 && users {
		if of := s.schedule(); len(stages) == 0 {
			add("schedule: there are no stages")
		} else if err := of.ramping(manyTargets).Validate(); err != nil {
			add("schedule: %w", err)
		}
	}
	return errors.Join(errs...)
}

// manyTargets are more than any share of them could round down to none.
const manyTargets = 1_000_000

// check asks package harness, with stand-ins for what is not known here or is
// found wrong elsewhere.
func (of Schedule) check(s Scenario) error {
	if of.Kind.arrives() {
		if s.Duration <= 0 && !of.Kind.byItself() {
			s.Duration = Duration(time.Second)
		}
		s.VirtualUsers = max(s.VirtualUsers, 1)
		if s.validateStages(of.Stages) != nil {
			return nil // it is said there
		}
	}
	if err := s.timed(manyTargets).Validate(); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return nil
}

// shape is that of arrivals.
func (of Schedule) shape() traffic.Shape {
	switch of.Kind {
	case RampingArrivals:
		stages, at := make(traffic.Stages, len(of.Stages)), 0.0
		for i, st := range of.Stages {
			if st.Hold == 0 {
				at = st.To.Number
			}
			stages[i] = traffic.Stage{To: at, Over: time.Duration(st.Over + st.Hold)}
		}
		return stages
	case SteppedArrivals:
		steps := make(traffic.Steps, len(of.Steps))
		for i, st := range of.Steps {
			steps[i] = traffic.Step{PerSecond: st.Rate, For: time.Duration(st.For)}
		}
		return steps
	case SpikeArrivals:
		return traffic.Spikes{Base: of.Rate, Peak: of.Peak, Length: time.Duration(of.Length), Every: time.Duration(of.Every)}
	case SineArrivals:
		return traffic.Sine{Mean: of.Rate, Amplitude: of.Amplitude, Period: time.Duration(of.Period)}
	case PoissonArrivals:
		return traffic.Poisson{PerSecond: of.Rate, Seed: of.Seed}
	case ReplayArrivals:
		recorded := make(traffic.Replay, len(of.Offsets))
		for i, at := range of.Offsets {
			recorded[i] = time.Duration(at)
		}
		return recorded
	}
	return traffic.Flat{PerSecond: of.Rate}
}
