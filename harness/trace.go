package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SpanKind says what a span is of.
type SpanKind string

// The kinds of spans. A run has scenarios, a scenario has setups and
// iterations, an iteration or a setup has actions.
const (
	SpanRun       SpanKind = "run"
	SpanScenario  SpanKind = "scenario"
	SpanSetup     SpanKind = "setup"
	SpanIteration SpanKind = "iteration"
	SpanAction    SpanKind = "action"
	SpanCleanup   SpanKind = "cleanup"
)

// SpanInfo describes a span that begins.
type SpanInfo struct {
	Kind SpanKind
	Name string // the run's, the scenario's or the action's

	RunID     string
	Scenario  string // "" for a run
	User      int    // -1 for a run or a scenario
	Iteration int    // -1 for what is not part of one

	// Intended is when an iteration was meant to start. It is zero for others.
	Intended time.Time

	// Of is the span of the scenario, or of the run for a cleanup. It is nil for
	// a run, a scenario and an action: their parent is in the context.
	Of Span
}

// Tracer turns what a run does into spans; package harness/otelexport has one
// for OpenTelemetry. Its methods are called by many goroutines, on the path that
// is measured, and should return soon.
type Tracer interface {
	// Start begins a span. The context that it returns carries the span to what
	// happens in it.
	Start(ctx context.Context, info SpanInfo) (context.Context, Span)
}

// Span is a span that has begun.
type Span interface {
	// End ends the span, with nil for a success. With interrupted the error only
	// comes from the end of the load.
	End(err error, interrupted bool)

	// ID names the span for a log, or is "" if nobody will see it.
	ID() string
}

// trace begins a span, or none: the span is nil then.
func (r *Run) trace(ctx context.Context, info SpanInfo) (context.Context, Span) {
	if r.plan.Tracer == nil {
		return ctx, nil
	}
	info.RunID = r.plan.RunID
	return r.plan.Tracer.Start(ctx, info)
}

func endSpan(s Span, err error, interrupted bool) {
	if s != nil {
		s.End(err, interrupted)
	}
}

// beginSpan begins the scenario's span, unless it has one.
func (s *scenarioRun) beginSpan() {
	if s.span == nil {
		_, s.span = s.run.trace(s.run.loadCtx, SpanInfo{Kind: SpanScenario, Name: s.Name, Scenario: s.Name, User: -1, Iteration: -1})
	}
}

// trace begins a span of a user.
func (s *scenarioRun) trace(ctx context.Context, u *user, kind SpanKind) (context.Context, Span) {
	if s.run.plan.Tracer == nil {
		return ctx, nil
	}
	info := SpanInfo{Kind: kind, Name: s.Name, Scenario: s.Name, User: u.index, Iteration: -1, Of: s.span}
	switch kind {
	case SpanIteration:
		info.Iteration, info.Intended = u.rec.iteration, u.rec.Intended()
	case SpanCleanup:
		info.Of = s.run.span
	}
	return s.run.trace(ctx, info)
}

// endTraced ends a user's span. Where it failed, the user's log says where to
// look.
func (u *user) endTraced(s Span, err error, interrupted bool) {
	if s == nil {
		return
	}
	if err != nil && !interrupted {
		if id := s.ID(); id != "" {
			u.rec.Logf("%s", id)
		}
	}
	s.End(err, interrupted)
}

// doTraced is Do with a span.
func (r *Recorder) doTraced(ctx context.Context, a Action, f func(context.Context) error) (start, end time.Duration, err error) {
	info := SpanInfo{Kind: SpanAction, Name: a.String(), Scenario: r.scenario.Name, User: r.user, Iteration: r.iteration}
	if r.metrics.Load() == r.scenario.setup {
		info.Iteration = -1
	}
	ctx, span := r.run.trace(ctx, info)
	returned := false
	defer func() { // also when f panics
		if !returned {
			span.End(errors.New("it did not return: a panic, or runtime.Goexit"), false)
		}
	}()
	start = r.run.now()
	err = f(ctx)
	end = r.run.now()
	returned = true
	span.End(err, err != nil && r.isCut(err))
	if err == nil {
		r.exemplify(span, a, end, end-start)
	}
	return start, end, err
}

// verdictError is what a run's span ends with.
func verdictError(res *Result) error {
	if res.Verdict == Pass {
		return nil
	}
	if len(res.Reasons) == 0 {
		return errors.New(string(res.Verdict))
	}
	return fmt.Errorf("%s: %s", res.Verdict, res.Reasons[0])
}
