package harness

import "fmt"

// Verdict is what came of a run. The gravest that applies wins.
type Verdict string

// The verdicts, gravest first.
const (
	// Error: the harness, the setup of everybody or the cleanup failed.
	Error Verdict = "error"
	// Interrupted: somebody stopped the run.
	Interrupted Verdict = "interrupted"
	// Invalid: the generator itself could not keep up, so the numbers say
	// nothing about what was tested.
	Invalid Verdict = "invalid"
	// Fail: a threshold is broken, or too many runs failed.
	Fail Verdict = "fail"
	// Pass: everything holds.
	Pass Verdict = "pass"
)

// maxDropped is the share of events that the generator may drop before its run
// is invalid.
const maxDropped = 0.001

// judge gives the verdict and the reasons for it.
func (r *Run) judge(res *Result) (Verdict, []string) {
	reasons := map[Verdict][]string{}
	add := func(v Verdict, format string, args ...any) {
		reasons[v] = append(reasons[v], fmt.Sprintf(format, args...))
	}
	var failed int64
	for i, s := range r.scenarios {
		sr := &res.Scenarios[i]
		it := sr.Iterations
		if len(s.users) > 0 && s.setupFail.Load() == int64(len(s.users)) {
			add(Error, "%s: no user got ready: %s", s.Name, firstError(sr.Failures))
		}
		failed += s.setupFail.Load()
		if !s.decidesOnErrors() {
			failed += it.Failed
		}
		if intended := it.Started + it.Dropped; exceeds(it.Dropped, intended) {
			add(Invalid, "%s: %d of %d iterations were dropped because no user was free: give the schedule more users", s.Name, it.Dropped, intended)
		}
		if f := s.final; exceeds(f.sourceDropped, f.sourceIntended) {
			add(Invalid, "%s: this process was too slow to send %d of %d ticks: use a faster or a second machine, or ask for less", s.Name, f.sourceDropped, f.sourceIntended)
		}
		if p99 := s.final.lag.Percentile(99); p99 > r.plan.MaxLag {
			add(Invalid, "%s: this process was late by %v at the 99th percentile, more than %v: the machine is too busy; use a faster or a second one, or ask for less", s.Name, roundDuration(p99), r.plan.MaxLag)
		}
		for _, t := range sr.Thresholds {
			if !t.Passed {
				add(Fail, "%s: %s", s.Name, t.Message)
			}
		}
		if it.Stuck > 0 {
			add(Fail, "%s: %d users are stuck", s.Name, it.Stuck)
		}
	}
	if failed > int64(r.plan.MaxFailures) {
		add(Fail, "%d failed runs, %d allowed", failed, r.plan.MaxFailures)
	}
	if r.cleanup.Failed > 0 {
		add(Error, "the cleanup failed for %d users: %s", r.cleanup.Failed, firstError(res.Cleanup.Failures))
	}
	switch {
	case r.aborted.Load():
		add(Interrupted, "the run was aborted")
	case r.stopping():
		add(Interrupted, "the run was stopped before its end")
	}
	for _, v := range []Verdict{Error, Interrupted, Invalid, Fail} {
		if len(reasons[v]) == 0 {
			continue
		}
		all := reasons[v] // the gravest first, then what else there is
		for _, w := range []Verdict{Error, Interrupted, Invalid, Fail} {
			if w != v {
				all = append(all, reasons[w]...)
			}
		}
		return v, all
	}
	return Pass, nil
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
