package harnesstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Check is the name of a promise that runners are held to.
type Check string

// The checks.
const (
	// Records: when nothing goes wrong, all that is claimed is recorded, nothing
	// else is, nothing fails, and the times can be true.
	Records Check = "records"
	// Admits: when the other side is gone from the beginning, somebody is told:
	// a setup, an iteration or an action fails.
	Admits Check = "admits"
	// Late: nothing is recorded after Run has returned.
	Late Check = "late"
	// Done: Run returns soon after Recorder.Done is closed.
	Done Check = "done"
	// Stops: Setup and Run return at once when their context is done, at any
	// operation and at any time, also when it was done before they began; and
	// what was cut short is not taken for a success.
	Stops Check = "stops"
	// Silence: the same, while the other side says nothing.
	Silence Check = "silence"
	// CleansUp: after a failure at any operation, in any way, the cleanup
	// succeeds and nothing is left on the other side.
	CleansUp Check = "cleans up"
	// Unbegun: the cleanup of a runner that was made and did nothing does nothing.
	Unbegun Check = "unbegun"
	// Owns: a cleanup that fails says so, when it leaves something behind.
	Owns Check = "owns up"
	// Leaks: after the cleanup, no goroutine and no connection of the runner is
	// left, nor, on Linux, any other descriptor.
	Leaks Check = "leaks"
	// Panics: whatever goes wrong, nothing panics.
	Panics Check = "panics"
	// Beside: users of two loads at once are not in each other's way.
	Beside Check = "beside"
)

// Checks are all checks, in the order in which they are tried.
func Checks() []Check {
	return []Check{Records, Done, Late, Leaks, Unbegun, Admits, Stops, Silence, CleansUp, Owns, Beside, Panics}
}

// Finding is an error: something that a runner does and should not.
type Finding struct {
	Check Check
	What  string // what was done and what happened
	Want  string // what the contract says
}

// Error is the finding in one sentence.
func (f *Finding) Error() string {
	return fmt.Sprintf("%s: %s; want: %s", f.Check, f.What, f.Want)
}

// TB is the part of testing.TB that [TestRunner] needs.
type TB interface {
	Helper()
	Context() context.Context
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
}

// TestRunner holds a runner to the contract, and reports each [Finding] as an
// error of the test. It logs which checks the subject is exempt from, and that the
// others hold.
func TestRunner(t TB, s Subject) {
	t.Helper()
	for _, c := range Checks() {
		if reason := s.Exempt[c]; reason != "" {
			t.Logf("harnesstest: not held to %q: %s", c, reason)
		}
	}
	err := Find(t.Context(), s)
	if err == nil {
		t.Logf("harnesstest: %d of %d checks were tried, and hold", len(Checks())-len(s.Exempt), len(Checks()))
		return
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // what Find has joined
		for _, err := range all.Unwrap() {
			t.Errorf("%v", err)
		}
		return
	}
	t.Errorf("%v", err)
}

// Find holds a runner to the contract and returns everything that it found, each
// a [Finding], joined; or why it could not be tried, when the subject is not valid,
// its New fails, or ctx is done.
func Find(ctx context.Context, s Subject) error {
	if err := s.Validate(); err != nil {
		return err
	}
	u := &suite{Subject: s.withDefaults(), found: map[string]*place{}}
	err := u.try(ctx)
	return errors.Join(append(u.findings(), err)...)
}

// suite is one Find.
type suite struct {
	Subject
	clean *outcome // when nothing went wrong

	mu    sync.Mutex
	found map[string]*place
	order []*place
}

// place is a finding and where it was made.
type place struct {
	Finding
	at []string
}

// find notes a finding of a probe. The same one at several places is one.
func (s *suite) find(o *outcome, c Check, what, want string) {
	if s.Exempt[c] == "" {
		s.note(o, c, what, want)
	}
}

// note is find for what no exemption is from: without a load that succeeds there
// is nothing to compare with.
func (s *suite) note(o *outcome, c Check, what, want string) {
	// Each probe has a run of its own, and a finding is one sentence.
	tidy := strings.NewReplacer(o.env.runID, "RUN", "\n", "; ")
	at, what := tidy.Replace(o.place()), tidy.Replace(what)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := string(c) + "\x00" + what
	p := s.found[key]
	if p == nil {
		p = &place{Finding: Finding{Check: c, What: what, Want: want}}
		s.found[key] = p
		s.order = append(s.order, p)
	}
	if at != "" && !slices.Contains(p.at, at) {
		p.at = append(p.at, at)
	}
}

// shownPlaces is how many places a finding shows.
const shownPlaces = 3

func (s *suite) findings() (errs []error) {
	for _, p := range s.order {
		f := p.Finding
		at := p.at
		more := ""
		if len(at) > shownPlaces {
			at, more = at[:shownPlaces], fmt.Sprintf("; and %d times more", len(at)-shownPlaces)
		}
		if len(at) > 0 {
			f.What = strings.Join(at, "; ") + more + ": " + f.What
		}
		errs = append(errs, &f)
	}
	return errs
}

// try makes all probes. An error is that of a probe that could not be made.
func (s *suite) try(ctx context.Context) error {
	if err := s.rehearse(ctx); err != nil {
		return err
	}
	if s.clean == nil {
		return nil // nothing can be said of a runner that fails when all is well
	}
	for _, c := range []struct {
		check Check
		try   func(context.Context) error
	}{
		{Leaks, s.tryLeaks}, {Unbegun, s.tryUnbegun}, {Admits, s.tryAdmits},
		{Stops, s.tryStops}, {Silence, s.trySilence}, {CleansUp, s.tryCleansUp}, {Owns, s.tryOwns}, {Beside, s.tryBeside},
	} {
		if s.Exempt[c.check] != "" {
			continue
		}
		if err := c.try(ctx); err != nil {
			return fmt.Errorf("harnesstest: %s: %w", c.check, err)
		}
	}
	return nil
}

// What the contract says.
const (
	wantAtOnce   = "Run and Setup return at once when their context is done (harness.Runner)"
	wantDone     = "Run returns soon after Recorder.Done is closed (harness.Runner)"
	wantCleanup  = "Cleanup is called once for each runner that was made, also when Setup failed or Run never began, and also after a cancel (harness.Cleaner), and then takes back what was left behind"
	wantNothing  = "no goroutine and no connection outlives the cleanup"
	wantAdmit    = "an error makes an iteration a failed one (harness.Runner), and an action with an error counts as a failure (harness.Recorder)"
	wantRecord   = "a runner records the work that it does (harness.Runner), and its subject names what that is"
	wantInRun    = "all that an iteration records is recorded before Run returns"
	wantOwnUp    = "a Cleanup that leaves something behind returns an error, because the harness tells people so"
	wantNoPanic  = "a failure is an error that is returned; a panic tells nobody what was attempted"
	wantBeside   = "a scenario runs many users at a time, and a plan several scenarios (harness.Plan)"
	wantCutShort = "an iteration that was cut short returns an error, or it counts as a success (harness.Runner)"
)
