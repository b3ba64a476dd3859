package harness_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// replicas is a service whose users are spread over four of it.
type replicas struct {
	mu   sync.Mutex
	down [4]chan struct{} // closed when it is gone
}

func newReplicas() *replicas {
	r := &replicas{}
	for i := range r.down {
		r.down[i] = make(chan struct{})
	}
	return r
}

func (r *replicas) lose(n int) func(context.Context) error {
	return func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(r.down[n])
		return nil
	}
}

func (r *replicas) restore(n int) func(context.Context) error {
	return func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.down[n] = make(chan struct{})
		return nil
	}
}

func (r *replicas) at(n int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down[n]
}

// user types ten times a second over a connection. When that is lost, it comes
// back at the next replica after two seconds; 1000 bytes are missing then and 64
// came twice.
func (r *replicas) user() harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		conn := rec.Connected()
		defer conn.Close()
		var lost, repeated atomic.Int64
		conn.Account(func() (int64, int64) { return lost.Load(), repeated.Load() })
		at := rec.User() % 4
		gone := r.at(at)
		for !isDone(rec.Done()) {
			select {
			case <-gone:
				conn.Lost()
				rec.Record(work, time.Second, time.Second, errBroken)
				_ = sleep(ctx, 2*time.Second)
				lost.Add(1000)
				repeated.Add(64)
				at = (at + 1) % 4
				gone = r.at(at)
				conn.Restored()
				rec.Pause()
			default:
			}
			_ = rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, 100*time.Millisecond) })
		}
		return nil
	})
}

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestALostReplicaTakesAQuarterOfTheConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReplicas()
		p := planOf(harness.AllAtOnce(40).Hold(time.Minute), r.user(),
			harness.Rate("disconnects").In(harness.Before).AtMost(0),
			harness.Rate("disconnects").In(harness.During).AtMost(0.25),
			harness.Rate("disconnects").In(harness.During).Below(0.25),
			harness.Rate("disconnects").In(harness.After).AtMost(0),
			harness.Count("errors").In(harness.During).AtMost(10),
			harness.P99("work").In(harness.After).Below(110*time.Millisecond),
		)
		p.Disruptions = []harness.Disruption{{Name: "lose-replica", At: 20*time.Second + 50*time.Millisecond, Do: r.lose(1)}}
		var phases []string
		p.OnPhase = func(phase string) { phases = append(phases, phase) }
		res := run(t, p)
		require.Equal(t, []string{"setup", "load", "disruption lose-replica", "recovered from lose-replica", "cleanup", "done"}, phases)
		require.Len(t, res.Disruptions, 1)
		d := res.Disruptions[0]
		require.Equal(t, "lose-replica", d.Name)
		require.Empty(t, d.Error)
		within(t, 20.05, d.At, 0.001, "when")
		require.True(t, d.Recovered)
		require.InDelta(t, 3, d.RecoverySeconds, 1, "two seconds, by the second")
		s := d.Scenarios[0]
		require.Equal(t, "s", s.Name)
		require.Zero(t, s.Before.Connections.Lost)
		require.EqualValues(t, 40, s.During.Connections.Count)
		require.EqualValues(t, 10, s.During.Connections.Lost)
		require.Equal(t, 0.25, s.During.Connections.LostShare)
		require.EqualValues(t, 10, s.During.Connections.Restored)
		within(t, 2, s.During.Connections.Reconnect.P50, 0.01, "time to reconnect")
		require.Equal(t, &harness.PerConnection{Total: 10_000, Connections: 10, Mean: 1000, Max: 1000}, s.During.Connections.BytesLost)
		require.Equal(t, &harness.PerConnection{Total: 640, Connections: 10, Mean: 64, Max: 64}, s.During.Connections.BytesRepeated)
		require.Equal(t, &harness.PerConnection{}, s.After.Connections.BytesLost)
		require.Zero(t, s.After.Connections.Lost)
		require.InDelta(t, 60, s.Before.Seconds+s.During.Seconds+s.After.Seconds, 0.2)
		sum := s.Before.Actions["work"].Count + s.During.Actions["work"].Count + s.After.Actions["work"].Count
		require.Equal(t, res.Scenarios[0].Actions["work"].Count, sum, "each is in one part")
		require.EqualValues(t, 10, s.During.Actions["work"].Errors)

		passed := []bool{}
		for _, th := range res.Scenarios[0].Thresholds {
			passed = append(passed, th.Passed)
		}
		require.Equal(t, []bool{true, true, false, true, true, true}, passed, "%v", res.Scenarios[0].Thresholds)

		during := 0
		for _, sec := range res.Scenarios[0].Timeline {
			if sec.Phase == harness.During {
				during++
			}
		}
		require.InDelta(t, s.During.Seconds+3, during, 1.5, "it is known to be over three seconds later")
	})
}

func TestADisruptionLastsUntilItIsUndone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var slow atomic.Bool
		p := planOf(harness.AllAtOnce(10).Hold(time.Minute), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, work, func(ctx context.Context) error {
				if slow.Load() {
					return sleep(ctx, time.Second)
				}
				return sleep(ctx, 100*time.Millisecond)
			})
		}))
		p.Disruptions = []harness.Disruption{{
			Name: "throttle", At: 10 * time.Second, For: 15 * time.Second,
			Do:   func(context.Context) error { slow.Store(true); return nil },
			Undo: func(context.Context) error { slow.Store(false); return nil },
		}}
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		d := res.Disruptions[0]
		within(t, 15, d.Seconds, 0.01, "how long")
		require.True(t, d.Recovered)
		require.InDelta(t, 17, d.RecoverySeconds, 1.01, "not while it lasts")
		s := d.Scenarios[0]
		within(t, 0.1, s.Before.Actions["work"].Response.P99, 0.02, "before")
		within(t, 1, s.During.Actions["work"].Response.Max, 0.02, "during")
		within(t, 0.1, s.After.Actions["work"].Response.P99, 0.02, "after")
	})
}

func TestWhatIsNotRecoveredFromLastsToTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var down atomic.Bool
		p := planOf(harness.AllAtOnce(10).Hold(time.Minute), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			_ = sleep(ctx, 100*time.Millisecond)
			if down.Load() {
				return errBroken
			}
			return nil
		}}, harness.Count("iterations").In(harness.After).AtLeast(0))
		p.Disruptions = []harness.Disruption{{Name: "kill", At: 10 * time.Second, Do: func(context.Context) error { down.Store(true); return nil }}}
		res := run(t, p)
		d := res.Disruptions[0]
		require.False(t, d.Recovered)
		require.Zero(t, d.RecoverySeconds)
		require.InDelta(t, 50, d.Scenarios[0].During.Seconds, 1)
		require.Zero(t, d.Scenarios[0].After.Seconds)
		require.Equal(t, harness.Fail, res.Verdict)
		require.Contains(t, res.Scenarios[0].Thresholds[0].Message, "no samples")
	})
}

func TestDisruptionsFollowEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newReplicas()
		p := planOf(harness.AllAtOnce(40).Hold(time.Minute), r.user(), harness.Count("disconnects").In(harness.During).AtMost(20))
		p.Disruptions = []harness.Disruption{
			{Name: "first", At: 10 * time.Second, Do: r.lose(0), Undo: r.restore(0), For: 5 * time.Second},
			{Name: "second", At: 30 * time.Second, Do: r.lose(2)},
		}
		res := run(t, p)
		a, b := res.Disruptions[0], res.Disruptions[1]
		require.EqualValues(t, 10, a.Scenarios[0].During.Connections.Lost)
		require.EqualValues(t, 10, b.Scenarios[0].During.Connections.Lost)
		require.InDelta(t, 3, a.RecoverySeconds, 1, "its users are elsewhere before it is back")
		require.InDelta(t, 5, a.Scenarios[0].During.Seconds, 0.1, "but it is over when it is undone")
		require.Equal(t, a.Scenarios[0].After.Seconds, b.Scenarios[0].Before.Seconds)
		require.True(t, res.Scenarios[0].Thresholds[0].Passed, "the sum: %v", res.Scenarios[0].Thresholds[0])
	})
}

func TestAFailedDisruptionIsAnErrorAndIsUndone(t *testing.T) {
	for want, do := range map[string]func(ctx context.Context, hang <-chan struct{}) error{
		"disruption d: doing it: it is broken":                  func(context.Context, <-chan struct{}) error { return errBroken },
		"disruption d: doing it: panic: it is broken":           func(context.Context, <-chan struct{}) error { panic(errBroken) },
		"disruption d: doing it: the disruption's timeout is":   func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return context.Cause(ctx) },
		"disruption d: doing it: it did not return after its c": func(_ context.Context, hang <-chan struct{}) error { <-hang; return nil },
	} {
		bubble(t, func(t *testing.T) {
			hang := make(chan struct{})
			defer close(hang)
			undone := 0
			p := planOf(harness.AllAtOnce(1).Hold(2*time.Minute), takes(time.Second))
			p.Disruptions = []harness.Disruption{{Name: "d", At: time.Second, Do: func(ctx context.Context) error { return do(ctx, hang) }, Undo: func(context.Context) error { undone++; return nil }, Timeout: 10 * time.Second}}
			res := run(t, p)
			require.Equal(t, harness.Error, res.Verdict)
			require.Contains(t, res.Reasons[0], want)
			require.Equal(t, 1, undone)
			require.EqualValues(t, 120, res.Scenarios[0].Iterations.Succeeded, "the load goes on")
		})
	}
}

func TestADisruptionIsUndoneWhateverEndsTheLoad(t *testing.T) {
	for name, end := range map[string]func(*harness.Run){
		"stop": (*harness.Run).Stop, "abort": (*harness.Run).Abort, "the end": func(*harness.Run) {},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var undone atomic.Int64
				p := planOf(harness.AllAtOnce(1).Hold(time.Minute), takes(time.Second))
				p.Disruptions = []harness.Disruption{{
					Name: "d", At: 10 * time.Second, For: time.Hour,
					Do:   func(context.Context) error { return nil },
					Undo: func(ctx context.Context) error { undone.Add(1); return ctx.Err() },
				}}
				r := start(t, p)
				time.Sleep(20 * time.Second)
				end(r)
				res := wait(t, r)
				require.EqualValues(t, 1, undone.Load())
				require.Empty(t, res.Disruptions[0].Error)
			})
		})
	}
}

func TestADisruptionThatCannotHappenIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), takes(time.Second))
		p.Disruptions = []harness.Disruption{{Name: "late", At: time.Minute, Do: func(context.Context) error { return nil }}}
		res := run(t, p)
		require.Equal(t, harness.Error, res.Verdict)
		require.Equal(t, "disruption late did not happen: the load was over before", res.Reasons[0])
	})
}

func TestDisruptionsThatMakeNoSenseAreRefused(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	p := planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{})
	p.Disruptions = []harness.Disruption{
		{Name: "A b", At: -1, For: -1, Timeout: -1},
		{Name: "x", At: 10 * time.Second, For: 10 * time.Second, Do: nothing},
		{Name: "x", At: 15 * time.Second, Do: nothing},
		{Name: "y", At: 5 * time.Second, Do: nothing},
		{Name: "z", At: time.Minute, Do: nothing},
	}
	err := p.Validate()
	for _, want := range []string{
		`disruption "A b": the name is "A b"`, "At is -1ns", "For is -1ns", "Timeout is -1ns", "there is nothing to Do",
		`disruption "x": it has a time, For, and no Undo`, `two disruptions are named "x"`, `disruption "x" begins while "x" lasts`,
		`disruption "y" is before "x"`, `disruption "z" begins after 1m0s, when the load of 1m0s is over`,
	} {
		require.ErrorContains(t, err, want)
	}
	p = planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{}, harness.P99("work").In(harness.During).Below(1))
	require.ErrorContains(t, p.Validate(), `threshold "work@during: p(99)<1ns": the plan has no disruption`)
}

func TestACommandSaysWhyItFailed(t *testing.T) {
	require.NoError(t, harness.Command("sh", "-c", "exit 0")(t.Context()))
	err := harness.Command("sh", "-c", "echo one; echo no such pod >&2; exit 3")(t.Context())
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, `it said "no such pod"`)
	require.Error(t, harness.Command("no-such-command-here")(t.Context()))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	require.ErrorIs(t, harness.Command("sleep", "100")(ctx), errBroken)
}

func TestADisruptionOfASequenceCountsFromTheFirstLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := fake{
			setup: func(ctx context.Context, _ *harness.Recorder) error { return sleep(ctx, 30*time.Second) },
			run:   takes(time.Second).Run,
		}
		p := planOf(harness.AllAtOnce(5).Hold(20*time.Second), slow)
		p.Scenarios = append(p.Scenarios, harness.Scenario{Name: "second", Schedule: harness.AllAtOnce(1).Hold(10 * time.Second), Runner: all(takes(time.Second))})
		p.Sequence, p.Baseline = true, 10*time.Second
		began := time.Now()
		var at time.Duration
		p.Disruptions = []harness.Disruption{{Name: "d", At: 5 * time.Second, Do: func(context.Context) error { at = time.Since(began); return nil }}}
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Equal(t, 45*time.Second, at, "behind the baseline and the setup")
		d := res.Disruptions[0]
		within(t, 5, d.At, 0.001, "since the load's beginning")
		require.Len(t, d.Scenarios, 1, "the one that ran then")
		within(t, 5, d.Scenarios[0].Before.Seconds, 0.001, "before")
	})
}

func TestADisruptionOfALoadThatNeverBeganDoesNotHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(5).Hold(20*time.Second), takes(time.Second))
		p.Sequence, p.Baseline = true, time.Hour
		p.Disruptions = []harness.Disruption{{Name: "d", At: time.Second, Do: func(context.Context) error { return nil }}}
		r := start(t, p)
		time.Sleep(time.Minute)
		r.Stop()
		res := wait(t, r)
		require.Equal(t, harness.Interrupted, res.Verdict, res.Reasons)
	})
}
