package harness

import (
	"errors"
	"fmt"
	"time"
)

// Scenario is one kind of user, how many there are, and when they act.
type Scenario struct {
	// Name tells scenarios apart, in results and thresholds: lower-case
	// letters, digits, '_' and '-'.
	Name string

	// Runner makes the runner of a user, from the user's index. It is called
	// for all users before anything starts, so it should do no work; an error
	// (fewer targets than users, say) refuses the plan.
	Runner func(user int) (Runner, error)

	// Schedule says how many users there are and when they start.
	Schedule Schedule

	// Thresholds decide between pass and fail.
	Thresholds []Threshold

	// StartAfter delays the schedule, and with it the setup, so that users who
	// are not there yet hold no connections. In a sequence it is counted from the
	// end of the scenario before.
	StartAfter time.Duration

	// WarmUp and CoolDown are the first and the last time of the schedule that do
	// not count: what was meant to begin in them is in the timeline and, kept
	// apart, in the result, but neither in its percentiles, counts and thresholds
	// nor in the verdict. What fails after the warm-up counts, whenever it began,
	// and so does what lasts longer than the whole warm-up; users who are stuck
	// always do. A shared [Source] is cut by the clock. 0 means none. A CoolDown
	// needs a schedule whose length is known.
	WarmUp, CoolDown time.Duration

	// SetupAtATime is how many runners get ready at a time. 0 means 50.
	SetupAtATime int

	// CleanupAtATime is how many runners are cleaned up at a time. 0 means 50.
	CleanupAtATime int
}

// Validate reports everything that is wrong with the scenario.
func (s Scenario) Validate() error {
	var errs []error
	if !scenarioName.MatchString(s.Name) {
		errs = append(errs, fmt.Errorf("the name is %q, want lower-case letters, digits, '_' and '-'", s.Name))
	}
	if s.Runner == nil {
		errs = append(errs, errors.New("there is no Runner"))
	}
	if s.Schedule == nil {
		errs = append(errs, errors.New("there is no Schedule"))
	} else {
		errs = append(errs, s.Schedule.Validate())
	}
	errs = append(errs, s.validateParts())
	for _, t := range s.Thresholds {
		errs = append(errs, t.Validate())
		if t.Phase == WarmUp && s.WarmUp <= 0 || t.Phase == CoolDown && s.CoolDown <= 0 {
			errs = append(errs, fmt.Errorf("threshold %q: the scenario has no %s", t, t.Phase))
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"StartAfter", int64(s.StartAfter)}, {"SetupAtATime", int64(s.SetupAtATime)}, {"CleanupAtATime", int64(s.CleanupAtATime)}} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", n.name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("scenario %q: %w", s.Name, err)
	}
	return nil
}

// decidesOnErrors reports whether a threshold says how many errors are
// acceptable.
func (s Scenario) decidesOnErrors() bool {
	for _, t := range s.Thresholds {
		whole := t.Phase.orNone() == "" && t.Tags == ""
		if whole && (t.Metric == "errors" || t.Metric == "iteration_errors") {
			return true
		}
	}
	return false
}
