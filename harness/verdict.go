package harness

import (
	"fmt"
	"time"
)

// Verdict is what came of a run. The gravest that applies wins.
type Verdict string

// The verdicts, gravest first.
const (
	// Error: the setup of everybody, or the cleanup, failed.
	Error Verdict = "error"
	// Interrupted: somebody stopped the run.
	Interrupted Verdict = "interrupted"
	// Invalid: the generator itself could not keep up, so the numbers say
	// nothing about what was tested.
	Invalid Verdict = "invalid"
	// Fail: a threshold is broken, too many runs failed, users are stuck, or
	// the plan's timeout was over too early.
	Fail Verdict = "fail"
	// Pass: everything holds.
	Pass Verdict = "pass"
)

// maxDropped is the share of events that the generator may drop before its run
// is invalid.
const maxDropped = 0.001

// gravest is the order of the verdicts, without a pass.
var gravest = []Verdict{Error, Interrupted, Invalid, Fail}

// findings are reasons, by the verdict that they lead to.
type findings map[Verdict][]string

func (f findings) add(v Verdict, format string, args ...any) {
	f[v] = append(f[v], fmt.Sprintf(format, args...))
}

// verdict is the gravest one, and all reasons, its own first.
func (f findings) verdict() (Verdict, []string) {
	verdict, reasons := Pass, []string{}
	for _, v := range gravest {
		if len(f[v]) > 0 && verdict == Pass {
			verdict = v
		}
		reasons = append(reasons, f[v]...)
	}
	return verdict, reasons
}

// judge gives the verdict and the reasons for it.
func (r *Run) judge(res *Result) (Verdict, []string) {
	found := findings{}
	if broken := r.broken.Load(); broken != nil {
		found.add(Fail, "%s", *broken)
	}
	var failed int64
	first := ""
	for i, s := range r.scenarios {
		sr := &res.Scenarios[i]
		r.judgeScenario(found, s, sr)
		counted := sr.Iterations.SetupFailed
		if !s.decidesOnErrors() {
			counted += sr.Iterations.Failed
		}
		if failed += counted; counted > 0 && first == "" {
			first = firstError(sr.Failures)
		}
	}
	if failed > int64(r.plan.MaxFailures) {
		found.add(Fail, "%s, %d allowed; the first: %s", plural(failed, "failed run"), r.plan.MaxFailures, first)
	}
	for _, d := range res.Disruptions {
		if d.Error != "" {
			found.add(Error, "disruption %s: %s", d.Name, d.Error)
		}
	}
	if n := len(res.Disruptions); n < len(r.plan.Disruptions) && !r.stopping() {
		found.add(Error, "disruption %s did not happen: the load was over before", r.plan.Disruptions[n].Name)
	}
	if c := res.Cleanup; c.Failed > 0 {
		found.add(Error, "the cleanup failed for %s: %s", plural(c.Failed, "user"), firstError(c.Failures))
	} else if c.Skipped > 0 && !r.aborted.Load() {
		found.add(Error, "the cleanup had no time for %s: give it more than %v", plural(c.Skipped, "user"), r.plan.CleanupTimeout)
	}
	switch {
	case r.aborted.Load():
		found.add(Interrupted, "the run was aborted")
	case r.stopped:
		found.add(Interrupted, "the run was stopped before its end")
	}
	return found.verdict()
}

func (r *Run) judgeScenario(found findings, s *scenarioRun, sr *ScenarioResult) {
	it := sr.Iterations
	switch {
	case sr.Ready == 0 && it.SetupFailed > 0:
		found.add(Error, "%s: no user got ready: %s", s.Name, firstError(sr.Failures))
	case sr.Ready == 0 && s.timedOut:
		found.add(Error, "%s: no user got ready before the plan's timeout of %v was over", s.Name, r.plan.Timeout)
	case s.timedOut && s.cutShort(s.iterations()):
		found.add(Fail, "%s: the plan's timeout of %v was over before the load: %d iterations had ended, %d were cut short",
			s.Name, r.plan.Timeout, it.Succeeded+it.Failed, it.Interrupted)
	}
	if sr.Ready == 0 {
		return // there was no load that anything else could be said of
	}
	if intended := it.Started + it.Dropped; exceeds(it.Dropped, intended) {
		found.add(Invalid, "%s: %d of %d iterations were dropped because no user was free in time: give the schedule more users, or ask for less", s.Name, it.Dropped, intended)
	}
	if f := s.final[counted].totals; exceeds(f.sourceDropped, f.sourceIntended) {
		found.add(Invalid, "%s: this process was too slow to send %d of %d ticks: use a faster or a second machine, or ask for less", s.Name, f.sourceDropped, f.sourceIntended)
	}
	if p99 := s.final[counted].totals.lag.Percentile(99); p99 > r.plan.MaxLag {
		found.add(Invalid, "%s: this process was late by %v at the 99th percentile, more than %v: the machine is too busy; use a faster or a second one, or ask for less", s.Name, roundDuration(p99), r.plan.MaxLag)
	}
	for _, t := range sr.Thresholds {
		if !t.Passed {
			found.add(Fail, "%s: %s", s.Name, t.Message)
		}
	}
	if stuck := s.iterations().Stuck; stuck > 0 { // also in the warm-up: they were missing then
		found.add(Fail, "%s: stuck after their time was over: %s", s.Name, plural(stuck, "user"))
	}
}

// cutShort reports whether a load that was ended by the plan's timeout had
// anything left to do.
func (s *scenarioRun) cutShort(it Iterations) bool {
	ready := s.ready.Load()
	if p, ok := s.Schedule.(planned); ok {
		if want := p.iterations(ready); want > 0 {
			return it.Interrupted > 0 || it.Started+it.Dropped < want
		}
	}
	if length := s.Schedule.Length(); length > 0 {
		return time.Duration(s.run.cutoff.Load())-s.start < length
	}
	return it.Interrupted > 0 || it.Started < ready
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func exceeds(dropped, intended int64) bool {
	return intended > 0 && float64(dropped) > maxDropped*float64(intended)
}

func firstError(failures []Failure) string {
	if len(failures) == 0 {
		return "no error was kept"
	}
	return failures[0].Error
}
