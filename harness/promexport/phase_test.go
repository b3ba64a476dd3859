package promexport_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/promexport"
)

// now are the values of a label whose series is 1.
func now(t *testing.T, e *promexport.Exporter, name, label string) (on []string) {
	t.Helper()
	families := gather(t, e)
	if families[name] == nil {
		return nil
	}
	for _, m := range families[name].Metric {
		for _, l := range m.Label {
			if l.GetName() == label && m.GetGauge().GetValue() == 1 {
				on = append(on, l.GetValue())
			}
		}
	}
	return on
}

func TestARunIsInOnePhaseAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := promexport.New(everything)
		require.NoError(t, err)
		var phases, states []string
		p := plan(5, e.Observe)
		p.Baseline = time.Second
		p.Disruptions = []harness.Disruption{{
			Name: "blink", At: 3 * time.Second, For: 500 * time.Millisecond,
			Do: func(context.Context) error { return nil }, Undo: func(context.Context) error { return nil },
		}}
		p.Scenarios[0].Runner = func(int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(context.Context) error { time.Sleep(10 * time.Millisecond); return nil })
			}), nil
		}
		p.Scenarios[0].Schedule = harness.ConstantArrivals(20, 20*time.Second, 20)
		p.OnPhase = func(phase string) {
			e.Phase(phase)
			phases = append(phases, now(t, e, "x_phase", "phase")...)
			states = append(states, now(t, e, "x_disruption", "state")...)
		}
		run, err := harness.Start(t.Context(), p)
		require.NoError(t, err)
		run.Wait()
		assert.Equal(t, []string{"baseline", "setup", "load", "load", "load", "load", "cleanup", "done"}, phases, "a disruption is part of the load")
		assert.Equal(t, []string{"active", "undone", "recovered", "recovered", "recovered"}, states)
		assert.Len(t, gather(t, e)["x_phase"].Metric, 5, "0 for the others, or nobody sees the end of a phase")
		assert.Len(t, gather(t, e)["x_disruption"].Metric, 3)
	})
}

func TestPhasesOfSomebodyElseMakeNoSeries(t *testing.T) {
	e, err := promexport.New(promexport.Config{MaxNames: 3})
	require.NoError(t, err)
	e.Phase("lunch")
	assert.Empty(t, gather(t, e))
	for i := range 1000 {
		e.Phase(fmt.Sprintf("disruption d%d", i))
	}
	e.Phase("recovered from d0")
	e.Phase("recovered from d999")
	assert.Len(t, gather(t, e)["scaletest_disruption"].Metric, 3*3)
	assert.ElementsMatch(t, []string{"recovered", "active", "active"}, now(t, e, "scaletest_disruption", "state"))
}
