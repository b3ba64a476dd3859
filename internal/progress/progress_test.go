package progress_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
	"github.com/coderscale/scaletest/traffic/histogram"
)

var work = harness.NewAction("work")

// source has had ten events.
type source struct{}

func (*source) Collect(c *harness.Collection) {
	var h histogram.Histogram
	h.Record(time.Second)
	c.Action(work, &h, &h, 0)
	c.Dropped(10, 1)
}

func TestTheEndKeepsWhatAResultDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := progress.New(10)
		require.Equal(t, progress.State{Verdict: "running"}, r.Now())
		run, err := harness.Start(t.Context(), harness.Plan{
			RunID: "ab12", OnSnapshot: r.Observe, OnPhase: r.Phase, MaxFailures: 1 << 30,
			Scenarios: []harness.Scenario{{
				Name: "people", Schedule: harness.AllAtOnce(1).Hold(3 * time.Second),
				Runner: func(int) (harness.Runner, error) {
					s := &source{}
					return harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
						rec.Observe(s)
						<-rec.Done()
						return nil
					}), nil
				},
			}},
		})
		require.NoError(t, err)
		res := run.Wait()
		require.False(t, r.Final())
		before := r.Now()
		require.Equal(t, "running", before.Verdict)
		r.Finish(res)
		r.Observe(harness.Snapshot{RunID: "late"})
		end := r.Now()
		require.True(t, r.Final())
		require.Equal(t, "ab12", end.RunID)
		require.Equal(t, string(res.Verdict), end.Verdict)
		require.Equal(t, "done", end.Phase)
		require.EqualValues(t, 10, end.Scenarios[0].EventsIntended)
		require.EqualValues(t, 1, end.Scenarios[0].EventsDropped)
		require.Equal(t, before.Scenarios[0].Actions["work"].Response.Count(), end.Scenarios[0].Actions["work"].Response.Count())
	})
}
