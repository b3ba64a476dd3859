package harness_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// diary notes when scenarios do what.
type diary struct {
	epoch time.Time
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%v %s", time.Since(d.epoch), what))
}

// plan has three scenarios of 10 s each, whose setup takes a second.
func (d *diary) plan() harness.Plan {
	d.epoch = time.Now()
	p := harness.Plan{OnPhase: func(phase string) { d.note(phase) }}
	for _, name := range []string{"a", "b", "c"} {
		p.Scenarios = append(p.Scenarios, harness.Scenario{
			Name: name, Schedule: harness.AllAtOnce(1).Hold(10 * time.Second),
			Runner: all(fake{
				setup:   func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, time.Second) },
				run:     func(_ context.Context, rec *harness.Recorder) error { d.note(name); <-rec.Done(); return nil },
				cleanup: func(context.Context) error { return nil },
			}),
		})
	}
	return p
}

func TestScenariosOneAfterTheOtherBeginWhenTheOneBeforeHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		p := d.plan()
		p.Sequence, p.Baseline = true, time.Minute
		require.Equal(t, 3*70*time.Second, p.Length())
		var alone []string
		p.OnSnapshot = func(s harness.Snapshot) {
			for _, sec := range s.Scenarios {
				alone = append(alone, sec.Scenario)
			}
			require.LessOrEqual(t, len(s.Scenarios), 1)
		}
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict)
		require.Equal(t, []string{
			"0s baseline", "1m0s setup", "1m1s load", "1m1s a",
			"1m11s baseline", "2m11s setup", "2m12s load", "2m12s b",
			"2m22s baseline", "3m22s setup", "3m23s load", "3m23s c",
			"3m33s cleanup", "3m33s done",
		}, d.lines)
		require.Contains(t, alone, "c")
	})
}

func TestAStopDuringASequenceBeginsNoOtherScenario(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		p := d.plan()
		p.Sequence, p.Baseline = true, time.Minute
		r, err := harness.Start(t.Context(), p)
		require.NoError(t, err)
		time.Sleep(65 * time.Second)
		r.Stop()
		res := r.Wait()
		require.Equal(t, harness.Interrupted, res.Verdict)
		require.Equal(t, 65*time.Second, time.Since(d.epoch), "the rest of the plan is not waited for")
		require.Zero(t, res.Scenarios[1].Iterations.Started)
		require.Zero(t, res.Scenarios[2].Iterations.Started)
		require.NotContains(t, d.lines, "1m5s b")
	})
}

func TestStaggeredScenariosGetReadyWhenTheirTimeComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		p := d.plan()
		p.Stagger, p.Baseline = 3*time.Second, 30*time.Second
		require.Equal(t, 46*time.Second, p.Length())
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict)
		require.Equal(t, []string{
			"0s baseline", "30s setup", "31s load", "31s a", "35s b", "38s c", "48s cleanup", "48s done",
		}, d.lines)
	})
}

func TestASequenceCanNotBeStaggered(t *testing.T) {
	p := planOf(harness.AllAtOnce(1), fake{})
	p.Sequence, p.Stagger, p.Baseline = true, time.Second, -1
	require.ErrorContains(t, p.Validate(), "want at most one of the two")
	require.ErrorContains(t, p.Validate(), "Baseline is -1ns")
	p = planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{})
	p.Sequence, p.Baseline, p.Timeout = true, time.Second, time.Minute
	require.ErrorContains(t, p.Validate(), "longer than the plan's timeout")
}
