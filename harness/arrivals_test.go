package harness_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestArrivalsStartAtTheirIntendedInstantsWhateverTheOthersDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStarts()
		res := run(t, planOf(harness.ConstantArrivals(10, 5*time.Second, 100), st.around(takes(2950*time.Millisecond))))
		require.Len(t, st.list, 50)
		for k, at := range st.at() {
			require.Equal(t, time.Duration(k)*100*time.Millisecond, at)
		}
		require.Equal(t, 30, st.most, "10 a second that take 2.95 s each")
		s := res.Scenarios[0]
		require.InDelta(t, 2.95, s.Actions["work"].Response.Max, 1e-9)
		require.Zero(t, s.Lag.Max)
		require.EqualValues(t, 50, s.Lag.Count)
	})
}

func TestArrivalsAreTheIntegralOfTheRateGiveOrTakeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	rate := func() float64 { return 1 + 200*rng.Float64() }
	for range 10 {
		for _, shape := range []traffic.Shape{
			traffic.Flat{PerSecond: rate()},
			traffic.Ramp{From: 0, To: rate(), Over: 5 * time.Second},
			traffic.Steps{{PerSecond: rate(), For: 2 * time.Second}, {PerSecond: rate(), For: 3 * time.Second}},
			traffic.Sine{Mean: 100, Amplitude: 80, Period: 3 * time.Second},
		} {
			bubble(t, func(t *testing.T) {
				length := time.Duration(1+rng.IntN(8_000)) * time.Millisecond
				res := run(t, planOf(harness.Arrivals{Shape: shape, Duration: length, VirtualUsers: 1 + rng.IntN(20)}, takes(time.Millisecond)))
				it := res.Scenarios[0].Iterations
				require.InDelta(t, shape.Integral(length), float64(it.Started+it.Dropped), 1.001, "%v for %v", shape, length)
				require.Zero(t, it.Dropped)
			})
		}
	}
}

func TestArrivalThatWaitsIsMeasuredFromItsIntendedStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var intended []time.Time
		st := newStarts()
		res := run(t, planOf(harness.ConstantArrivals(1, 3*time.Second, 1), st.around(fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			intended = append(intended, rec.Intended())
			return takes(2*time.Second).Run(ctx, rec)
		}})))
		require.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, st.at())
		for k, at := range intended {
			require.Equal(t, time.Duration(k)*time.Second, at.Sub(st.epoch))
		}
		a := res.Scenarios[0].Actions["work"]
		within(t, 4, a.Response.Max, 0.001, "served from 4 to 6 s, meant to start at 2 s")
		within(t, 2, a.Service.Max, 0.001, "what a naive tool would say")
		require.Zero(t, res.Scenarios[0].Lag.Max, "waiting for a free user is not the generator's lateness")
	})
}

func TestArrivalsWithAMaxWaitAreDroppedCountedAndMakeTheRunInvalid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := harness.ConstantArrivals(10, 10*time.Second, 1)
		s.MaxWait = 500 * time.Millisecond
		res := run(t, planOf(s, takes(time.Second)))
		it := res.Scenarios[0].Iterations
		require.EqualValues(t, 100, it.Started+it.Dropped)
		require.EqualValues(t, 11, it.Started, "one a second, and one that waits at the end")
		require.Equal(t, harness.Invalid, res.Verdict)
		require.Contains(t, res.Reasons[0], "89 of 100 iterations were dropped because all users were busy")
		require.LessOrEqual(t, res.Scenarios[0].Actions["work"].Response.Max, 1.51)
	})
}

func TestOneInAThousandDroppedIsStillValid(t *testing.T) {
	for dropped, want := range map[int]harness.Verdict{1: harness.Pass, 2: harness.Invalid} {
		bubble(t, func(t *testing.T) {
			s := harness.ConstantArrivals(100, 10*time.Second, 1)
			s.MaxWait = 5 * time.Millisecond
			first := true
			res := run(t, planOf(s, fake{run: func(ctx context.Context, _ *harness.Recorder) error {
				if !first {
					return nil
				}
				first = false
				return sleep(ctx, time.Duration(dropped)*10*time.Millisecond+6*time.Millisecond)
			}}))
			require.EqualValues(t, dropped, res.Scenarios[0].Iterations.Dropped)
			require.Equal(t, want, res.Verdict, res.Reasons)
		})
	}
}

func TestArrivalsThatNobodyServedInTimeAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.ConstantArrivals(10, 10*time.Second, 2), takes(4*time.Second))
		p.GracefulStop = 5 * time.Second
		res := run(t, p)
		it := res.Scenarios[0].Iterations
		require.EqualValues(t, 100, it.Started+it.Dropped, "intended")
		require.EqualValues(t, 8, it.Started, "at 0, 4, 8 and 12 s")
		require.EqualValues(t, 2, it.Interrupted, "those that ran when the graceful-stop time was over at 15 s")
		require.Equal(t, harness.Invalid, res.Verdict)
		require.InDelta(t, 15, res.Scenarios[0].LoadSeconds, 1e-6)
	})
}

func TestArrivalsDueBeforeAStopAreCountedAndLaterOnesAreNot(t *testing.T) {
	for _, rate := range []float64{0.001, 3, 100} { // also with users who wait for long
		bubble(t, func(t *testing.T) {
			r := start(t, planOf(harness.ConstantArrivals(rate, time.Hour, 5), takes(time.Second)))
			time.Sleep(10*time.Second + time.Millisecond)
			r.Stop()
			before := time.Now()
			it := wait(t, r).Scenarios[0].Iterations
			require.InDelta(t, rate*10, float64(it.Started+it.Dropped), 1.2)
			require.LessOrEqual(t, time.Since(before), time.Second, "a stop waits for nobody who waits")
		})
	}
}

func TestArrivalsWithoutUsersWhoGotReadyLoseNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.ConstantArrivals(100, 2*time.Second, 4), nil)
		p.Scenarios[0].Runner = func(user int) (harness.Runner, error) {
			if user%2 == 0 {
				return fake{
					setup: func(context.Context, *harness.Recorder) error { return errBroken },
					run:   func(context.Context, *harness.Recorder) error { panic("it is not ready") },
				}, nil
			}
			return takes(time.Millisecond), nil
		}
		it := run(t, p).Scenarios[0].Iterations
		require.Equal(t, harness.Iterations{Started: 200, Succeeded: 200, SetupFailed: 2}, it)
	})
}

func TestArrivalsWhoseUsersAreAllStuckAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.ConstantArrivals(10, 20*time.Second, 3), fake{run: stubborn(release)})
		p.JobTimeout, p.Grace = time.Second, time.Second
		it := run(t, p).Scenarios[0].Iterations
		require.Equal(t, harness.Iterations{Started: 3, Failed: 3, Stuck: 3, Dropped: 197}, it)
	})
}

func TestTenHoursOfArrivalsAreExactAndTakeNoTime(t *testing.T) {
	const rate, hours = 3, 10
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.ConstantArrivals(rate, hours*time.Hour, 8), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			rec.Add(testBytes, 1)
			return takes(time.Second).Run(ctx, rec)
		}}))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		s := res.Scenarios[0]
		require.EqualValues(t, rate*hours*3600, s.Iterations.Succeeded)
		require.EqualValues(t, rate*hours*3600, s.Counters["test_bytes"])
		require.Len(t, s.Timeline, hours*3600+1)
		within(t, 1, s.Actions["work"].Response.P999, 0.01, "nobody waits, also after hours")
	})
	runtime.GC()
}

func TestArrivalsDescribeThemselvesAndRefuseWhatCantBe(t *testing.T) {
	s := harness.ConstantArrivals(20, time.Minute, 100)
	require.NoError(t, s.Validate())
	require.Equal(t, "arrivals at 20/s for 1m0s on 100 users", s.String())
	require.Equal(t, time.Minute, s.Length())
	s.MaxWait = time.Second
	require.Equal(t, "arrivals at 20/s for 1m0s on 100 users, dropped after waiting 1s", s.String())

	err := harness.Arrivals{MaxWait: -1}.Validate()
	for _, want := range []string{"no shape", "duration is 0s", "0 users", "longest wait is -1ns"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, harness.ConstantArrivals(-5, time.Second, 1).Validate(), "constant rate is -5")
}
