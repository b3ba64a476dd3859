package harness

import (
	"fmt"
	"time"
)

// Verdict is what came of a run. The gravest that applies wins.
type Verdict string

// The verdicts, gravest first.
const (
	// Error: the setup of everybody, the gate or the cleanup failed.
	Error Verdict = "error"
	// Interrupted: somebody stopped the run.
	Interrupted Verdict = "interrupted"
	// Invalid: the generator itself could not keep up, so the numbers say
	// nothing about what was tested. It is when any of these holds. Those of a
	// scenario are about what counts of its load; wake-ups and cores are those of
	// the whole load.
	//
	//   - In a scenario, more than 0.1 % of the iterations were dropped because
	//     no user was free, or of the ticks because this process was too slow.
	//   - In a scenario, starts and ticks were later than [Plan].MaxLag, by this
	//     process' own doing, at the 99th percentile.
	//   - More than 1 % of the wake-ups that the process asks for five times a
	//     second, and at least two, were later than MaxLag, whatever made it so: its
	//     own work, its garbage, others on the machine, a machine that stood still.
	//   - More than 1 % of its goroutines that could run, and at least five of
	//     those that the Go runtime samples, waited longer than MaxLag for a core.
	//   - In a scenario, more than 0.1 % of the actions failed, or of the users did
	//     not get ready, for want of descriptors, ports or memory of this machine.
	//   - In a scenario, more than 0.1 % as many measurements as there are came
	//     after the numbers were final.
	//   - A threshold on a time is broken, and this process used 90 % of its cores;
	//     or its own lateness at the 99th percentile, of its starts and four times
	//     that of goroutines that waited for a core, is more than a quarter of the
	//     limit, and without it the threshold would hold. Nobody can say then who
	//     broke it.
	//
	// CPU, garbage collection and descriptors explain it, and alone make no run
	// invalid: one that keeps up with all of its cores busy, and breaks no
	// threshold on a time, is fine.
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
	if barred := r.barred.Load(); barred != nil {
		found.add(Error, "%s", *barred)
	}
	var failed int64
	first := ""
	for i, s := range r.scenarios {
		sr := &res.Scenarios[i]
		r.judgeScenario(found, res, s, sr)
		counted := sr.Iterations.SetupFailed
		if !s.decidesOnErrors() {
			counted += sr.Iterations.Failed
		}
		if failed += counted; counted > 0 && first == "" {
			first = firstError(sr.Failures)
		}
	}
	if failed > int64(r.plan.MaxFailures) && r.plan.Shard.whole() {
		found.add(Fail, "%s, %d allowed; the first: %s", plural(failed, "failed run"), r.plan.MaxFailures, first)
	}
	for _, reason := range res.Generator.Watch.judge(r.plan.MaxLag, res.Generator.GOMAXPROCS) {
		res.starved = true
		found.add(Invalid, "%s", reason)
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

func (r *Run) judgeScenario(found findings, res *Result, s *scenarioRun, sr *ScenarioResult) {
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
	g := s.generated(it)
	if reason := g.crowded(); reason != "" {
		found.add(Invalid, "%s", reason)
	}
	for _, reason := range g.judge(res.Generator.Watch, r.plan.MaxLag, res.Generator.GOMAXPROCS) {
		res.starved = true
		found.add(Invalid, "%s", reason)
	}
	for i, t := range sr.Thresholds {
		if t.Passed || t.Undecided {
			continue
		}
		found.add(Fail, "%s: %s", s.Name, t.Message)
		if blur := s.blurred(s.Thresholds[i], t, res.Generator); blur != "" {
			res.starved = true
			found.add(Invalid, "%s: %s may be broken by this process itself (%s): use a faster or a second machine, or ask for less", s.Name, t.Threshold, blur)
		}
	}
	if stuck := s.iterations().Stuck; stuck > 0 { // also in the warm-up: they were missing then
		found.add(Fail, "%s: stuck after their time was over: %s", s.Name, plural(stuck, "user"))
	}
}

// blurred says why a threshold on a time may have been broken by this machine.
func (s *scenarioRun) blurred(t Threshold, r ThresholdResult, g Generator) string {
	return g.blurs(t, r, s.final[counted].totals.lag.Percentile(99))
}

// blurs says why the generator may have broken a threshold on a time itself.
func (g Generator) blurs(t Threshold, r ThresholdResult, lag time.Duration) string {
	upper := t.Op == "<" || t.Op == "<="
	if r.Value == nil || !t.isTime() || !upper || t.Metric == "lag" {
		return ""
	}
	return g.Watch.blurs(time.Duration(*r.Value*1e9), time.Duration(t.Value*1e9), lag, g.GOMAXPROCS)
}

// generated is what the rules of [Invalid] look at.
func (s *scenarioRun) generated(it Iterations) generated {
	f := s.final[counted].totals
	g := generated{
		name: s.Name, dropped: it.Dropped, intended: it.Started + it.Dropped,
		ticksDropped: f.sourceDropped, ticks: f.sourceIntended, lagP99: f.lag.Percentile(99),
		ownSetup: s.ownSetup.Load(), users: int64(len(s.users)),
		own: s.own.Load(), tooLate: s.tooLate.Load(), done: s.counts[counted].bare.Load(),
	}
	for _, a := range f.actions {
		g.done += a.errors + int64(a.response.Count())
	}
	if len(f.actions) == 0 {
		g.done = it.Succeeded + it.Failed
	}
	return g
}

// cutShort reports whether a load that was ended by the plan's timeout had
// anything left to do.
func (s *scenarioRun) cutShort(it Iterations) bool {
	ready := s.ready.Load()
	if p, ok := s.Schedule.(planned); ok {
		if want := p.iterations(ready, s.run.plan.Shard); want > 0 {
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
