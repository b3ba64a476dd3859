package harness_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestUsersWhoDidNotGetReadyDoNotRunAndTheOthersDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		p := planOf(harness.AllAtOnce(10), nil)
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			return fake{
				setup: func(_ context.Context, rec *harness.Recorder) error {
					rec.Logf("getting ready")
					if user%2 == 1 {
						return errBroken
					}
					return nil
				},
				run: st.around(takes(time.Second)).Run,
			}, nil
		}
		s := run(t, p).Scenarios[0]
		require.EqualValues(t, 5, s.Ready)
		require.EqualValues(t, 5, s.Iterations.SetupFailed)
		require.ElementsMatch(t, []int{0, 2, 4, 6, 8}, st.users())
		require.Len(t, s.Failures, 5)
		require.Equal(t, "setup", s.Failures[0].Phase)
		require.Contains(t, s.Failures[0].Log, "getting ready")
	})
}

func TestSetupTakesSomeAtATimeAndIsNotPartOfTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var active, most atomic.Int64
		p := planOf(harness.AllAtOnce(9), fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				most.Store(max(most.Load(), active.Add(1)))
				defer active.Add(-1)
				rec.Add(testBytes, 1)
				return takes(10*time.Second).Run(ctx, rec)
			},
			run: takes(time.Second).Run,
		})
		p.Scenarios[0].SetupAtATime = 2
		s := run(t, p).Scenarios[0]
		require.EqualValues(t, 2, most.Load())
		require.InDelta(t, 1, s.LoadSeconds, 1e-6)
		require.EqualValues(t, 9, s.Setup["work"].Count)
		within(t, 10, s.Setup["work"].Response.Max, 1e-6, "from the beginning of its own setup")
		require.EqualValues(t, 9, s.Actions["work"].Count)
		within(t, 1, s.Actions["work"].Response.Max, 1e-6, "from the beginning of the load")
		require.Empty(t, s.Counters)
	})
}

func TestSetupThatTakesTooLongFailsThatUserAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(3), fake{setup: func(ctx context.Context, rec *harness.Recorder) error {
			if rec.User() == 2 {
				return sleep(ctx, time.Hour)
			}
			return nil
		}})
		p.SetupTimeout = time.Minute
		s := run(t, p).Scenarios[0]
		require.EqualValues(t, 2, s.Iterations.Succeeded)
		require.EqualValues(t, 1, s.Iterations.SetupFailed)
		require.Equal(t, "context deadline exceeded", s.Failures[0].Error)
	})
}

func TestNobodyReadyIsAnErrorThatSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(3), fake{setup: func(context.Context, *harness.Recorder) error { return errBroken }})
		p.Scenarios[0].Thresholds = []harness.Threshold{harness.P99("work").Below(time.Second)}
		res := run(t, p)
		require.Equal(t, harness.Error, res.Verdict)
		require.Equal(t, "s: no user got ready: it is broken", res.Reasons[0])
		require.NotContains(t, strings.Join(res.Reasons, "\n"), "no samples", "there was no load to have any")
	})
}

func TestNobodyReadyBeforeThePlansTimeoutIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(3), fake{setup: func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Hour) }})
		p.Timeout = time.Minute
		res := run(t, p)
		require.Equal(t, harness.Error, res.Verdict)
		require.Equal(t, "s: no user got ready before the plan's timeout of 1m0s was over", res.Reasons[0])
	})
}

func TestGoroutineThatTheSetupLeftBehindRecordsIntoTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := run(t, planOf(harness.AllAtOnce(1), fake{
			setup: func(_ context.Context, rec *harness.Recorder) error {
				go func() {
					for range 5 {
						time.Sleep(time.Second)
						rec.Add(testBytes, 1)
						rec.Record(work, time.Second, time.Second, nil)
					}
				}()
				return nil
			},
			run: func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Minute) },
		})).Scenarios[0]
		require.EqualValues(t, 5, s.Counters["test_bytes"])
		require.EqualValues(t, 5, s.Actions["work"].Count)
	})
}
