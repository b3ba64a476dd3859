package harness_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// meeting is what came of each user's wait.
type meeting struct {
	barrier *harness.Barrier
	epoch   time.Time
	mu      sync.Mutex
	passed  []time.Duration
	errs    []error
}

func newMeeting(b *harness.Barrier) *meeting { return &meeting{barrier: b, epoch: time.Now()} }

// wait is a user who is ready after a while.
func (m *meeting) wait(after time.Duration) harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		if err := sleep(ctx, after); err != nil {
			return err
		}
		err := m.barrier.Wait(ctx, rec)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.errs = append(m.errs, err); err == nil {
			m.passed = append(m.passed, time.Since(m.epoch))
		}
		return err
	})
}

// plan has users 1, 2, ... who are ready after as many seconds, and user 0.
func (m *meeting) plan(users int, zero harness.Runner) harness.Plan {
	p := planOf(harness.AllAtOnce(users), nil)
	p.Scenarios[0].Runner = m.barrier.Among(func(user int) (harness.Runner, error) {
		if user == 0 {
			return zero, nil
		}
		return m.wait(time.Duration(user) * time.Second), nil
	})
	return p
}

func TestBarrierOpensForAllWhenTheLastIsReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		res := run(t, m.plan(10, m.wait(0)))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Equal(t, slices.Repeat([]time.Duration{9 * time.Second}, 10), m.passed)
	})
}

func TestBarrierWithAQuorumOpensWhenItIsThereAndLetsLateOnesThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{Quorum: 0.5})
		run(t, m.plan(10, m.wait(0)))
		require.Equal(t, slices.Repeat([]time.Duration{4 * time.Second}, 5), m.passed[:5])
		require.Equal(t, []time.Duration{5 * time.Second, 6 * time.Second, 7 * time.Second, 8 * time.Second, 9 * time.Second}, m.passed[5:])
	})
}

func TestBarrierWaitsForLateOnesAsLongAsItsPatienceLasts(t *testing.T) {
	for patience, first := range map[time.Duration]time.Duration{
		2500 * time.Millisecond: 6500 * time.Millisecond, // the quorum is there at 4 s
		time.Hour:               9 * time.Second,         // all of them are
	} {
		bubble(t, func(t *testing.T) {
			m := newMeeting(&harness.Barrier{Quorum: 0.5, Patience: patience})
			run(t, m.plan(10, m.wait(0)))
			require.Equal(t, first, m.passed[0])
			require.Len(t, m.passed, 10)
		})
	}
}

// failing is every way of never getting ready.
func failing(release <-chan struct{}) map[string]harness.Runner {
	nothing := func(context.Context, *harness.Recorder) error { return nil }
	broken := func(context.Context, *harness.Recorder) error { return errBroken }
	panics := func(context.Context, *harness.Recorder) error { panic("it can't") }
	exits := func(context.Context, *harness.Recorder) error { runtime.Goexit(); return nil }
	return map[string]harness.Runner{
		"a setup that fails":        fake{setup: broken},
		"a setup that panics":       fake{setup: panics},
		"a setup that is stuck":     fake{setup: stubborn(release)},
		"a setup that ends its own": fake{setup: exits},
		"a run that fails":          fake{run: broken},
		"a run that panics":         fake{run: panics},
		"a run that is stuck":       fake{run: stubborn(release)},
		"a run that ends its own":   fake{run: exits},
		"a run that does not wait":  fake{run: nothing},
		"a run that takes too long": takes(time.Hour),
		"a run without a setup":     harness.RunnerFunc(broken),
	}
}

func TestRunnerThatFailedToGetReadyDoesNotHangTheOthers(t *testing.T) {
	for name := range failing(nil) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				m := newMeeting(&harness.Barrier{Quorum: 0.8, Patience: 30 * time.Second})
				p := m.plan(5, failing(release)[name])
				p.JobTimeout, p.SetupTimeout = time.Minute, time.Minute
				run(t, p)
				require.Len(t, m.passed, 4, "they are enough: %v", m.errs)
				require.LessOrEqual(t, m.passed[0], 70*time.Second)
			})
		})
	}
}

func TestBarrierBreaksAtOnceWhenTooManyFailed(t *testing.T) {
	for name := range failing(nil) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				m := newMeeting(&harness.Barrier{})
				p := m.plan(5, failing(release)[name])
				p.JobTimeout, p.SetupTimeout = time.Minute, time.Minute
				it := run(t, p).Scenarios[0].Iterations
				require.Len(t, m.errs, 4)
				for _, err := range m.errs {
					broken, ok := errors.AsType[*harness.BarrierError](err)
					if !ok { // its own time was over at the same instant as the other's
						require.ErrorContains(t, err, "iteration's timeout is over")
						continue
					}
					require.Equal(t, 5, broken.Parties)
					require.Equal(t, 5, broken.Quorum)
					require.Error(t, broken.First)
				}
				require.Zero(t, it.Succeeded-map[bool]int64{true: 1}[name == "a run that does not wait"])
			})
		})
	}
}

func TestBarrierSaysWhoWasMissingAndWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{Quorum: 0.9})
		run(t, m.plan(5, fake{run: func(context.Context, *harness.Recorder) error { return errBroken }}))
		require.ErrorIs(t, m.errs[0], errBroken)
		require.EqualError(t, m.errs[0], "barrier: 1 of 5 were not ready, and 5 are needed; the first: it is broken")
	})
}

func TestBarrierWaitEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var left error
		b := &harness.Barrier{}
		m := newMeeting(b)
		p := m.plan(3, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second/2)
			defer cancel()
			left = b.Wait(ctx, rec)
			return left
		}))
		run(t, p)
		require.ErrorIs(t, left, context.DeadlineExceeded)
		require.EqualError(t, left, "barrier: 1 of 3 were ready, and 3 are needed: context deadline exceeded")
		require.Equal(t, 2*time.Second, time.Since(m.epoch), "who comes later is not held up by one who has left")
		for _, err := range m.errs {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}

func TestBarrierWaitEndsWithTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		p := m.plan(3, takes(20*time.Second))
		p.Scenarios[0].Schedule = harness.AllAtOnce(3).Hold(10 * time.Second)
		it := run(t, p).Scenarios[0].Iterations
		require.EqualValues(t, 2, it.Failed, "the load is over and they have done nothing")
		require.ErrorContains(t, m.errs[0], "the load has ended")
	})
}

func TestStoppedRunWaitsForNobodyAtABarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		r := start(t, m.plan(4, takes(6*time.Second)))
		time.Sleep(5 * time.Second)
		r.Stop()
		it := wait(t, r).Scenarios[0].Iterations
		require.Equal(t, 6*time.Second, time.Since(m.epoch))
		require.Equal(t, harness.Iterations{Started: 4, Succeeded: 1, Interrupted: 3}, it, "they have not failed")
	})
}

func TestBarrierStaysOpenForLaterIterations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		p := m.plan(3, m.wait(time.Second))
		p.Scenarios[0].Schedule = harness.PerUserIterations(5, 3)
		require.EqualValues(t, 15, run(t, p).Scenarios[0].Iterations.Succeeded)
		require.Equal(t, 10*time.Second, m.passed[len(m.passed)-1])
	})
}

func TestPartyThatFailedMayComeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{Quorum: 0.5, Patience: time.Minute})
		p := m.plan(4, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if rec.Iteration() == 0 {
				return errBroken
			}
			return m.wait(20*time.Second).Run(ctx, rec)
		}))
		p.Scenarios[0].Schedule = harness.PerUserIterations(2, 4)
		it := run(t, p).Scenarios[0].Iterations
		require.Equal(t, harness.Iterations{Started: 8, Succeeded: 7, Failed: 1}, it)
		// It is absent until it comes, and then it is one more: 3 s is when the
		// other three are there.
		require.Equal(t, 3*time.Second, m.passed[0])
		require.Equal(t, 20100*time.Millisecond, m.passed[len(m.passed)-1], "it goes through the open barrier")
	})
}

func TestBarrierMayHaveSeveralScenarios(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		p := m.plan(3, m.wait(0))
		other := p.Scenarios[0]
		other.Name, other.Runner = "other", m.barrier.Among(all(m.wait(30*time.Second)))
		p.Scenarios = append(p.Scenarios, other)
		run(t, p)
		require.Equal(t, slices.Repeat([]time.Duration{30 * time.Second}, 6), m.passed)
	})
}

func TestWaitingForOthersIsNotResponseTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		p := m.plan(2, harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			if err := m.barrier.Wait(ctx, rec); err != nil {
				return err
			}
			return takes(time.Second).Run(ctx, rec)
		}))
		require.InDelta(t, 1, run(t, p).Scenarios[0].Actions["work"].Response.Max, 1e-6)
	})
}

func TestRunnersOfABarrierAreSetUpAndCleanedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var did []string
		m := newMeeting(&harness.Barrier{})
		note := func(what string) func(context.Context, *harness.Recorder) error {
			return func(context.Context, *harness.Recorder) error { did = append(did, what); return nil }
		}
		run(t, m.plan(1, fake{setup: note("setup"), run: note("run"), cleanup: func(context.Context) error {
			did = append(did, "cleanup")
			return nil
		}}))
		require.Equal(t, []string{"setup", "run", "cleanup"}, did)
	})
}

func TestBarrierRefusesWhatCantBe(t *testing.T) {
	err := (&harness.Barrier{Quorum: 1.5, Patience: -1}).Validate()
	require.ErrorContains(t, err, "the quorum is 1.5")
	require.ErrorContains(t, err, "the patience is -1ns")
	require.Error(t, (&harness.Barrier{Quorum: math.NaN()}).Validate())

	b := &harness.Barrier{Quorum: -1}
	p := planOf(harness.AllAtOnce(1), nil)
	p.Scenarios[0].Runner = b.Among(all(takes(1)))
	_, err = harness.Start(t.Context(), p)
	require.ErrorContains(t, err, "the quorum is -1")

	p.Scenarios[0].Runner = (&harness.Barrier{}).Among(func(int) (harness.Runner, error) { return nil, errBroken })
	_, err = harness.Start(t.Context(), p)
	require.ErrorIs(t, err, errBroken)

	bubble(t, func(t *testing.T) {
		m := newMeeting(&harness.Barrier{})
		res := run(t, planOf(harness.AllAtOnce(1), m.wait(0)))
		require.EqualValues(t, 1, res.Scenarios[0].Iterations.Failed)
		require.ErrorContains(t, m.errs[0], "through Among")
	})
}
