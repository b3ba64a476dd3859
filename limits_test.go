//go:build !scaletest

package scaletest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
)

// year is as good as no limit.
const year = 365 * 24 * time.Hour

func TestTimeLimitsOfTheEnvironmentReachThePlan(t *testing.T) {
	minute := harness.Plan{Scenarios: []harness.Scenario{held(time.Minute)}}
	hour := harness.Plan{Scenarios: []harness.Scenario{held(time.Hour)}}
	own := minute
	own.Timeout, own.JobTimeout, own.CleanupTimeout, own.CleanupJobTimeout = 1*time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour

	for _, c := range []struct {
		name                                string
		set                                 []string
		plan                                harness.Plan
		whole, job, cleanup, cleaningOneJob time.Duration
	}{
		{"defaults", nil, minute, 30 * time.Minute, 0, 30 * time.Minute, 5 * time.Minute},
		{"a plan that is longer than the default", nil, hour, time.Hour + 45*time.Second, 0, 30 * time.Minute, 5 * time.Minute},
		{"the plan's own", nil, own, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour},
		{"the environment wins", []string{p + "DURATION=1m", p + "TIMEOUT=2m", p + "JOB_TIMEOUT=3m", p + "CLEANUP_TIMEOUT=4m", p + "CLEANUP_JOB_TIMEOUT=5s"}, own,
			2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Second},
		{"0 is no limit", []string{p + "TIMEOUT=0", p + "JOB_TIMEOUT=0", p + "CLEANUP_TIMEOUT=0", p + "CLEANUP_JOB_TIMEOUT=0"}, minute, 0, 0, year, year},
		{"a timeout that is the duration", []string{p + "TIMEOUT=1m"}, minute, 30 * time.Minute, 0, 30 * time.Minute, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := scaletest.Prepared(&fakeTB{}, c.set, c.plan)
			require.NoError(t, err)
			assert.Equal(t, c.whole, plan.Timeout, "whole")
			assert.Equal(t, c.job, plan.JobTimeout, "one run")
			assert.Equal(t, c.cleanup, plan.CleanupTimeout, "cleanup")
			assert.Equal(t, c.cleaningOneJob, plan.CleanupJobTimeout, "one cleanup")
		})
	}
}

func TestPlansEndBeforeTheTestIsKilled(t *testing.T) {
	for _, set := range [][]string{nil, {p + "TIMEOUT=0"}, {p + "CLEANUP_TIMEOUT=0"}} {
		left := 10 * time.Minute
		tb := &fakeTB{deadline: time.Now().Add(left)}
		plan, err := scaletest.Prepared(tb, set, harness.Plan{Scenarios: []harness.Scenario{held(5 * time.Minute)}})
		require.NoError(t, err)
		assert.Positive(t, plan.Timeout)
		assert.Greater(t, plan.Timeout, 5*time.Minute)
		assert.Less(t, plan.Timeout, left)
		assert.Less(t, 5*time.Minute+plan.CleanupTimeout, left, "the cleanup would be killed")
	}
}

func TestSeedOfTheEnvironmentWins(t *testing.T) {
	plan := harness.Plan{Seed: 7, Scenarios: []harness.Scenario{held(time.Minute)}}
	for set, want := range map[string]uint64{"": 7, p + "SEED=3": 3} {
		got, err := scaletest.Prepared(&fakeTB{}, []string{set}, plan)
		require.NoError(t, err)
		assert.Equal(t, want, got.Seed)
	}
}
