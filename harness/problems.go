package harness

import (
	"errors"
	"slices"
	"sync"
)

// maxFailures is how many failed runs are kept with their logs, and how many
// different warnings.
const maxFailures = 100

// problems keeps what went wrong, a bounded number of times.
type problems struct {
	mu       sync.Mutex
	failures []Failure
	more     int
	warnings []string
	added    func(Failure) // is told of those that are kept; may be nil
}

// add keeps a failure. It is only made when it is kept, because it carries a
// copy of a log.
func (p *problems) add(make func() Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) >= maxFailures {
		p.more++
		return
	}
	f := make()
	p.failures = append(p.failures, f)
	if p.added != nil {
		p.added(f)
	}
}

// list returns the failures that were kept, never nil, and how many more there
// were.
func (p *problems) list() ([]Failure, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Failure{}, p.failures...), p.more
}

func (p *problems) warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.warnings) < maxFailures && !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

func (p *problems) warned() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.warnings...)
}

// noteStuck sees to it that a runner that was abandoned is not asked again.
func (s *scenarioRun) noteStuck(u *user, counts *counts, err error) {
	if _, ok := errors.AsType[*StuckError](err); ok {
		u.abandoned.Store(true)
		counts.stuck.Add(1)
	}
}

// noteOwn counts an iteration that failed, without an action, for want of something
// of this machine.
func (s *scenarioRun) noteOwn(u *user, err error) {
	if u.rec.failures.Load() == 0 && isOwn(err) {
		s.own.Add(1)
	}
}

func (s *scenarioRun) failure(u *user, phase string, err error) Failure {
	return Failure{
		Scenario: s.Name, User: u.index, Iteration: u.rec.iteration, Phase: phase,
		Error: err.Error(), Stack: s.stackOf(u, err), Log: u.rec.log.String(),
		Seconds: s.run.now().Seconds(),
	}
}
