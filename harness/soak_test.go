package harness_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// TestTenHoursOfTenThousandUsers is a soak in fake time, with everything that a
// run does each second. It prints what that took, beside bare goroutines that
// sleep as often.
func TestTenHoursOfTenThousandUsers(t *testing.T) {
	const users, hours = 10_000, 10
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		seconds := 0
		p := planOf(harness.RampUsers(users, time.Hour).Hold((hours-1)*time.Hour), takes(time.Hour))
		p.OnSnapshot = func(harness.Snapshot) { seconds++ }
		res := run(t, p)
		s := res.Scenarios[0]
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.InDelta(t, hours*3600+30, s.LoadSeconds, 1, "those who run at the end have 30 s to finish")
		require.Len(t, s.Timeline, seconds)
		require.InDelta(t, hours*3600+30, seconds, 1)
		// User k comes after k·0.36 s, and works for whole hours. The graceful stop
		// is long enough for the last hour of the first 84.
		require.EqualValues(t, users*(hours-1)+84, s.Iterations.Succeeded)
		require.EqualValues(t, 0, s.Iterations.Dropped+s.Iterations.Failed)
	})
	took := time.Since(began)
	began = time.Now()
	synctest.Test(t, func(*testing.T) {
		var wg sync.WaitGroup
		for range users {
			wg.Go(func() {
				for range hours {
					time.Sleep(time.Hour)
				}
			})
		}
		wg.Go(func() {
			for range hours * 3600 {
				time.Sleep(time.Second)
			}
		})
		wg.Wait()
	})
	t.Logf("the harness took %v, bare goroutines that sleep %v", took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
