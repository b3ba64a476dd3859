package harness_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

func TestEveryScheduleIsDescribedInOneLine(t *testing.T) {
	for want, s := range map[string]harness.Schedule{
		"arrivals at 20/s for 1m0s on 100 users: 1200 starts in 1m0s": harness.ConstantArrivals(20, time.Minute, 100),
		"5 users at once":          harness.AllAtOnce(5),
		"1 user":                   harness.OneByOne(1),
		"5 users at once for 1m0s": harness.AllAtOnce(5).Hold(time.Minute),
		"users: 0 to 200 over 10s, then 200 for 1m0s: 1m10s": harness.RampUsers(200, 10*time.Second).Hold(time.Minute),
		"arrivals at 0/s on 0 users":                         harness.ConstantArrivals(0, 0, 0),
	} {
		if want == "arrivals at 0/s on 0 users" {
			require.NotContains(t, harness.Describe(s), "start", "one that is wrong is not computed with")
			continue
		}
		require.Equal(t, want, harness.Describe(s))
	}
	require.Contains(t, harness.Describe(harness.SharedIterations(100, 5)), "100 starts")
	require.Contains(t, harness.Describe(harness.PerUserIterations(3, 4)), "12 starts")
	require.Contains(t, harness.Describe(harness.RampingArrivals(10, traffic.Stage{To: 10, Over: 10 * time.Second})), "50 starts in 10s")
	require.Contains(t, harness.Describe(harness.PoissonArrivals(10, 1, time.Minute, 5)), "about 600 starts in 1m0s")
	require.Contains(t, harness.Describe(harness.ReplayArrivals(traffic.Replay{0, time.Second, 5 * time.Second}, 1)), "3 starts")
}

func TestADescriptionCountsTheStartsThatComeAbout(t *testing.T) {
	for _, s := range []harness.Schedule{
		harness.ConstantArrivals(7.3, 10*time.Second, 50),
		harness.RampingArrivals(50, traffic.Stage{To: 13, Over: 5 * time.Second}, traffic.Stage{To: 2, Over: 3 * time.Second}),
		harness.SteppedArrivals(50, traffic.Step{PerSecond: 3, For: 3 * time.Second}, traffic.Step{PerSecond: 11, For: 2 * time.Second}),
		harness.SpikeArrivals(traffic.Spikes{Base: 2, Peak: 20, Length: time.Second, Every: 4 * time.Second}, 9*time.Second, 50),
		harness.SineArrivals(traffic.Sine{Mean: 9, Amplitude: 8, Period: 3 * time.Second}, 10*time.Second, 50),
		harness.ReplayArrivals(traffic.Replay{0, 1, time.Second, 5 * time.Second}, 2),
		harness.PerUserIterations(3, 7),
		harness.SharedIterations(31, 7),
	} {
		bubble(t, func(t *testing.T) {
			it := run(t, planOf(s, fake{})).Scenarios[0].Iterations
			require.NotEqual(t, s.Users(), it.Started)
			require.Contains(t, harness.Describe(s), fmt.Sprintf(": %d starts", it.Started), "%v", s)
		})
	}
}
