package scenario

import (
	"errors"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Disruption is something that a command does to what is tested in the middle of
// the load: see harness.Disruption for what the result then says, and when it is
// recovered from. The commands run on this machine, as whoever runs the test: run
// only files that you trust. They must print no secrets, because the result has the
// last line of a command that fails.
type Disruption struct {
	// Name tells disruptions apart: lower-case letters, digits, '_' and '-'. It is
	// required.
	Name string `yaml:"name" json:"name"`

	// At is when it begins, since the load's beginning.
	At Duration `yaml:"at,omitempty" json:"at,omitempty"`

	// For is how long it lasts, until UndoCommand. 0 with an UndoCommand is as soon
	// as Command has ended.
	For Duration `yaml:"for,omitempty" json:"for,omitempty"`

	// Command is a line for sh that does it, and UndoCommand one that takes it
	// back, if there is anything to take back. Each succeeds when it ends with 0.
	Command     string `yaml:"command" json:"command"`
	UndoCommand string `yaml:"undo_command,omitempty" json:"undo_command,omitempty"`

	// Timeout bounds each of the two. 0 means 1 minute.
	Timeout Duration `yaml:"timeout,omitempty" json:"timeout,omitempty"`
}

// harness makes the harness' disruption.
func (d Disruption) harness() harness.Disruption {
	out := harness.Disruption{
		Name: d.Name, At: time.Duration(d.At), For: time.Duration(d.For), Timeout: time.Duration(d.Timeout),
		Do: harness.Command("sh", "-c", d.Command),
	}
	if d.UndoCommand != "" {
		out.Undo = harness.Command("sh", "-c", d.UndoCommand)
	}
	return out
}

// validateDisruptions reports everything that is wrong with those of the file.
func (f File) validateDisruptions() error {
	var errs []error
	names := map[string]bool{}
	var last Disruption
	length := f.loadLength()
	for i, d := range f.Disruptions {
		add := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("disruption %d (%s): "+format, append([]any{i + 1, d.Name}, args...)...))
		}
		if !nameRule.MatchString(d.Name) {
			add("the name is %q, want lower-case letters, digits, '_' and '-'", d.Name)
		}
		if names[d.Name] {
			add("another one has this name: give it a name of its own")
		}
		names[d.Name] = true
		if d.Command == "" {
			add("there is no command, want a line for sh")
		}
		if d.For > 0 && d.UndoCommand == "" {
			add("for is %v, but there is no undo_command that ends it: want both or none", d.For)
		}
		switch {
		case d.At < 0 || d.For < 0 || d.Timeout < 0:
			add("at, for or timeout is negative")
		case i > 0 && d.At < last.At:
			add("it is before %s: want them in the order of at", last.Name)
		case i > 0 && d.At < last.At+last.For:
			add("it begins while %s lasts: want one at a time", last.Name)
		case length > 0 && time.Duration(d.At) >= length:
			add("it begins after %v, when the load of %v is over", d.At, length)
		}
		last = d
	}
	return errors.Join(errs...)
}

// loadLength is how long the load is on if that is known, and else 0.
func (f File) loadLength() time.Duration {
	for _, s := range f.Scenarios {
		// Builds, and targets that have their load in turns, take as long as it takes.
		if s.length() == 0 || s.schedule().Kind == Turns && (s.Kind == Build || s.Concurrency > 0) {
			return 0
		}
	}
	return f.Length() - time.Duration(f.Baseline)
}
