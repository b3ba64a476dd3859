package scenario

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// Resources are what a plan is made with.
type Resources struct {
	// Workspaces are running, in a stable order. AnyState are those that builds
	// may be made of; nil means Workspaces.
	Workspaces, AnyState []runners.Workspace

	// ForApp gives workspaces the clients that may open an app of theirs. Nil
	// leaves them as they are.
	ForApp func(workspaces []runners.Workspace, slug string) []runners.Workspace

	// People are users with sessions, in a stable order.
	People []runners.Person

	// Dialer reaches SSH servers.
	Dialer runners.Dialer

	// ProxyURL is the URL of a workspace proxy for terminals and apps, or nil.
	ProxyURL *url.URL
}

// Needs says which resources the file's scenarios take, so that nobody looks
// for others.
func (f File) Needs() (workspaces, anyState, people, dialer bool) {
	for _, s := range f.Scenarios {
		switch s.Kind {
		case Dashboard:
			people = true
		case API:
			people, workspaces = true, workspaces || s.asksForWorkspaces()
		case Build:
			anyState = true
		case SSH:
			workspaces, dialer = true, true
		default:
			workspaces = true
		}
	}
	return workspaces, anyState, people, dialer
}

// Plan makes the harness' plan of the file. The resources are shared out as the
// file says.
func (f File) Plan(r Resources) (harness.Plan, error) {
	if err := f.Validate(); err != nil {
		return harness.Plan{}, err
	}
	plan := harness.Plan{
		Name: f.Name, Sequence: f.Order == Sequence, MaxFailures: f.MaxFailures,
		Stagger: time.Duration(f.Stagger), Baseline: time.Duration(f.Baseline),
	}
	var errs []error
	next := map[bool]float64{} // where the next share begins, of people and of workspaces
	for _, s := range f.Scenarios {
		at := next[s.Kind == Dashboard]
		if f.Order == Sequence {
			at = 0
		}
		part := s.Targets.Range
		if s.Targets.Share > 0 {
			part = runners.Range{Start: at, End: min(at+s.Targets.Share, 100), Percent: true}
			next[s.Kind == Dashboard] = part.End
		}
		made, err := s.scenario(r, part)
		if err != nil {
			errs = append(errs, fmt.Errorf("scenario %q: %w", s.name(), err))
			continue
		}
		plan.Scenarios = append(plan.Scenarios, made)
	}
	for _, d := range f.Disruptions {
		plan.Disruptions = append(plan.Disruptions, d.harness())
	}
	return plan, errors.Join(errs...)
}

// scenario makes the harness' scenario.
func (s Scenario) scenario(r Resources, part runners.Range) (harness.Scenario, error) {
	out := harness.Scenario{
		Name: s.name(), StartAfter: time.Duration(s.StartAfter),
		WarmUp: time.Duration(s.WarmUp), CoolDown: time.Duration(s.CoolDown),
	}
	for _, text := range s.Thresholds {
		t, err := harness.ParseThreshold(text)
		if err != nil {
			return out, err
		}
		out.Thresholds = append(out.Thresholds, t)
	}
	switch s.Kind {
	case Dashboard:
		return s.dashboard(out, r, part)
	case API:
		return s.api(out, r, part)
	}
	all := r.Workspaces
	if s.Kind == Build && r.AnyState != nil {
		all = r.AnyState
	}
	workspaces, err := cut(all, part, "workspaces")
	if err != nil {
		return out, err
	}
	load := s.load()
	if s.inTurns(len(workspaces)) && s.stays() {
		load.Shape = traffic.For{Shape: load.Shape, Duration: time.Duration(s.Duration)}
	}
	out.Schedule = s.timed(len(workspaces))
	share := s.Kind == SSH && s.VirtualUsers > 0
	if !share {
		if err := enough(out.Schedule, len(workspaces), "workspaces"); err != nil {
			return out, err
		}
	}
	if err := out.Schedule.Validate(); err != nil {
		return out, err
	}
	switch s.Kind {
	case Terminal:
		out.Runner = runners.TerminalConfig{Workspaces: workspaces, Load: load, ProxyURL: r.ProxyURL}.Runner()
	case SSH:
		out.Runner = runners.SSHConfig{Workspaces: workspaces, Dialer: r.Dialer, Mode: runners.SSHMode(s.SSHMode), Load: load, Share: share}.Runner()
	case App:
		slug := or(s.App, "wsec")
		if r.ForApp != nil {
			workspaces = r.ForApp(workspaces, slug)
		}
		out.Runner = runners.AppConfig{
			Workspaces: workspaces, Slug: slug, Mode: runners.AppMode(s.AppMode), Load: load, ProxyURL: r.ProxyURL,
		}.Runner()
	case Build:
		out.Runner = runners.BuildConfig{Workspaces: workspaces, Kind: runners.BuildKind(or(s.Build, "restart")), Restore: true}.Runner()
	case Watch:
		out.Runner = runners.Watch(workspaces)
	}
	return out, nil
}

func (s Scenario) load() traffic.Load {
	return traffic.Constant(int(or(s.BytesPerTick, Bytes(traffic.KiB))), time.Duration(or(s.TickInterval, Duration(100*time.Millisecond))))
}

func (s Scenario) interval() Duration { return or(s.Interval, Duration(10*time.Second)) }

// asksForWorkspaces reports whether a call needs one.
func (s Scenario) asksForWorkspaces() bool {
	for _, c := range s.Calls {
		if runners.APICall(c).NeedsWorkspace() {
			return true
		}
	}
	return false
}

func (s Scenario) api(out harness.Scenario, r Resources, part runners.Range) (harness.Scenario, error) {
	cfg := runners.APIConfig{People: r.People}
	for _, c := range s.Calls {
		cfg.Calls = append(cfg.Calls, runners.APICall(c))
	}
	if s.asksForWorkspaces() {
		var err error
		if cfg.Workspaces, err = cut(r.Workspaces, part, "workspaces"); err != nil {
			return out, err
		}
	}
	out.Runner = cfg.Runner()
	out.Schedule = s.timed(len(r.People))
	return out, out.Schedule.Validate()
}

// cut is the part of the targets, of which there must be some.
func cut[T any](all []T, part runners.Range, what string) ([]T, error) {
	out, err := runners.Cut(all, part)
	if err != nil {
		return nil, fmt.Errorf("targets are %v: %w %s", part, err, what)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("targets are %v, which is none of the %d %s", part, len(all), what)
	}
	return out, nil
}

// or is v, unless that is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
