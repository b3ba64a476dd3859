package harness

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Disruption is something that is done to what is tested in the middle of the
// load, to see what its users notice and how soon it is over: a replica is taken
// away, an agent restarts, the network gets slow.
//
//	harness.Disruption{
//		Name: "lose-replica",
//		At:   30 * time.Second,
//		Do:   harness.Command("kubectl", "delete", "pod", pod, "--wait=false"),
//	}
//
// The result has the numbers of each scenario before, during and after it (see
// [DisruptionResult]), and thresholds can be about them: [Before], [During] and
// [After].
//
//	users │───────╮       ╭────────
//	      │       ╰───────╯
//	      └───────│───│───│────── t
//	       before │Do │   │ after
//	              │  Undo │
//	              └during─┘ recovered
//
// It is recovered from at the end of the first of three seconds in a row in which
// every scenario that ran when it began does as before, so after a second at the
// earliest: at least 99 % of its connections
// are open; errors are at most 1 % more of what is done; what is done, or sent, is
// at least 90 % of what it was each second; and no action's 99th percentile is more
// than twice as long, and 10 ms, as it was. Until then, and until Undo has returned,
// it lasts. When another disruption or the end of the load comes sooner, it is not
// recovered from.
type Disruption struct {
	// Name tells disruptions apart, by the rules of a scenario's.
	Name string

	// At is when it begins, since the beginning of the load, warm-ups included. In
	// a sequence that is the load of the first scenario.
	At time.Duration

	// For is how long it lasts: then it is undone, and it is as soon as the load
	// ends. 0 with an Undo is as soon as Do has returned.
	For time.Duration

	// Do does it. An error ends nothing, but the verdict is [Error]: the run is not
	// what it was meant to be.
	Do func(ctx context.Context) error

	// Undo takes it back. It is called once whenever Do was, also after an error,
	// a stop or an abort. An error makes the verdict [Error]. Nil when there is
	// nothing to take back.
	Undo func(ctx context.Context) error

	// Timeout bounds each of Do and Undo. 0 means 1 minute. One that ignores it is
	// left alone, and that is an error.
	Timeout time.Duration
}

// Command makes a command what a [Disruption] does. It succeeds when the command
// ends with 0. It has no input, and an error has the last of what it printed: it
// must print no secrets.
func Command(name string, args ...string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.WaitDelay = time.Second // for what it has started and left
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if said := lastLine(string(out)); said != "" {
			return fmt.Errorf("%s: %w: it said %q", cmd, err, said)
		}
		return fmt.Errorf("%s: %w", cmd, err)
	}
}

// lastLine is the last line that says something, and not too much.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	line := strings.TrimSpace(lines[len(lines)-1])
	return line[:min(len(line), 200)]
}

// disruptionTimeout is the default.
const disruptionTimeout = time.Minute

// Validate reports everything that is wrong with the disruption.
func (d Disruption) Validate() error {
	var errs []error
	if !scenarioName.MatchString(d.Name) {
		errs = append(errs, fmt.Errorf("the name is %q, want lower-case letters, digits, '_' and '-'", d.Name))
	}
	for _, t := range []struct {
		name  string
		value time.Duration
	}{{"At", d.At}, {"For", d.For}, {"Timeout", d.Timeout}} {
		if t.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %v, want 0 or more", t.name, t.value))
		}
	}
	if d.Do == nil {
		errs = append(errs, errors.New("there is nothing to Do"))
	}
	if d.For > 0 && d.Undo == nil {
		errs = append(errs, errors.New("it has a time, For, and no Undo: want both or none"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("disruption %q: %w", d.Name, err)
	}
	return nil
}

// validateDisruptions reports everything that is wrong with those of the plan.
func (p Plan) validateDisruptions() error {
	var errs []error
	names := map[string]bool{}
	var last Disruption
	for i, d := range p.Disruptions {
		errs = append(errs, d.Validate())
		if names[d.Name] {
			errs = append(errs, fmt.Errorf("two disruptions are named %q", d.Name))
		}
		names[d.Name] = true
		switch {
		case i > 0 && d.At < last.At:
			errs = append(errs, fmt.Errorf("disruption %q is before %q: want them in the order of At", d.Name, last.Name))
		case i > 0 && d.At < last.At+last.For:
			errs = append(errs, fmt.Errorf("disruption %q begins while %q lasts: want one at a time", d.Name, last.Name))
		}
		if length := p.loadLength(); length > 0 && d.At >= length {
			errs = append(errs, fmt.Errorf("disruption %q begins after %v, when the load of %v is over", d.Name, d.At, length))
		}
		last = d
	}
	for _, s := range p.Scenarios {
		for _, t := range s.Thresholds {
			if t.Phase.disrupted() && len(p.Disruptions) == 0 {
				errs = append(errs, fmt.Errorf("scenario %q: threshold %q: the plan has no disruption", s.Name, t))
			}
		}
	}
	return errors.Join(errs...)
}

// loadLength is how long the load is on if that is known, and else 0.
func (p Plan) loadLength() time.Duration {
	for _, s := range p.Scenarios {
		if s.Schedule == nil || s.Schedule.Length() == 0 {
			return 0
		}
		if guess, ok := s.Schedule.(planned); ok && guess.iterations(1, Shard{}) > 0 {
			return 0
		}
	}
	return p.Length() - p.Baseline
}
