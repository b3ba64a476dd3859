package harness_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestValidateReportsEverythingThatIsWrongAtOnce(t *testing.T) {
	p := harness.Plan{
		RunID:   "Not An ID",
		Timeout: -1, SetupTimeout: -1, JobTimeout: -1, GracefulStop: -1,
		CleanupTimeout: -1, CleanupJobTimeout: -1, Grace: -1, MaxLag: -1, MaxFailures: -1,
		Scenarios: []harness.Scenario{
			{Name: "Bad Name", StartAfter: -1, SetupAtATime: -1, CleanupAtATime: -1},
			{Name: "ok", Runner: all(fake{}), Schedule: harness.AllAtOnce(0), Thresholds: []harness.Threshold{{}, harness.P99("errors").Below(1)}},
			{Name: "ok", Runner: all(fake{}), Schedule: harness.ConstantArrivals(-1, 0, 0)},
		},
	}
	err := p.Validate()
	for _, want := range []string{
		`RunID is "Not An ID"`, "Timeout is -1ns", "SetupTimeout is", "JobTimeout is", "GracefulStop is", "CleanupTimeout is",
		"CleanupJobTimeout is", "Grace is", "MaxLag is", "MaxFailures is -1", `scenario "Bad Name": the name is`, "there is no Runner",
		"there is no Schedule", "StartAfter is negative", "SetupAtATime is negative", "CleanupAtATime is negative", `scenario "ok": schedule: 0 users`,
		"errors has no p(99)", "want a metric", "constant rate is -1", "duration is 0s", "arrivals: 0 users", `two scenarios are named "ok"`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, started := harness.Start(t.Context(), p)
	require.EqualError(t, started, err.Error())
	require.ErrorContains(t, harness.Plan{}.Validate(), "the plan has no scenarios")
}

func TestAPlanThatCantFinishInItsTimeoutIsRefused(t *testing.T) {
	p := planOf(harness.AllAtOnce(1).Hold(time.Minute), fake{})
	p.Scenarios[0].StartAfter = 10 * time.Second
	require.Equal(t, 70*time.Second, p.Length())
	p.Timeout = 70 * time.Second
	require.NoError(t, p.Validate())
	p.Timeout--
	require.ErrorContains(t, p.Validate(), `scenario "s" lasts 1m10s, longer than the plan's timeout of 1m9.999999999s`)
}

func TestLengthIsThatOfTheLongestScenario(t *testing.T) {
	require.Zero(t, harness.Plan{}.Length())
	p := planOf(harness.AllAtOnce(1), fake{})
	p.Scenarios = append(p.Scenarios, harness.Scenario{}, harness.Scenario{Schedule: harness.ConstantArrivals(1, time.Hour, 1)})
	require.Equal(t, time.Hour, p.Length())
}

func TestSeedAndRunIDAreMadeWhenTheyAreLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), fake{})
		p.RunID, p.Seed = "", 0
		a, b := run(t, p), run(t, p)
		require.Regexp(t, `^[a-z2-7]{10}$`, a.RunID)
		require.NotEqual(t, a.RunID, b.RunID)
		require.NotZero(t, a.Seed)
		require.NotEqual(t, a.Seed, b.Seed)
		p.RunID = a.RunID
		require.Equal(t, a.Seed, run(t, p).Seed, "the seed is decided by the run's ID")
	})
}
