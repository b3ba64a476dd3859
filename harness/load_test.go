package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestDoneIsClosedAtTheEndOfTheScenariosOwnLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		epoch := time.Now()
		ended := map[string]time.Duration{}
		p := harness.Plan{}
		for name, length := range map[string]time.Duration{"short": 10 * time.Second, "long": time.Minute} {
			p.Scenarios = append(p.Scenarios, harness.Scenario{
				Name: name, Schedule: harness.AllAtOnce(1).Hold(length),
				Runner: all(fake{
					run: func(_ context.Context, rec *harness.Recorder) error { <-rec.Done(); return nil },
					cleanup: func(context.Context) error {
						return nil
					},
				}),
				StartAfter: time.Second,
			})
		}
		for _, s := range run(t, p).Scenarios {
			ended[s.Name] = seconds(s.LoadSeconds)
		}
		require.Equal(t, map[string]time.Duration{"short": 10 * time.Second, "long": time.Minute}, ended)
		require.Equal(t, 61*time.Second, time.Since(epoch))
	})
}

func TestIterationsMayFinishInTheGracefulStopTimeAfterTheLoadsOwnEnd(t *testing.T) {
	for took, want := range map[time.Duration]harness.Iterations{
		14 * time.Second: {Started: 1, Succeeded: 1},
		16 * time.Second: {Started: 1, Interrupted: 1},
	} {
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(1).Hold(10*time.Second), takes(took))
			p.GracefulStop = 5 * time.Second
			res := run(t, p)
			require.Equal(t, want, res.Scenarios[0].Iterations)
			require.Equal(t, harness.Pass, res.Verdict, "the load has ended by itself: %v", res.Reasons)
			require.InDelta(t, min(took.Seconds(), 15), res.Scenarios[0].LoadSeconds, 1e-6)
		})
	}
}

func TestScenarioThatEndedBeforeThePlansTimeoutWasNotCutShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// Three arrivals in 40 s: the last one is served at 31 s.
		p := planOf(harness.ConstantArrivals(0.07, 40*time.Second, 1), takes(time.Second))
		long := p.Scenarios[0]
		long.Name, long.Schedule, long.Runner = "long", harness.OneByOne(100), all(takes(time.Second))
		p.Scenarios = append(p.Scenarios, long)
		p.Timeout = 45500 * time.Millisecond
		res := run(t, p)
		require.Equal(t, []string{"long: the plan's timeout of 45.5s was over before the load: 45 iterations had ended, 1 were cut short"}, res.Reasons)
	})
}

func TestTimeoutCutsTheLoadShortAlsoWhenRunnersIgnoreIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.AllAtOnce(2).Hold(8*time.Second), fake{
			setup: func(context.Context, *harness.Recorder) error { time.Sleep(4 * time.Second); return nil },
			run:   stubborn(release),
		})
		p.Timeout, p.Grace = 8*time.Second, 10*time.Second
		res := run(t, p)
		require.Equal(t, harness.Fail, res.Verdict)
		require.Contains(t, res.Reasons[0], "the plan's timeout of 8s was over before the load")
		require.EqualValues(t, 2, res.Scenarios[0].Iterations.Stuck)
	})
}

func TestWhatAStuckRunnerRecordsAfterItsScenarioEndedChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		p := planOf(harness.AllAtOnce(1), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			rec.Add(testBytes, 1)
			<-release
			rec.Add(testBytes, 1000)
			return nil
		}})
		p.JobTimeout = 10 * time.Second
		long := p.Scenarios[0]
		long.Name, long.Schedule, long.Runner = "long", harness.OneByOne(5), all(takes(9*time.Second))
		p.Scenarios = append(p.Scenarios, long)
		r := start(t, p)
		time.Sleep(30 * time.Second)
		close(release)
		res := wait(t, r) // also holds the timeline to the totals
		require.EqualValues(t, 1, res.Scenarios[0].Counters["test_bytes"])
		require.Greater(t, len(res.Scenarios[0].Timeline), 40)
	})
}
