package harness

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

var runID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,14}$`)

var scenarioName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Plan is everything that [Start] needs. All of its zero values are useful,
// except that there must be a scenario.
type Plan struct {
	// Name of the run, for people. It is empty by default.
	Name string

	// RunID tells runs apart and becomes part of names: at most 15 lower-case
	// letters, digits and '-'. Empty is a random one, from [NewRunID].
	RunID string

	// Shard is the part of the plan that this process issues. All shards of a run
	// have the same RunID. Thresholds, and MaxFailures, are about the whole and are
	// no part of a shard's verdict: [Merge] decides on them. The zero value is all
	// of the plan.
	Shard Shard

	// Gate says when the load begins, so that shards begin together. Nil is as soon
	// as everybody is ready.
	Gate Gate

	// Clock is how this machine's clock compares with that of the other shards, for
	// the result. Nil takes it for right.
	Clock *Clock

	// Fingerprint is what all shards must have in common beside the plan, such as a
	// hash of the list of targets. [Merge] makes a run invalid whose shards differ
	// in it, because targets may have been loaded twice, and others not at all.
	Fingerprint string

	// Scenarios run side by side, or one after the other with Sequence.
	Scenarios []Scenario

	// Sequence runs the scenarios one after the other, in their order. Each gets
	// ready when the one before has ended; all are cleaned up at the end, so that
	// a later one can use what an earlier one has created.
	Sequence bool

	// Stagger is how much later each scenario that runs side by side begins than
	// the one before it, on top of its own StartAfter.
	Stagger time.Duration

	// Baseline is a quiet time before the first scenario and, in a sequence,
	// between them: what the deployment does without the load is seen in it, and
	// it comes to rest.
	Baseline time.Duration

	// Disruptions are done to what is tested while the load is on, in this order
	// and one at a time. Of shards only the first does them, and undoes them; the
	// others note what their users see.
	Disruptions []Disruption

	// Seed decides everything random. 0 takes one from the run's ID.
	Seed uint64

	// Timeout ends the load, counted from the start, setup included. 0 means
	// none. A load that it cuts short fails. Cleanup comes after it and has its
	// own.
	Timeout time.Duration

	// SetupTimeout bounds the Setup of one runner. 0 means 5 minutes.
	SetupTimeout time.Duration

	// JobTimeout bounds one iteration. 0 means none.
	JobTimeout time.Duration

	// GracefulStop is how long running iterations may go on when the load ends.
	// 0 means 30 seconds.
	GracefulStop time.Duration

	// CleanupTimeout bounds all of the cleanup. 0 means 5 minutes.
	CleanupTimeout time.Duration

	// CleanupJobTimeout bounds the Cleanup of one runner. 0 means 1 minute.
	CleanupJobTimeout time.Duration

	// Grace is how long a runner may ignore that its context is done before it
	// is abandoned and reported as stuck. 0 means 5 seconds.
	Grace time.Duration

	// MaxFailures is how many failed runs are still a pass: users who did not
	// get ready and iterations that failed, over all scenarios. Failed
	// iterations of a scenario that has a threshold on errors or
	// iteration_errors do not count here: that threshold decides.
	MaxFailures int

	// MaxLag is how late the generator itself may be, at the 99th percentile,
	// before the run is invalid. 0 means 100 ms.
	MaxLag time.Duration

	// OnSnapshot is called once a second while the load runs, and for what is
	// left at its end. It should return soon: while it does not, the next
	// snapshots become one, and the cleanup waits for it.
	OnSnapshot func(Snapshot)

	// OnPhase is called when a phase begins: "setup", "load", "cleanup", "done",
	// and "baseline" if there is one. In a sequence the first ones repeat. Of
	// disruptions it is told while the load is on: "disruption NAME", "undo NAME",
	// "recovered from NAME".
	OnPhase func(phase string)

	// Stream gets what the run has seen so far, a [StreamRecord] a line, once a
	// second from its beginning on: a process that is killed loses no more than
	// that. A writer that has a method Sync, as a file has, is told to after each
	// second. It is written by a goroutine of its own; an error is a warning of the
	// result. Nil writes none.
	Stream io.Writer

	// Observer looks at what is tested from its own side while the run goes on, for
	// [Result].Server. Nil looks at nothing.
	Observer Observer

	// ObserveEvery is how often it looks. 0 means 5 seconds.
	ObserveEvery time.Duration

	// Tracer gets a span for the run and for each scenario, setup, iteration,
	// action and cleanup. Nil costs nothing.
	Tracer Tracer

	// Target describes what is tested, for the result: a version, a URL without
	// secrets, whether it is embedded.
	Target map[string]string

	// Configuration is what the caller was configured with, for the result.
	// It must hold no secrets.
	Configuration map[string]string
}

// Validate reports everything that is wrong with the plan.
func (p Plan) Validate() error {
	var errs []error
	if len(p.Scenarios) == 0 {
		errs = append(errs, errors.New("the plan has no scenarios"))
	}
	if p.RunID != "" && !runID.MatchString(p.RunID) {
		errs = append(errs, fmt.Errorf("RunID is %q, want at most 15 lower-case letters, digits and '-'", p.RunID))
	}
	names := map[string]bool{}
	for _, s := range p.Scenarios {
		errs = append(errs, s.Validate())
		if names[s.Name] {
			errs = append(errs, fmt.Errorf("two scenarios are named %q", s.Name))
		}
		names[s.Name] = true
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Timeout", p.Timeout}, {"SetupTimeout", p.SetupTimeout}, {"JobTimeout", p.JobTimeout},
		{"GracefulStop", p.GracefulStop}, {"CleanupTimeout", p.CleanupTimeout},
		{"CleanupJobTimeout", p.CleanupJobTimeout}, {"Grace", p.Grace}, {"MaxLag", p.MaxLag},
		{"Stagger", p.Stagger}, {"Baseline", p.Baseline}, {"ObserveEvery", p.ObserveEvery},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %v, want 0 (the default) or more", d.name, d.value))
		}
	}
	if p.MaxFailures < 0 {
		errs = append(errs, fmt.Errorf("MaxFailures is %d, want 0 or more", p.MaxFailures))
	}
	errs = append(errs, p.validateShard(), p.validateDisruptions())
	if p.Sequence && p.Stagger > 0 {
		errs = append(errs, errors.New("a Stagger is for scenarios side by side, and Sequence runs them one after the other: want at most one of the two"))
	}
	if p.Timeout > 0 {
		for i, s := range p.Scenarios {
			if s.Schedule == nil {
				continue
			}
			if d := p.delay(i) + s.Schedule.Length(); d > p.Timeout {
				errs = append(errs, fmt.Errorf("scenario %q lasts %v, longer than the plan's timeout of %v", s.Name, d, p.Timeout))
			}
		}
		if length := p.Length(); len(errs) == 0 && length > p.Timeout {
			errs = append(errs, fmt.Errorf("the plan lasts %v, longer than its timeout of %v", length, p.Timeout))
		}
	}
	return errors.Join(errs...)
}

// withDefaults fills in what was left out.
func (p Plan) withDefaults() Plan {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&p.SetupTimeout, 5 * time.Minute},
		{&p.GracefulStop, 30 * time.Second},
		{&p.CleanupTimeout, 5 * time.Minute},
		{&p.CleanupJobTimeout, time.Minute},
		{&p.Grace, 5 * time.Second},
		{&p.MaxLag, 100 * time.Millisecond},
		{&p.ObserveEvery, observeEvery},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if p.RunID == "" {
		p.RunID = NewRunID()
	}
	if p.Seed == 0 {
		p.Seed = seedOf(p.RunID)
	}
	return p
}

// delay is how long after the beginning of the load a scenario begins, or
// after the end of the one before in a sequence.
func (p Plan) delay(scenario int) time.Duration {
	d := p.Baseline + p.Scenarios[scenario].StartAfter
	if !p.Sequence {
		d += time.Duration(scenario) * p.Stagger
	}
	return d
}

// Length is how long the load takes, as far as the schedules know.
func (p Plan) Length() time.Duration {
	var longest, sum time.Duration
	for i, s := range p.Scenarios {
		if s.Schedule != nil {
			d := p.delay(i) + s.Schedule.Length()
			longest, sum = max(longest, d), sum+d
		}
	}
	if p.Sequence {
		return sum
	}
	return longest
}
