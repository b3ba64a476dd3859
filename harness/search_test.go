package harness_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// oracle is a deployment of which each probe takes a minute, and asks once
// whether its load holds.
type oracle struct {
	holds  func(load float64) bool
	loads  []float64 // probed
	plan   func(load float64, p *harness.Plan)
	breaks func(ctx context.Context) error // what a load that is too much does; nil returns an error
}

func (o *oracle) search(from, to float64) harness.Search {
	return harness.Search{From: from, To: to, Plan: func(load float64) (harness.Plan, error) {
		run := func(ctx context.Context, rec *harness.Recorder) error {
			o.loads = append(o.loads, load)
			return rec.Do(ctx, work, func(ctx context.Context) error {
				holds := o.holds(load)
				if err := sleep(ctx, time.Minute); err != nil || holds {
					return err
				}
				if o.breaks != nil {
					return o.breaks(ctx)
				}
				return errBroken
			})
		}
		p := harness.Plan{Name: "oracle", MaxFailures: 1 << 30, Scenarios: []harness.Scenario{{
			Name: "s", Runner: all(fake{run: run}), Schedule: harness.AllAtOnce(1).Lasting(time.Minute),
			Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
		}}}
		if o.plan != nil {
			o.plan(load, &p)
		}
		return p, nil
	}}
}

// upTo is an oracle with a limit.
func upTo(limit float64) *oracle {
	return &oracle{holds: func(load float64) bool { return load <= limit }}
}

// find carries a search out, and holds what is true of every limit.
func find(t *testing.T, s harness.Search) *harness.Limit {
	t.Helper()
	l, err := harness.FindLimit(t.Context(), s)
	require.NoError(t, err)
	requireLimit(t, l)
	return l
}

func requireLimit(t *testing.T, l *harness.Limit) {
	t.Helper()
	require.NotEmpty(t, l.Stopped)
	require.NotEmpty(t, l.Reason)
	require.False(t, l.EndedAt.Before(l.StartedAt))
	require.True(t, l.Breaks == 0 || l.Holds < l.Breaks, "%v", l)
	for i, p := range l.Probes {
		require.Equal(t, i+1, p.Number)
		require.NotEmpty(t, p.RunID)
		require.GreaterOrEqual(t, p.Load, l.From)
		require.LessOrEqual(t, p.Load, l.To)
	}
	for load, want := range map[float64]harness.Outcome{l.Holds: harness.Held, l.Breaks: harness.Broke} {
		n := 0
		for _, p := range l.At(load) {
			require.False(t, p.Check)
			if p.Outcome == want {
				n++
			}
		}
		require.True(t, load == 0 || 2*n > len(l.At(load)), "%s at %v: %+v", want, load, l.At(load))
	}
}

func TestSearchThatMakesNoSenseIsRefusedWithAllThatIsWrong(t *testing.T) {
	plan := upTo(1).search(1, 2).Plan
	for _, c := range []struct {
		search harness.Search
		want   []string
	}{
		{harness.Search{To: 1}, []string{"search: there is no Plan"}},
		{harness.Search{Plan: plan}, []string{"To is 0, want at least From, which is 1"}},
		{harness.Search{Plan: plan, From: -1, To: math.NaN(), Step: math.Inf(1)}, []string{"From is -1, want", "To is NaN, want", "Step is +Inf, want"}},
		{harness.Search{Plan: plan, From: 10.5, To: 20.5}, []string{"From is 10.5, want a multiple of Step, which is 1", "To is 20.5, want a multiple"}},
		{harness.Search{Plan: plan, To: 1e18}, []string{"To is 1e+18, too many steps of 1: want a larger Step"}},
		{harness.Search{Plan: plan, To: 9, Factor: 1, Precision: 1}, []string{"Factor is 1, want more than 1", "Precision is 1, want a share below 1"}},
		{harness.Search{Plan: plan, To: 9, Confidence: 1}, []string{"Confidence is 1, want at most 0.9999"}},
		{harness.Search{Plan: plan, To: 9, Repeats: 4}, []string{"Repeats is 4, too few for a confidence of 90 %: want more, or a lower Confidence"}},
		{harness.Search{Plan: plan, To: 9, Repeats: 1000}, []string{"Repeats is 1000, want at most 100"}},
		{harness.Search{Plan: plan, To: 9, Repeats: -1, Patience: -1, Budget: harness.Budget{Time: -1, Probes: -1}},
			[]string{"Repeats is negative", "Patience is negative", "Budget.Time is negative", "Budget.Probes is negative"}},
	} {
		limit, err := harness.FindLimit(t.Context(), c.search)
		require.Nil(t, limit)
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
	}
	for _, s := range []harness.Search{
		{Plan: plan, To: 1}, {Plan: plan, To: 12.5, Step: 0.1, Confidence: 0.9999}, {Plan: plan, To: 2, Confidence: 0.01, Rest: -1},
		{Plan: plan, From: 65536, To: 1 << 30, Step: 65536},
	} {
		require.NoError(t, s.Validate(), "%+v", s)
	}
}

func TestPlanThatCannotBeIsRefusedBeforeAnythingRuns(t *testing.T) {
	for _, c := range []struct {
		plan func(load float64) (harness.Plan, error)
		want string
	}{
		{func(load float64) (harness.Plan, error) {
			if load > 50 {
				return harness.Plan{}, errBroken
			}
			return upTo(1).search(1, 1).Plan(load)
		}, "search: the plan of 100 users: it is broken"},
		{func(float64) (harness.Plan, error) { return harness.Plan{}, nil }, "search: the plan of 100 users: the plan has no scenarios"},
		{func(load float64) (harness.Plan, error) {
			p, err := upTo(1).search(1, 1).Plan(load)
			p.RunID = "mine"
			return p, err
		}, `search: the plan of 100 users: its RunID is "mine", want none, because each probe is a run of its own`},
	} {
		limit, err := harness.FindLimit(t.Context(), harness.Search{From: 10, To: 100, Plan: c.plan, Run: func(context.Context, harness.Plan) (*harness.Result, error) {
			t.Error("it ran")
			return nil, errBroken
		}})
		require.Nil(t, limit)
		require.EqualError(t, err, c.want)
	}
}

func TestEdgeIsFound(t *testing.T) {
	for _, limit := range []float64{10, 11, 39, 40, 333, 4999} {
		bubble(t, func(t *testing.T) {
			l := find(t, upTo(limit).search(10, 5000))
			require.Equal(t, harness.StopFound, l.Stopped)
			require.LessOrEqual(t, l.Holds, limit)
			require.Greater(t, l.Breaks, limit)
			require.True(t, l.Breaks-l.Holds <= 1 || l.Breaks-l.Holds <= 0.05*l.Breaks, "%v", l)
			require.InDelta(t, 0.92, l.Confidence, 0.01)
			require.Len(t, l.At(l.Holds), 5)
			require.Len(t, l.At(l.Breaks), 5)
			require.Empty(t, l.Unclear)
			require.Equal(t, "oracle", l.Name)
		})
	}
}

func TestSearchThatEndsAtAnEndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := find(t, upTo(9).search(10, 5000))
		require.Equal(t, harness.StopFloor, l.Stopped)
		require.Equal(t, []float64{0, 10}, []float64{l.Holds, l.Breaks})
		require.Len(t, l.Probes, 5, "nothing is known to hold, so there is nothing to check by")
		require.Equal(t, "below 10 users, 96 % certain", l.String())

		l = find(t, upTo(5000).search(10, 5000))
		require.Equal(t, harness.StopCeiling, l.Stopped)
		require.Equal(t, []float64{5000, 0}, []float64{l.Holds, l.Breaks})
		require.Equal(t, "at least 5000 users, 96 % certain", l.String())
	})
}

func TestProbesThatDoNotAgreeAreSaidToBeUnclear(t *testing.T) {
	bubble(t, func(t *testing.T) {
		flip := map[float64]bool{}
		o := &oracle{holds: func(load float64) bool {
			if load >= 90 && load <= 110 {
				flip[load] = !flip[load]
				return flip[load]
			}
			return load < 100
		}}
		l := find(t, o.search(10, 1000))
		require.Equal(t, harness.StopUnclear, l.Stopped)
		require.NotEmpty(t, l.Unclear)
		require.Less(t, l.Holds, 90.0)
		require.Greater(t, l.Breaks, 110.0)
		require.GreaterOrEqual(t, l.Confidence, 0.9)
		require.Contains(t, l.Text(), "unclear     ")
		require.Contains(t, l.Reason, "do not agree")
	})
}

func TestPlanThatFailsOnTheWayEndsTheSearchWithWhatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := upTo(1000)
		s := o.search(10, 5000)
		plan := s.Plan
		s.Plan = func(load float64) (harness.Plan, error) {
			if load == 40 {
				return harness.Plan{}, errors.Join(errors.New("there are 30 workspaces only"), errBroken)
			}
			return plan(load)
		}
		l, err := harness.FindLimit(t.Context(), s)
		require.EqualError(t, err, "search: the plan of 40 users: there are 30 workspaces only\nit is broken")
		require.Equal(t, "search: the plan of 40 users: there are 30 workspaces only; it is broken", l.Reason)
		requireLimit(t, l)
		require.Equal(t, harness.StopError, l.Stopped)
		require.Equal(t, 20.0, l.Holds)
		require.Less(t, l.Confidence, 0.6, "a probe of one is hardly a proof")
	})
}

func TestCallerMayRunTheProbesAndKeepTheirResults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := upTo(50).search(10, 100)
		var ran, seen []string
		s.Run = func(ctx context.Context, plan harness.Plan) (*harness.Result, error) {
			plan.RunID = fmt.Sprint("probe-", len(ran)+1)
			ran = append(ran, plan.RunID)
			run, err := harness.Start(ctx, plan)
			if err != nil {
				return nil, err
			}
			return run.Wait(), nil
		}
		s.OnProbe = func(p harness.Probe, res *harness.Result) {
			require.Equal(t, p.RunID, res.RunID)
			require.Equal(t, p.Verdict, res.Verdict)
			seen = append(seen, p.RunID)
		}
		l := find(t, s)
		require.Equal(t, ran, seen)
		require.Len(t, l.Probes, len(ran))

		s.Run = func(context.Context, harness.Plan) (*harness.Result, error) { return nil, errBroken }
		l, err := harness.FindLimit(t.Context(), s)
		require.EqualError(t, err, "search: run 10 users: it is broken")
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, harness.StopError, l.Stopped)
	})
}
