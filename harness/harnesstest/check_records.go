package harnesstest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/coderscale/scaletest/harness"
)

// rehearse makes the load in which nothing goes wrong, with one user. All others
// are compared with it.
func (s *suite) rehearse(ctx context.Context) error {
	o, err := s.probe(ctx, probe{clean: true, check: Records, at: "nothing went wrong"})
	if err != nil {
		return fmt.Errorf("harnesstest: %w", err)
	}
	if stuck := o.stuck(); stuck != "" {
		s.note(o, Records, stuck+", did not come to an end", "a load succeeds when nothing goes wrong")
		return nil
	}
	if s.Hold > 0 && o.load.Iterations.Interrupted > 0 {
		s.note(o, Done, fmt.Sprintf("Run had not returned %v after the load of %v had ended, and was cut short", s.Soon, s.Hold), wantDone)
		return nil
	}
	if failed := s.failed(o); failed != "" {
		s.findFailed(o, Records, failed)
		return nil
	}
	s.clean = o
	s.records(o)
	if len(o.ops) == 0 {
		s.find(o, CleansUp, "no operation went through the Env, so that nothing could be made to fail", "New makes runners that reach the other side through its Env, or the subject is exempt from this check")
	}
	return nil
}

// findFailed reports a load that failed though nothing was made to.
func (s *suite) findFailed(o *outcome, c Check, failed string) {
	want := "a load succeeds when nothing goes wrong"
	if c == Beside {
		want = wantBeside
	}
	s.note(o, c, failed, want)
}

// failed says what failed in a load, if anything.
func (s *suite) failed(o *outcome) string {
	l := o.load
	switch {
	case len(l.Failures) > 0:
		f := l.Failures[0]
		return fmt.Sprintf("the %s of %s failed: %s", f.Phase, user(f.User), f.Error)
	case l.Ready != int64(l.Users):
		return fmt.Sprintf("only %d of %d users got ready", l.Ready, l.Users)
	case l.Iterations.Interrupted > 0:
		return fmt.Sprintf("%s cut short", number(int(l.Iterations.Interrupted), "iteration was", "iterations were"))
	case l.Iterations.Succeeded < int64(l.Users):
		return fmt.Sprintf("only %d iterations of %d users succeeded", l.Iterations.Succeeded, l.Users)
	}
	for _, name := range slices.Sorted(maps.Keys(s.actions(o))) {
		if a := s.actions(o)[name]; a.errors > 0 {
			return fmt.Sprintf("the action %s had %s", name, number(int(a.errors), "error", "errors"))
		}
	}
	return ""
}

func user(n int) string { return fmt.Sprintf("user %d", n) }

// action is what was recorded of one, in the setup and in the load.
type action struct {
	count  uint64
	errors int64
	parts  []harness.ActionResult
}

func (s *suite) actions(o *outcome) map[string]action {
	all := map[string]action{}
	for _, m := range []map[string]harness.ActionResult{o.load.Setup, o.load.Actions} {
		for name, r := range m {
			a := all[name]
			a.count += r.Count
			a.errors += r.Errors
			a.parts = append(a.parts, r)
			all[name] = a
		}
	}
	return all
}

// records holds what was recorded to what is claimed.
func (s *suite) records(o *outcome) {
	all := s.actions(o)
	for _, a := range s.Actions {
		if all[a.String()].count == 0 {
			s.find(o, Records, fmt.Sprintf("the action %s, which the subject names, was not recorded", a), wantRecord)
		}
	}
	for _, c := range s.Counters {
		if _, ok := o.load.Counters[c.String()]; !ok {
			s.find(o, Records, fmt.Sprintf("the counter %s, which the subject names, was not added to", c), wantRecord)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s.claimed(o, "action", name)
		for _, part := range all[name].parts {
			s.plausible(o, name, part)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.load.Counters)) {
		s.claimed(o, "counter", name)
	}
}

// claimed holds a name to what the subject names.
func (s *suite) claimed(o *outcome, kind, name string) {
	if !s.claims(name) {
		s.find(o, Records, fmt.Sprintf("the %s %s was recorded, which the subject does not name", kind, name), wantRecord)
	}
}

// coarse is how much two values of histograms may differ that are the same.
const coarse = 1.02

// plausible holds times to what they can be.
func (s *suite) plausible(o *outcome, name string, r harness.ActionResult) {
	if r.Count == 0 {
		return
	}
	for _, p := range []struct {
		what              string
		response, service float64
	}{
		{"longest", r.Response.Max, r.Service.Max}, {"mean", r.Response.Mean, r.Service.Mean}, {"shortest", r.Response.Min, r.Service.Min},
	} {
		if p.response*coarse+1e-6 < p.service {
			s.find(o, Records, fmt.Sprintf("the %s response time of %s is %.6fs, less than the %s service time of %.6fs", p.what, name, p.response, p.what, p.service),
				"a response time is from when something was meant to begin, a service time from when it did (package harness)")
			return
		}
	}
	if r.Response.Max > o.result.Seconds*coarse+1e-3 {
		s.find(o, Records, fmt.Sprintf("the longest response time of %s is %.3fs, and the whole run took %.3fs", name, r.Response.Max, o.result.Seconds), "nothing lasts longer than the run")
	}
}

// tryAdmits makes a load of which the other side is gone from the beginning.
func (s *suite) tryAdmits(ctx context.Context) error {
	o, err := s.probe(ctx, probe{script: script{fault: faultGone, at: 1}, check: Admits})
	if err != nil || o.fired == nil || o.stuck() != "" {
		return err
	}
	it := o.load.Iterations
	failed := it.SetupFailed + it.Failed
	for _, a := range s.actions(o) {
		failed += a.errors
	}
	if failed == 0 && it.Succeeded > 0 { // who goes on trying until the end is cut short, and the harness says so
		s.find(o, Admits, fmt.Sprintf("no setup, no iteration and no action failed, and %s", number(int(it.Succeeded), "iteration succeeded", "iterations succeeded")), wantAdmit)
	}
	return nil
}
