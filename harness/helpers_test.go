package harness_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

var (
	work      = harness.NewAction("work")
	testBytes = harness.NewCounter("test_bytes")

	errBroken = errors.New("it is broken")
)

// fake is a runner of functions; those that are nil do nothing.
type fake struct {
	setup, run func(context.Context, *harness.Recorder) error
	cleanup    func(context.Context) error
}

func (f fake) Setup(ctx context.Context, rec *harness.Recorder) error {
	if f.setup == nil {
		return nil
	}
	return f.setup(ctx, rec)
}

func (f fake) Run(ctx context.Context, rec *harness.Recorder) error {
	if f.run == nil {
		return nil
	}
	return f.run(ctx, rec)
}

func (f fake) Cleanup(ctx context.Context) error {
	if f.cleanup == nil {
		return nil
	}
	return f.cleanup(ctx)
}

// sleep is a person who waits, unless ctx is done before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		// Many timers that are over when they are made, looked at side by side in a
		// bubble, crash the race detector of Go 1.26: they share a context of its.
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takes is a runner whose one action takes a time.
func takes(d time.Duration) harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		return rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, d) })
	})
}

// all gives every user the same runner.
func all(r harness.Runner) func(int) (harness.Runner, error) {
	return func(int) (harness.Runner, error) { return r, nil }
}

// planOf is a plan of one scenario.
func planOf(s harness.Schedule, r harness.Runner, thresholds ...harness.Threshold) harness.Plan {
	return harness.Plan{
		RunID: "test", Seed: 1, MaxFailures: 1 << 30, // verdicts have tests of their own
		Scenarios: []harness.Scenario{{Name: "s", Schedule: s, Runner: all(r), Thresholds: thresholds}},
	}
}

// run does a run to its end, and holds what is true of every result.
func run(t *testing.T, p harness.Plan) *harness.Result {
	t.Helper()
	return wait(t, start(t, p))
}

func start(t *testing.T, p harness.Plan) *harness.Run {
	t.Helper()
	r, err := harness.Start(t.Context(), p)
	require.NoError(t, err)
	return r
}

func wait(t *testing.T, r *harness.Run) *harness.Result {
	t.Helper()
	res := r.Wait()
	for _, s := range res.Scenarios {
		requireSums(t, s)
	}
	return res
}

// requireSums holds a scenario to what must always add up.
func requireSums(t *testing.T, s harness.ScenarioResult) {
	t.Helper()
	started, failed, dropped := int64(0), int64(0), int64(0)
	successes, failures, totals := map[string]uint64{}, map[string]int64{}, map[string]int64{}
	part := func(it harness.Iterations, iteration harness.ActionResult, actions map[string]harness.ActionResult, counted map[string]int64) {
		requireIterations(t, it, iteration)
		started, failed, dropped = started+it.Started, failed+it.Failed, dropped+it.Dropped
		for name, a := range actions {
			successes[name] += a.Count
			failures[name] += a.Errors
		}
		for name, n := range counted {
			totals[name] += n
		}
	}
	part(s.Iterations, s.Iteration, s.Actions, s.Counters)
	for _, p := range []*harness.Part{s.WarmUp, s.CoolDown} {
		if p != nil {
			part(p.Iterations, p.Iteration, p.Actions, p.Counters)
			require.GreaterOrEqual(t, p.Seconds, 0.0)
		}
	}
	requireTimeline(t, s, started, failed, dropped, successes, failures, totals)
	require.GreaterOrEqual(t, s.LoadSeconds, 0.0)
}

func requireIterations(t *testing.T, it harness.Iterations, iteration harness.ActionResult) {
	t.Helper()
	require.Equal(t, it.Started, it.Succeeded+it.Failed+it.Interrupted, "%+v", it)
	require.Equal(t, uint64(it.Succeeded), iteration.Count, "an iteration's time is recorded when it succeeded")
	require.Equal(t, it.Failed, iteration.Errors)
}

// requireTimeline holds the seconds to the sums of all parts.
func requireTimeline(t *testing.T, s harness.ScenarioResult, started, failed, dropped int64, successes map[string]uint64, failures, totals map[string]int64) {
	t.Helper()
	var sum harness.Second
	counts, errs, counters, span := map[string]uint64{}, map[string]int64{}, map[string]int64{}, 0.0
	for _, sec := range s.Timeline {
		sum.Started += sec.Started
		sum.Failed += sec.Failed
		sum.Dropped += sec.Dropped
		span += sec.Span
		for name, a := range sec.Actions {
			counts[name] += a.Count
			errs[name] += a.Errors
		}
		for name, n := range sec.Counters {
			counters[name] += n
		}
	}
	require.Equal(t, started, sum.Started, "the seconds add up to the iterations started")
	require.Equal(t, failed, sum.Failed, "the seconds add up to the iterations failed")
	require.Equal(t, dropped, sum.Dropped, "the seconds add up to the iterations dropped")
	for name, n := range successes {
		require.Equal(t, n, counts[name], "the seconds add up to the successes of %s", name)
		require.Equal(t, failures[name], errs[name], "the seconds add up to the errors of %s", name)
	}
	for name, n := range totals {
		require.Equal(t, n, counters[name], "the seconds add up to %s", name)
	}
}

// starts notes who started when, since the bubble's beginning.
type starts struct {
	mu     sync.Mutex
	epoch  time.Time
	list   []startOf
	active int
	most   int // at a time
}

type startOf struct {
	user int
	at   time.Duration
}

func newStarts() *starts { return &starts{epoch: time.Now()} }

// around wraps a runner.
func (s *starts) around(r harness.Runner) harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		s.mu.Lock()
		s.list = append(s.list, startOf{rec.User(), time.Since(s.epoch)})
		s.active++
		s.most = max(s.most, s.active)
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			s.active--
			s.mu.Unlock()
		}()
		return r.Run(ctx, rec)
	})
}

// now is how many run.
func (s *starts) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

func (s *starts) users() (users []int) {
	for _, st := range s.list {
		users = append(users, st.user)
	}
	return users
}

func (s *starts) at() (at []time.Duration) {
	for _, st := range s.list {
		at = append(at, st.at)
	}
	return at
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// stubborn ignores its context until release is closed.
func stubborn(release <-chan struct{}) func(context.Context, *harness.Recorder) error {
	return func(context.Context, *harness.Recorder) error {
		<-release
		return nil
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func within(t *testing.T, want, got, share float64, what string, args ...any) {
	t.Helper()
	require.InDelta(t, want, got, share*want, fmt.Sprintf(what, args...))
}
