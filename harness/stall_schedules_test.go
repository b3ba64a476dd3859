package harness_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// loops is the truth of users who go on when they are done: user k comes at
// from(k) and goes on while more says so, which is asked in the order of time. A
// user who goes on waits for nobody, so that response and service time are one.
func (s stall) loops(users int, from func(k int) time.Duration, more func(k, done int, now time.Duration) bool) []time.Duration {
	free, done := make([]time.Duration, users), make([]int, users)
	here := make([]int, users)
	for k := range free {
		free[k], here[k] = from(k), k
	}
	var times []time.Duration
	for len(here) > 0 {
		first := 0
		for i, k := range here {
			if free[k] < free[here[first]] {
				first = i
			}
		}
		k := here[first]
		if !more(k, done[k], free[k]) {
			here = slices.Delete(here, first, first+1)
			continue
		}
		end := s.finish(free[k])
		times = append(times, end-free[k])
		free[k], done[k] = end, done[k]+1
	}
	slices.Sort(times)
	return times
}

// TestEveryScheduleChargesAStalledServerWithItsTruth holds the percentiles of
// every schedule to what arithmetic says of its queue.
func TestEveryScheduleChargesAStalledServerWithItsTruth(t *testing.T) {
	const length = 8 * time.Second
	atOnce := func(int) time.Duration { return 0 }
	for _, concurrent := range []int{1, 16, 1000} {
		s := classic(concurrent)
		slow := s
		slow.service = 50 * time.Millisecond
		slower := slow // few iterations of many users, so that the stall is in the p99
		slower.service = 400 * time.Millisecond
		open := func(a harness.Arrivals) (harness.Schedule, stall, func() []time.Duration) {
			return a, s, func() []time.Duration {
				var due []time.Duration
				for c, ok := a.Shape.Next(traffic.Before); ok && (a.Duration == 0 || c.At < a.Duration); c, ok = a.Shape.Next(c) {
					due = append(due, c.At)
				}
				response, _ := s.queue(due)
				return response
			}
		}
		closed := func(h harness.Schedule, of stall, from func(int) time.Duration, more func(k, done int, now time.Duration) bool) (harness.Schedule, stall, func() []time.Duration) {
			return h, of, func() []time.Duration { return of.loops(concurrent, from, more) }
		}
		until := func(_, _ int, now time.Duration) bool { return now < length }
		recorded := make(traffic.Replay, 6000) // in bunches
		for i := range recorded {
			recorded[i] = time.Duration(i/3) * 4 * time.Millisecond
		}
		gap := 2 * time.Second / time.Duration(concurrent)
		left := 20 * concurrent
		for name, of := range map[string]func() (harness.Schedule, stall, func() []time.Duration){
			"constant": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.ConstantArrivals(1000, length, concurrent))
			},
			"ramping": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.RampingArrivals(concurrent, traffic.Stage{To: 1500, Over: 4 * time.Second}, traffic.Stage{To: 0, Over: 4 * time.Second}))
			},
			"stepped": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.SteppedArrivals(concurrent, traffic.Step{PerSecond: 400, For: 2 * time.Second}, traffic.Step{PerSecond: 1200, For: 3 * time.Second}, traffic.Step{PerSecond: 200, For: 3 * time.Second}))
			},
			"spike": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.SpikeArrivals(traffic.Spikes{Base: 300, Peak: 1900, Length: time.Second, Every: 4 * time.Second}, length, concurrent))
			},
			"sine": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.SineArrivals(traffic.Sine{Mean: 800, Amplitude: 700, Period: 4 * time.Second}, length, concurrent))
			},
			"poisson": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.PoissonArrivals(1000, 7, length, concurrent))
			},
			"replay": func() (harness.Schedule, stall, func() []time.Duration) {
				return open(harness.ReplayArrivals(recorded, concurrent))
			},
			"all at once": func() (harness.Schedule, stall, func() []time.Duration) {
				return closed(harness.AllAtOnce(concurrent).Hold(length), slower, atOnce, until)
			},
			"staggered": func() (harness.Schedule, stall, func() []time.Duration) {
				return closed(harness.AllAtOnce(concurrent).Staggered(gap).Hold(length), slower, func(k int) time.Duration { return time.Duration(k) * gap }, until)
			},
			"ramping users": func() (harness.Schedule, stall, func() []time.Duration) {
				return closed(harness.RampUsers(concurrent, 2*time.Second).Hold(length-2*time.Second), slower, func(k int) time.Duration { return 2 * time.Second * time.Duration(k) / time.Duration(concurrent) }, until)
			},
			"shared iterations": func() (harness.Schedule, stall, func() []time.Duration) {
				return closed(harness.SharedIterations(left, concurrent), slower, atOnce, func(int, int, time.Duration) bool { left--; return left >= 0 })
			},
			"per-user iterations": func() (harness.Schedule, stall, func() []time.Duration) {
				return closed(harness.PerUserIterations(20, concurrent), slower, atOnce, func(_, done int, _ time.Duration) bool { return done < 20 })
			},
		} {
			t.Run(fmt.Sprintf("%s/concurrency=%d", name, concurrent), func(t *testing.T) {
				schedule, server, truth := of()
				require.NoError(t, schedule.Validate())
				want := truth()
				require.Greater(t, want[len(want)-1], 500*time.Millisecond, "it meets the stall")
				bubble(t, func(t *testing.T) {
					res := run(t, planOf(schedule, server.runner(time.Now())))
					require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
					got := res.Scenarios[0].Actions["work"].Response
					require.EqualValues(t, len(want), got.Count, "every start was served")
					for p, value := range map[float64]float64{50: got.P50, 90: got.P90, 99: got.P99, 99.9: got.P999} {
						within(t, percentile(want, p), value, 0.01, "p%v", p)
					}
					within(t, want[len(want)-1].Seconds(), got.Max, 0.01, "the longest")
				})
			})
		}
	}
}
