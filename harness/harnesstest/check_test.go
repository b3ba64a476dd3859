package harnesstest_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
)

// findings are those of a subject.
func findings(t *testing.T, s harnesstest.Subject) (out []*harnesstest.Finding) {
	t.Helper()
	err := harnesstest.Find(t.Context(), s)
	if err == nil {
		return nil
	}
	all, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%v", err)
	for _, err := range all.Unwrap() {
		f, ok := errors.AsType[*harnesstest.Finding](err)
		require.True(t, ok, "%v", err)
		t.Logf("%v", f)
		out = append(out, f)
	}
	return out
}

func TestARunnerThatKeepsThePromisesPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Empty(t, findings(t, clerks(t, none, nil)))
	})
	synctest.Test(t, func(t *testing.T) {
		require.Empty(t, findings(t, clerks(t, tags, nil)))
	})
}

func TestWhatIsWrongWithARunnerIsFound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flaw  flaw
		check harnesstest.Check // the first finding's
		want  string            // in it
		only  bool              // there is no finding of another check
	}{
		{"it sleeps on when its context is done", waitsForNobody, harnesstest.Stops, "Run, in ", true},
		{"it asks without its context", asksWithoutContext, harnesstest.Silence, "the run was stopped while the other side did not answer to operation", false},
		{"it asks without its context before the load", asksWithoutContextInSetup, harnesstest.Silence, "Setup, in ", true},
		{"it calls it a success when it was cut short", callsItDone, harnesstest.Stops, "Run returned nil", false},
		{"it never ends by itself", neverStops, harnesstest.Records, "cut short", true},
		{"it forgets to record", forgets, harnesstest.Records, "the action enrol, which the subject names, was not recorded", false},
		{"it forgets to count", forgetsToCount, harnesstest.Records, "the counter names, which the subject names, was not added to", true},
		{"it records what it does not name", forges, harnesstest.Records, "the action forgery was recorded, which the subject does not name", false},
		{"it keeps errors to itself", tellsNobody, harnesstest.Records, "was not recorded", false},
		{"its service time is longer than its response time", measuresBackwards, harnesstest.Records, "response time of enrol is 0.001", false},
		{"its times are longer than the run", measuresTooMuch, harnesstest.Records, "the whole run took", false},
		{"it records after it has returned", writesLate, harnesstest.Late, "the counter names was recorded after Run had returned", true},
		{"it leaves a goroutine", leavesAGoroutine, harnesstest.Leaks, "a goroutine of the runner was still there 5s after the cleanup, in harnesstest_test.(*clerk).run", true},
		{"it leaves a connection", leavesAConnection, harnesstest.Leaks, `1 connection is still open 5s after the cleanup: that of "dial the registry", dialed in Setup`, true},
		{"it notes what it made when it is answered", notesAfterwards, harnesstest.CleansUp, "after the cleanup this was left: 1 names", false},
		{"it notes what it made at the end", notesAtTheEnd, harnesstest.CleansUp, "after the cleanup this was left: 1 names", false},
		{"its cleanup ends at the first error", givesUpCleaning, harnesstest.CleansUp, "", false},
		{"its cleanup goes by the context of the load", cleansByItsContext, harnesstest.CleansUp, "Cleanup failed, though the other side was well", false},
		{"its cleanup fails when it never ran", needsARun, harnesstest.Unbegun, "it failed: there was no run", false},
		{"its cleanup keeps its errors to itself", hidesTheMess, harnesstest.Owns, "Cleanup returned nil, and this was left: ", true},
		{"its users share a name", sharesAName, harnesstest.Beside, "409 Conflict", true},
		{"it panics at errors", panicsAtErrors, harnesstest.Panics, "Run panicked: POST ", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				found := findings(t, clerks(t, tt.flaw, release))
				require.NotEmpty(t, found)
				byCheck := map[harnesstest.Check]string{}
				for _, f := range found {
					byCheck[f.Check] += f.Error() + "\n"
				}
				require.Contains(t, byCheck[tt.check], tt.want)
				if tt.only {
					require.Len(t, byCheck, 1)
				}
			})
		})
	}
}

func TestADescriptorThatIsLeftOpenIsFound(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("this system does not tell which descriptors are open")
	}
	defer func() {
		for _, f := range leftOpen {
			require.NoError(t, f.Close())
		}
		leftOpen = nil
	}()
	s := clerks(t, leavesADescriptor, nil)
	s.Soon, s.Points, s.Users = 200*time.Millisecond, 1, 1
	s.Exempt = map[harnesstest.Check]string{harnesstest.Beside: "it is of one user at a time"}
	found := findings(t, s)
	require.NotEmpty(t, found)
	require.Equal(t, harnesstest.Leaks, found[0].Check)
	require.Contains(t, found[0].What, "left a descriptor open")
}

func TestARunnerThatStaysIsHeldToTheEndOfTheLoad(t *testing.T) {
	stays := func(s *harnesstest.Subject, end func(context.Context, *harness.Recorder) error) {
		s.Hold = time.Second
		s.Actions, s.Counters = nil, nil
		s.New = func(env *harnesstest.Env) (func(int) (harness.Runner, error), error) {
			return func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
					if err := env.Do(ctx, "hello", func(context.Context) error { return nil }); err != nil {
						return err
					}
					return end(ctx, rec)
				}), nil
			}, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var s harnesstest.Subject
		stays(&s, func(ctx context.Context, rec *harness.Recorder) error {
			select {
			case <-rec.Done():
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		require.Empty(t, findings(t, s))
		stays(&s, func(ctx context.Context, _ *harness.Recorder) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		found := findings(t, s)
		require.Len(t, found, 1)
		require.Equal(t, harnesstest.Done, found[0].Check)
		require.Contains(t, found[0].What, "Run had not returned 5s after the load of 1s had ended")
	})
}
