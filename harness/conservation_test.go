package harness_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// randomly is a runner that does anything that runners do, and counts what the
// harness must count as well.
type randomly struct {
	seen    *seen
	release <-chan struct{}
}

type seen struct{ began, actions, broken, cleaned atomic.Int64 }

func (r randomly) Setup(ctx context.Context, rec *harness.Recorder) error {
	switch rec.Rand().IntN(12) {
	case 0:
		return errBroken
	case 1:
		panic("in the setup")
	case 2:
		<-r.release
	}
	return sleep(ctx, time.Duration(rec.Rand().IntN(3))*time.Second)
}

func (r randomly) Run(ctx context.Context, rec *harness.Recorder) error {
	r.seen.began.Add(1)
	took := time.Duration(rec.Rand().IntN(4000)) * time.Millisecond
	err := rec.Do(ctx, work, func(ctx context.Context) error {
		switch err := sleep(ctx, took); {
		case err != nil:
			return err
		case rec.Rand().IntN(5) == 0:
			r.seen.broken.Add(1)
			return errBroken
		}
		r.seen.actions.Add(1)
		return nil
	})
	rec.Add(testBytes, 1)
	switch rec.Rand().IntN(15) {
	case 0:
		panic("in an iteration")
	case 1:
		<-r.release
	case 2:
		<-ctx.Done()
		return ctx.Err()
	case 3:
		<-rec.Done()
	}
	return err
}

func (r randomly) Cleanup(context.Context) error {
	r.seen.cleaned.Add(1)
	return nil
}

func randomSchedule(rng *rand.Rand) harness.Schedule {
	users := 1 + rng.IntN(30)
	length := time.Duration(1+rng.IntN(20_000)) * time.Millisecond
	switch rng.IntN(9) {
	case 0:
		return harness.AllAtOnce(users)
	case 1:
		return harness.AtATime(users, 1+rng.IntN(users)).Shuffled(rng.Uint64())
	case 2:
		return harness.AllAtOnce(users).Hold(length)
	case 3:
		return harness.Arrivals{Shape: traffic.Poisson{PerSecond: 10 * rng.Float64(), Seed: rng.Uint64()}, Duration: length, VirtualUsers: users}
	case 4:
		return harness.SharedIterations(users+rng.IntN(50), users)
	case 5:
		return harness.PerUserIterations(1+rng.IntN(5), users).Staggered(time.Duration(rng.IntN(500)) * time.Millisecond)
	case 6, 7:
		return harness.RampUsers(users, length/3).Hold(length).To(rng.IntN(users+5), length/3).To(rng.IntN(users), length/3).
			GracefulRampDown(time.Duration(rng.IntN(4)) * time.Second).Shuffled(rng.Uint64())
	}
	return harness.Arrivals{
		Shape: traffic.Flat{PerSecond: 20 * rng.Float64()}, Duration: length, VirtualUsers: users,
		MaxWait: time.Duration(rng.IntN(2)) * time.Second,
	}
}

func TestCountsAlwaysAddUp(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				rng := rand.New(rand.NewPCG(seed, 5))
				sums := &seen{}
				p := harness.Plan{
					RunID: "property", Seed: seed + 1,
					SetupTimeout: 10 * time.Second, GracefulStop: time.Duration(1+rng.IntN(5)) * time.Second,
					Grace: time.Duration(1+rng.IntN(3)) * time.Second, JobTimeout: time.Duration(1+rng.IntN(5)) * time.Second,
				}
				users := 0
				for i := range 1 + rng.IntN(3) {
					s := harness.Scenario{
						Name: fmt.Sprint("s", i), Schedule: randomSchedule(rng), Runner: all(randomly{sums, release}),
						StartAfter: time.Duration(rng.IntN(3)) * time.Second, SetupAtATime: rng.IntN(4),
					}
					if length := s.Schedule.Length(); length > 0 && rng.IntN(2) == 0 {
						s.WarmUp = time.Duration(rng.Int64N(int64(length)/2 + 1))
						s.CoolDown = time.Duration(rng.Int64N(int64(length)/2)) / 2
					}
					users += s.Schedule.Users()
					p.Scenarios = append(p.Scenarios, s)
				}
				if rng.IntN(3) == 0 {
					p.Timeout = 45*time.Second + time.Duration(rng.IntN(10_000))*time.Millisecond
				}
				r, stopped := start(t, p), false
				if rng.IntN(2) == 0 {
					time.Sleep(time.Duration(rng.IntN(40_000)) * time.Millisecond)
					r.Stop()
					stopped = true
					if rng.IntN(3) == 0 {
						time.Sleep(time.Duration(rng.IntN(5_000)) * time.Millisecond)
						r.Abort()
					}
				}
				res := wait(t, r) // holds each scenario's sums
				var started, ok, bad, counted, ready, unready int64
				for i, s := range res.Scenarios {
					it, work, lags := s.Iterations, s.Actions["work"], s.Lag.Count
					ok += int64(work.Count)
					bad += work.Errors
					counted += s.Counters["test_bytes"]
					for _, part := range []*harness.Part{s.WarmUp, s.CoolDown} {
						if part == nil {
							continue
						}
						it.Started += part.Iterations.Started
						it.Failed += part.Iterations.Failed
						it.Dropped += part.Iterations.Dropped
						it.Stuck += part.Iterations.Stuck
						lags += part.Lag.Count
						ok += int64(part.Actions["work"].Count)
						bad += part.Actions["work"].Errors
						counted += part.Counters["test_bytes"]
					}
					started += it.Started
					ready += s.Ready
					unready += it.SetupFailed
					require.LessOrEqual(t, it.Stuck, it.Failed+it.SetupFailed)
					require.EqualValues(t, it.Started, lags, "every start has its lag")
					if a, is := p.Scenarios[i].Schedule.(harness.Arrivals); is && s.Ready > 0 {
						intended := traffic.Count(a.Shape, a.Duration)
						require.LessOrEqual(t, it.Started+it.Dropped, intended)
						if p.Timeout == 0 && !stopped {
							require.Equal(t, intended, it.Started+it.Dropped, "no arrival is lost: %+v", it)
						}
					}
				}
				require.Equal(t, sums.began.Load(), started)
				require.Equal(t, sums.actions.Load(), ok)
				require.LessOrEqual(t, bad, sums.broken.Load()+started, "a job's own timeout is an error as well")
				require.LessOrEqual(t, counted, started)
				require.LessOrEqual(t, ready+unready, int64(users))
				require.Equal(t, sums.cleaned.Load(), res.Cleanup.Cleaned)
				require.EqualValues(t, users, res.Cleanup.Cleaned+res.Cleanup.Failed+res.Cleanup.Skipped, "every runner that was made")
			})
		})
	}
}
