package harness_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// stall is a server with a known service time that freezes for a while: no
// request begins or goes on meanwhile.
type stall struct {
	rate       float64       // arrivals a second
	length     time.Duration // of the load
	service    time.Duration // of a request
	from, to   time.Duration // frozen
	concurrent int
}

// classic is the stall that tools were measured with.
func classic(concurrent int) stall {
	return stall{
		rate: 1000, length: 8 * time.Second, service: 500 * time.Microsecond,
		from: 3 * time.Second, to: 4 * time.Second, concurrent: concurrent,
	}
}

// finish is when a request that begins at t is served.
func (s stall) finish(t time.Duration) time.Duration {
	switch {
	case t >= s.to || t+s.service <= s.from:
		return t + s.service
	case t >= s.from:
		return s.to + s.service
	}
	return s.to + s.service - (s.from - t) // what was left of it
}

// truth is that of arrivals at a constant rate.
func (s stall) truth() (response, service []time.Duration) {
	var due []time.Duration
	for k := 0; ; k++ {
		at := time.Duration(math.Round(float64(k) / s.rate * 1e9))
		if at >= s.length {
			return s.queue(due)
		}
		due = append(due, at)
	}
}

// queue is the truth of arrivals by arithmetic: in their order, each is taken by
// the server's place that is free first. It knows nothing of the harness.
func (s stall) queue(due []time.Duration) (response, service []time.Duration) {
	free := make([]time.Duration, s.concurrent)
	for _, at := range due {
		place := 0
		for i, f := range free {
			if f < free[place] {
				place = i
			}
		}
		begin := max(at, free[place])
		end := s.finish(begin)
		free[place] = end
		response = append(response, end-at)
		service = append(service, end-begin)
	}
	slices.Sort(response)
	slices.Sort(service)
	return response, service
}

func percentile(sorted []time.Duration, p float64) float64 {
	return sorted[int(math.Ceil(p/100*float64(len(sorted))))-1].Seconds()
}

// runner is a person who asks this server. Instants count from epoch.
func (s stall) runner(epoch time.Time) harness.Runner {
	return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		return rec.Do(ctx, work, func(ctx context.Context) error {
			now := time.Since(epoch)
			return sleep(ctx, s.finish(now)-now)
		})
	})
}

func TestStalledServerIsChargedWithEverybodyWhoWaited(t *testing.T) {
	for _, concurrent := range []int{1, 16, 1000} {
		t.Run(fmt.Sprintf("concurrency=%d", concurrent), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := classic(concurrent)
				res := run(t, planOf(harness.ConstantArrivals(s.rate, s.length, s.concurrent), s.runner(time.Now())))
				require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
				got := res.Scenarios[0].Actions["work"]
				response, service := s.truth()
				require.EqualValues(t, len(response), got.Count, "every arrival was served")
				for p, value := range map[float64]float64{50: got.Response.P50, 90: got.Response.P90, 95: got.Response.P95, 99: got.Response.P99, 99.9: got.Response.P999} {
					within(t, percentile(response, p), value, 0.01, "response p%v", p)
				}
				for p, value := range map[float64]float64{50: got.Service.P50, 90: got.Service.P90, 99: got.Service.P99} {
					within(t, percentile(service, p), value, 0.01, "service p%v", p)
				}
				within(t, percentile(response, 99), res.Scenarios[0].Iteration.Response.P99, 0.01, "p99 of iterations")
				if concurrent == 1 {
					require.Greater(t, got.Response.P99, 0.9)
					require.Less(t, got.Service.P99, 0.001, "what a tool without intended starts would say")
				}
			})
		})
	}
}

func TestStallTruthAgreesWithTheKnownFigures(t *testing.T) {
	response, _ := classic(1000).truth()
	within(t, 0.2, percentile(response, 90), 0.01, "p90 with as many users as it takes")
	within(t, 0.92, percentile(response, 99), 0.01, "p99 with as many users as it takes")
}
