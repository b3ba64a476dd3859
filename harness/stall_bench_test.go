package harness_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// spin waits until an instant more exactly than timers do, which are a
// millisecond late.
func spin(until time.Time) {
	if wait := time.Until(until) - 2*time.Millisecond; wait > 0 {
		time.Sleep(wait)
	}
	for time.Now().Before(until) {
		runtime.Gosched()
	}
}

// BenchmarkStall is the stall on real time: one iteration is a load of 8 s. It
// reports how far the percentiles are from the analytic truth of the queue, and
// how far those of a tool are that measures the same requests from when they
// were sent.
func BenchmarkStall(b *testing.B) {
	for _, concurrent := range []int{1, 16, 1000} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrent), func(b *testing.B) {
			s := classic(concurrent)
			s.service = 100 * time.Microsecond
			truth, _ := s.truth()
			var d harness.ActionResult
			for b.Loop() {
				var epoch time.Time
				p := planOf(harness.ConstantArrivals(s.rate, s.length, s.concurrent), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
					return rec.Do(ctx, work, func(context.Context) error {
						spin(epoch.Add(s.finish(time.Since(epoch))))
						return nil
					})
				}))
				p.OnPhase = func(phase string) {
					if phase == "load" {
						epoch = time.Now()
					}
				}
				r, err := harness.Start(context.Background(), p)
				require.NoError(b, err)
				res := r.Wait()
				if res.Verdict != harness.Pass {
					b.Logf("%s: %v", res.Verdict, res.Reasons)
				}
				d = res.Scenarios[0].Actions["work"]
			}
			off := func(p, got float64) float64 {
				want := percentile(truth, p)
				return 100 * math.Abs(got-want) / want
			}
			b.ReportMetric(off(90, d.Response.P90), "p90-error-%")
			b.ReportMetric(off(99, d.Response.P99), "p99-error-%")
			b.ReportMetric(off(90, d.Service.P90), "naive-p90-error-%")
			b.ReportMetric(off(99, d.Service.P99), "naive-p99-error-%")
		})
	}
}
