package harness_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func explode() { panic("the runner fell over") }

func TestPanicIsAFailedIterationWithItsStackAndTheOthersGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(3), nil)
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				rec.Logf("user %d is here", user)
				if user == 1 {
					explode()
				}
				return sleep(ctx, time.Second)
			}), nil
		}
		res := run(t, p)
		s := res.Scenarios[0]
		require.Equal(t, harness.Iterations{Started: 3, Succeeded: 2, Failed: 1}, s.Iterations)
		require.Len(t, s.Failures, 1)
		f := s.Failures[0]
		require.Equal(t, "panic: the runner fell over", f.Error)
		require.Equal(t, 1, f.User)
		require.Equal(t, "load", f.Phase)
		require.Contains(t, f.Stack, "harness_test.explode")
		require.Contains(t, f.Log, "user 1 is here")
	})
}

func TestPanicInEveryPhaseIsCaught(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), fake{setup: func(context.Context, *harness.Recorder) error { panic(errBroken) }})
		res := run(t, p)
		require.Equal(t, harness.Error, res.Verdict)
		require.Equal(t, "panic: it is broken", res.Scenarios[0].Failures[0].Error)
		require.Equal(t, "setup", res.Scenarios[0].Failures[0].Phase)

		res = run(t, planOf(harness.AllAtOnce(1), fake{cleanup: func(context.Context) error { panic(nil) }}))
		require.Equal(t, harness.Error, res.Verdict)
		require.Contains(t, res.Cleanup.Failures[0].Error, "panic called with nil argument")
	})
}

func TestGoexitIsAFailedIterationAndNotAHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(1), fake{run: func(context.Context, *harness.Recorder) error {
			runtime.Goexit() // what a test's FailNow does
			return nil
		}}))
		require.EqualValues(t, 1, res.Scenarios[0].Iterations.Failed)
		require.Contains(t, res.Scenarios[0].Failures[0].Error, "runtime.Goexit")
	})
}

func lost(ch <-chan struct{}) { <-ch }

func TestRunnerThatIgnoresItsContextIsAbandonedAndReportedWithItsStack(t *testing.T) {
	for phase, makeFake := range map[string]func(<-chan struct{}) fake{
		"setup": func(ch <-chan struct{}) fake {
			return fake{setup: func(context.Context, *harness.Recorder) error { lost(ch); return nil }}
		},
		"load": func(ch <-chan struct{}) fake {
			return fake{run: func(context.Context, *harness.Recorder) error { lost(ch); return nil }}
		},
		"cleanup": func(ch <-chan struct{}) fake {
			return fake{cleanup: func(context.Context) error { lost(ch); return nil }}
		},
	} {
		t.Run(phase, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				p := planOf(harness.AllAtOnce(5), nil)
				p.JobTimeout, p.SetupTimeout, p.CleanupJobTimeout, p.Grace = time.Minute, time.Minute, time.Minute, 7*time.Second
				p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
					if user == 3 {
						return makeFake(release), nil
					}
					return fake{}, nil
				}
				before := time.Now()
				res := run(t, p)
				require.Equal(t, 67*time.Second, time.Since(before), "the timeout and the grace period")
				failures := append(res.Scenarios[0].Failures, res.Cleanup.Failures...)
				require.Len(t, failures, 1)
				f := failures[0]
				require.Equal(t, 3, f.User)
				require.Equal(t, phase, f.Phase)
				require.Contains(t, f.Error, "stuck: it did not return after its context was done")
				require.Contains(t, f.Error, "timeout is over", "why it should have ended")
				require.Contains(t, f.Stack, "harness_test.lost", "where it is")
				it := res.Scenarios[0].Iterations
				if phase == "setup" {
					require.Equal(t, harness.Iterations{Started: 4, Succeeded: 4, SetupFailed: 1, Stuck: 1}, it)
				} else if phase == "load" {
					require.Equal(t, harness.Iterations{Started: 5, Succeeded: 4, Failed: 1, Stuck: 1}, it)
					require.Contains(t, strings.Join(res.Reasons, "\n"), "s: stuck after their time was over: 1 user")
				} else {
					require.EqualValues(t, 1, res.Cleanup.Failed)
					require.EqualValues(t, 4, res.Cleanup.Cleaned)
				}
			})
		})
	}
}

func TestAThousandStuckRunnersAreReportedOnceTheirTimeIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.AllAtOnce(1000), fake{run: stubborn(release)})
		p.JobTimeout = time.Second
		res := run(t, p)
		s := res.Scenarios[0]
		require.EqualValues(t, 1000, s.Iterations.Stuck)
		require.Len(t, s.Failures, 100)
		require.Equal(t, 900, s.MoreFailures)
		for _, f := range s.Failures {
			require.Contains(t, f.Stack, "stubborn")
		}
	})
}

func TestStuckRunnerMayGoOnRecordingWithoutChangingTheResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release, after := make(chan struct{}), make(chan struct{})
		p := planOf(harness.AllAtOnce(2), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			if rec.User() == 0 {
				return nil
			}
			<-release
			for range 1000 {
				_ = rec.Do(ctx, work, func(context.Context) error { return nil })
				rec.Add(testBytes, 1)
				rec.Logf("still here")
				rec.Warn("still here")
			}
			close(after)
			return errBroken
		}})
		p.JobTimeout = time.Second
		r := start(t, p)
		time.Sleep(6 * time.Second) // just as it is given up
		close(release)
		res := wait(t, r)
		<-after
		require.Equal(t, harness.Iterations{Started: 2, Succeeded: 1, Failed: 1, Stuck: 1}, res.Scenarios[0].Iterations)
	})
}

func TestRunnerThatIsOnlySlowToNoticeItsTimeoutIsNotStuck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), fake{run: func(ctx context.Context, _ *harness.Recorder) error {
			<-ctx.Done()
			time.Sleep(4 * time.Second)
			return fmt.Errorf("gave up: %w", context.Cause(ctx))
		}})
		p.JobTimeout = time.Second
		res := run(t, p)
		require.Equal(t, harness.Iterations{Started: 1, Failed: 1}, res.Scenarios[0].Iterations)
		require.Equal(t, "gave up: the iteration's timeout is over", res.Scenarios[0].Failures[0].Error)
	})
}

func TestErrorsOfRunnersCanBeToldApart(t *testing.T) {
	var err error = &harness.StuckError{Cause: errBroken}
	require.ErrorIs(t, err, errBroken)
	_, ok := errors.AsType[*harness.PanicError](error(&harness.PanicError{Value: 1}))
	require.True(t, ok)
}
