package harness_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// tracer remembers spans.
type tracer struct {
	mu    sync.Mutex
	spans []*span
	blind bool // nobody will see them
}

type span struct {
	harness.SpanInfo
	tracer      *tracer
	number      int
	parent      *span // of the context
	ended       int
	err         error
	interrupted bool
}

type spanKey struct{}

func (tr *tracer) Start(ctx context.Context, info harness.SpanInfo) (context.Context, harness.Span) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	parent, _ := ctx.Value(spanKey{}).(*span)
	s := &span{SpanInfo: info, tracer: tr, number: len(tr.spans), parent: parent}
	tr.spans = append(tr.spans, s)
	return context.WithValue(ctx, spanKey{}, s), s
}

func (s *span) End(err error, interrupted bool) {
	s.tracer.mu.Lock()
	defer s.tracer.mu.Unlock()
	s.ended++
	s.err, s.interrupted = err, interrupted
}

func (s *span) ID() string {
	if s.tracer.blind {
		return ""
	}
	return fmt.Sprintf("span number %d", s.number)
}

// of are the spans of a kind, each ended once.
func (tr *tracer) of(t *testing.T, kind harness.SpanKind) (found []*span) {
	t.Helper()
	for _, s := range tr.spans {
		if s.Kind == kind {
			require.Equal(t, 1, s.ended, "%+v", s.SpanInfo)
			require.Equal(t, "test", s.RunID)
			found = append(found, s)
		}
	}
	return found
}

// traced is a user who does everything, and whose second iteration fails.
var traced = fake{
	setup: func(ctx context.Context, rec *harness.Recorder) error {
		return rec.Do(ctx, work, func(context.Context) error { return nil })
	},
	run: func(ctx context.Context, rec *harness.Recorder) error {
		return rec.Do(ctx, work, func(ctx context.Context) error {
			if _, ok := ctx.Value(spanKey{}).(*span); !ok {
				return errors.New("the action's context carries no span")
			}
			if rec.Iteration() == 1 {
				return errBroken
			}
			return sleep(ctx, 100*time.Millisecond)
		})
	},
	cleanup: func(context.Context) error { return nil },
}

func TestSpansAreATree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tr := &tracer{}
		p := planOf(harness.ConstantArrivals(1, 3*time.Second, 1), traced)
		p.Name, p.Tracer = "TestX", tr
		res := run(t, p)

		runs, scenarios := tr.of(t, harness.SpanRun), tr.of(t, harness.SpanScenario)
		require.Len(t, runs, 1)
		assert.Equal(t, "TestX", runs[0].Name)
		require.Len(t, scenarios, 1)
		assert.Equal(t, "s", scenarios[0].Name)
		assert.Same(t, runs[0], scenarios[0].parent)
		assert.NoError(t, scenarios[0].err)

		setups := tr.of(t, harness.SpanSetup)
		require.Len(t, setups, 1)
		iterations := tr.of(t, harness.SpanIteration)
		require.Len(t, iterations, 3)
		for _, s := range append(setups, iterations...) {
			assert.Same(t, scenarios[0], s.Of.(*span))
			assert.Equal(t, s.Kind == harness.SpanIteration, !s.Intended.IsZero())
			if s.Kind == harness.SpanIteration && s.Iteration == 1 {
				assert.ErrorIs(t, s.err, errBroken)
			} else {
				assert.NoError(t, s.err)
			}
			assert.False(t, s.interrupted)
		}
		actions := tr.of(t, harness.SpanAction)
		require.Len(t, actions, 4, "one before the load, and three of it")
		for _, a := range actions {
			assert.Equal(t, "work", a.Name)
			assert.Equal(t, a.User, a.parent.User)
			assert.Equal(t, a.Iteration, a.parent.Iteration, "-1 before the load")
			assert.Equal(t, a.Iteration == 1, a.err != nil)
		}
		cleanups := tr.of(t, harness.SpanCleanup)
		require.Len(t, cleanups, 1)
		assert.Same(t, runs[0], cleanups[0].Of.(*span))
		assert.NoError(t, runs[0].err, "failures are allowed here: %v", res.Reasons)
	})
}

func TestLogOfAFailedRunNamesItsSpan(t *testing.T) {
	for _, blind := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			tr := &tracer{blind: blind}
			p := planOf(harness.ConstantArrivals(1, 2*time.Second, 1), traced)
			p.Tracer = tr
			s := run(t, p).Scenarios[0]
			require.Len(t, s.Failures, 1)
			failed := tr.of(t, harness.SpanIteration)[1]
			if blind {
				assert.NotContains(t, s.Failures[0].Log, "span")
			} else {
				assert.Contains(t, s.Failures[0].Log, fmt.Sprintf("span number %d\n", failed.number))
				assert.NotContains(t, s.Failures[0].Log, fmt.Sprintf("span number %d\n", failed.number-2), "of one that succeeded")
			}
		})
	}
}

func TestSpansEndHoweverTheirWorkDoes(t *testing.T) {
	bubble(t, func(t *testing.T) { // by a panic, in the setup and in an action
		tr := &tracer{}
		p := planOf(harness.AllAtOnce(2), fake{
			setup: func(_ context.Context, rec *harness.Recorder) error {
				if rec.User() == 0 {
					panic("no")
				}
				return nil
			},
			run: func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(context.Context) error { panic("no") })
			},
			cleanup: func(context.Context) error { return errBroken },
		})
		p.Tracer = tr
		run(t, p)
		assert.ErrorContains(t, tr.of(t, harness.SpanSetup)[0].errOf(tr, harness.SpanSetup), "panic: no")
		assert.ErrorContains(t, tr.of(t, harness.SpanIteration)[0].err, "panic: no")
		assert.ErrorContains(t, tr.of(t, harness.SpanAction)[0].err, "a panic")
		assert.ErrorIs(t, tr.of(t, harness.SpanCleanup)[0].err, errBroken)
		assert.ErrorContains(t, tr.of(t, harness.SpanRun)[0].err, "error: the cleanup failed for 2 users")
	})
	bubble(t, func(t *testing.T) { // by the end of the load
		tr := &tracer{}
		p := planOf(harness.AllAtOnce(1).Hold(time.Second), takes(time.Hour))
		p.Tracer, p.GracefulStop = tr, time.Second
		run(t, p)
		assert.True(t, tr.of(t, harness.SpanIteration)[0].interrupted)
		assert.True(t, tr.of(t, harness.SpanAction)[0].interrupted)
	})
	bubble(t, func(t *testing.T) { // by a runner that can't be made
		tr := &tracer{}
		p := planOf(harness.AllAtOnce(1), nil)
		p.Tracer = tr
		_, err := harness.Start(t.Context(), p)
		require.Error(t, err)
		assert.Error(t, tr.of(t, harness.SpanRun)[0].err)
	})
}

// errOf is the error of the span of its kind that has one: which user's setup
// begins first is left open.
func (s *span) errOf(tr *tracer, kind harness.SpanKind) error {
	for _, other := range tr.spans {
		if other.Kind == kind && other.err != nil {
			return other.err
		}
	}
	return s.err
}
