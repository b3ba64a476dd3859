package harnesstest

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Subject is a kind of runner that is to be tested. Only New is needed.
type Subject struct {
	// New gets ready for a load and returns what makes its runners, as
	// harness.Scenario.Runner does. It is called for each load anew, and some
	// loads go on side by side. The runners must reach the other side through the
	// Env, or nothing of it can be made to fail.
	New func(env *Env) (func(user int) (harness.Runner, error), error)

	// Actions are what a user of a load in which nothing goes wrong records:
	// each of them with a success, in the setup or in the load, and none with an
	// error. Their tags need not be named.
	Actions []harness.Action

	// Counters are what such a user counts, if only by adding 0.
	Counters []harness.Counter

	// MayRecord are names of other actions and counters, which depend on what
	// happens, such as those of a reconnect; or patterns as path.Match has them.
	// Whatever is recorded besides is a finding.
	MayRecord []string

	// Hold is how long a load lasts, for runners that stay until it ends. 0 is
	// for those that return when their work is done.
	Hold time.Duration

	// Users is how many users a load has in which nothing goes wrong, two of
	// which go on side by side. 0 means 4. The others have one user, so that the
	// same operation comes at the same place.
	Users int

	// Points is at how many operations something goes wrong in each way. The first
	// and the last are among them, then the first of each kind, such as a request
	// for one path, and the others are spread evenly. 0 means 8.
	Points int

	// Soon is how long something may take that must be done soon: to return when
	// the context is done, or when the load has ended, and to let go of
	// goroutines and connections. 0 means 5 s, the harness' grace period.
	Soon time.Duration

	// Patience is how long a load may take when something has gone wrong before
	// it is stopped. 0 means four times as long as when nothing did, but at least
	// a second.
	Patience time.Duration

	// Seed is the plan's seed. 0 means 1.
	Seed uint64

	// Exempt are checks that the runner is not held to, with the reason in words.
	// They are not tried.
	Exempt map[Check]string
}

const (
	defaultUsers  = 4
	defaultPoints = 8
	defaultSoon   = 5 * time.Second
	leastPatience = time.Second
)

// Validate reports everything that is wrong with the subject.
func (s Subject) Validate() error {
	var errs []error
	if s.New == nil {
		errs = append(errs, errors.New("harnesstest: there is no New, which makes the runners to test"))
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"Hold", int64(s.Hold)}, {"Users", int64(s.Users)}, {"Points", int64(s.Points)},
		{"Soon", int64(s.Soon)}, {"Patience", int64(s.Patience)},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("harnesstest: %s is negative, want 0 (the default) or more", n.name))
		}
	}
	for _, pattern := range s.MayRecord {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			errs = append(errs, fmt.Errorf("harnesstest: MayRecord has %q, want a name or a pattern of path.Match", pattern))
		}
	}
	for c, reason := range s.Exempt {
		if !slices.Contains(Checks(), c) {
			errs = append(errs, fmt.Errorf("harnesstest: there is no check %q to be exempt from, want one of %v", c, Checks()))
		}
		if strings.TrimSpace(reason) == "" {
			errs = append(errs, fmt.Errorf("harnesstest: the exemption from %q has no reason, want one in words", c))
		}
	}
	return errors.Join(errs...)
}

func (s Subject) withDefaults() Subject {
	if s.Users == 0 {
		s.Users = defaultUsers
	}
	if s.Points == 0 {
		s.Points = defaultPoints
	}
	if s.Soon == 0 {
		s.Soon = defaultSoon
	}
	if s.Seed == 0 {
		s.Seed = 1
	}
	return s
}

// claims reports whether the subject says that it may record a name. The tags of an
// action come with it.
func (s Subject) claims(name string) bool {
	base, _, tagged := strings.Cut(name, "{")
	if tagged && s.claims(base) {
		return true
	}
	for _, a := range s.Actions {
		if a.String() == name {
			return true
		}
	}
	for _, c := range s.Counters {
		if c.String() == name {
			return true
		}
	}
	return slices.ContainsFunc(s.MayRecord, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // Validate has seen that it can be read
		return ok
	})
}
