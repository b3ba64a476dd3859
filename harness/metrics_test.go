package harness_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// pump is a source that counts on its own.
type pump struct {
	mu        sync.Mutex
	h         histogram.Histogram
	errs      int64
	intended  int64
	sent      int64
	lag       time.Duration
	epoch     time.Time
	collected int
}

func (p *pump) begun() time.Time { return p.epoch }

func (p *pump) send(n int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intended += 100
	p.sent += n
	p.h.Record(took)
}

func (p *pump) Collect(into *harness.Collection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collected++
	into.Action(first, &p.h, &p.h, p.errs)
	into.Counter(testBytes, p.sent)
	into.Throughput(p.intended, p.sent)
	into.Dropped(p.intended, p.intended-p.sent)
	var lag histogram.Histogram
	lag.Record(p.lag)
	into.Lag(&lag)
}

func TestSourceIsAddedOnceAndItsSecondsAddUp(t *testing.T) {
	for _, phase := range []string{"setup", "load"} {
		t.Run(phase, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &pump{errs: 2}
				f := fake{run: func(_ context.Context, rec *harness.Recorder) error {
					if phase == "load" {
						rec.Observe(p)
					}
					for range 10 {
						time.Sleep(333 * time.Millisecond)
						p.send(100, time.Second)
						rec.Record(first, 2*time.Second, time.Second, nil)
					}
					return nil
				}}
				if phase == "setup" {
					f.setup = func(_ context.Context, rec *harness.Recorder) error { rec.Observe(p); return nil }
				}
				res := run(t, planOf(harness.AllAtOnce(20), f))
				s := res.Scenarios[0]
				require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
				require.EqualValues(t, 400, s.Actions["test_first"].Count, "the source's and the runners' own")
				require.EqualValues(t, 2, s.Actions["test_first"].Errors)
				require.EqualValues(t, 20_000, s.Counters["test_bytes"])
				require.Equal(t, &harness.Throughput{BytesIntended: 20_000, BytesAchieved: 20_000, Ratio: 1}, s.Throughput)
				var intended, achieved int64
				for _, sec := range s.Timeline {
					intended += sec.BytesIntended
					achieved += sec.BytesAchieved
				}
				require.EqualValues(t, 20_000, intended)
				require.EqualValues(t, 20_000, achieved)
				require.Empty(t, s.Setup)
			})
		})
	}
}

func TestSourceThatDropsOrIsLateMakesTheRunInvalid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &pump{}
		observe := fake{run: func(_ context.Context, rec *harness.Recorder) error { rec.Observe(p); return nil }}
		for range 9 {
			p.send(100, time.Second)
		}
		p.send(99, time.Second)
		require.Equal(t, harness.Pass, run(t, planOf(harness.AllAtOnce(1), observe)).Verdict, "1 in 1000")
		p.send(99, time.Second)
		res := run(t, planOf(harness.AllAtOnce(1), observe))
		require.Equal(t, harness.Invalid, res.Verdict)
		require.Contains(t, res.Reasons[0], "s: this process was too slow to send 2 of 1100 ticks")

		res = run(t, planOf(harness.AllAtOnce(1), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			rec.Observe(&pump{lag: 2 * time.Second})
			return nil
		}}))
		require.Equal(t, harness.Invalid, res.Verdict)
		require.Contains(t, res.Reasons[0], "s: this process was late by 2s at the 99th percentile, more than 100ms")
	})
}

type sliceSource []int

func (sliceSource) Collect(*harness.Collection) {}

func TestSourceThatCantBeToldApartIsRefusedInPlainWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(1), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			rec.Observe(sliceSource{1})
			return nil
		}}))
		require.Contains(t, res.Scenarios[0].Failures[0].Error, "want a source that can be compared")
	})
}

func TestACounterThatNothingWasAddedToIsZeroAndNotAbsent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			rec.Add(testBytes, 0)
			return nil
		}))
		p.Scenarios[0].Thresholds = []harness.Threshold{harness.Count("test_bytes").AtMost(0)}
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	})
}
