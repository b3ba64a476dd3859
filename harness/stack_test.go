package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func early(d time.Duration) { time.Sleep(d) }

func TestStackIsWhereTheRunnerIsStuckAndNotWhereItWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		// The first is given up at 15 s, when the second is still elsewhere.
		p := planOf(harness.AllAtOnce(1), fake{run: stubborn(release)})
		p.Scenarios = append(p.Scenarios, harness.Scenario{
			Name: "second", Schedule: harness.AllAtOnce(1), StartAfter: 3 * time.Second,
			Runner: all(fake{run: func(context.Context, *harness.Recorder) error {
				early(14 * time.Second)
				lost(release)
				return nil
			}}),
		})
		p.JobTimeout, p.Grace = 10*time.Second, 5*time.Second
		res := run(t, p)
		require.Contains(t, res.Scenarios[0].Failures[0].Stack, "stubborn")
		require.Contains(t, res.Scenarios[1].Failures[0].Stack, "harness_test.lost")
		require.NotContains(t, res.Scenarios[1].Failures[0].Stack, "harness_test.early")
	})
}

func TestStackOfOneUserIsNotThatOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := planOf(harness.AllAtOnce(12), fake{run: func(_ context.Context, rec *harness.Recorder) error {
			if rec.User() == 1 {
				lost(release) // and not users 10 and 11
			}
			<-release
			return nil
		}})
		p.JobTimeout = time.Second
		for _, f := range run(t, p).Scenarios[0].Failures {
			require.NotEmpty(t, f.Stack)
			if f.User == 1 {
				require.Contains(t, f.Stack, "harness_test.lost")
			} else {
				require.NotContains(t, f.Stack, "harness_test.lost")
			}
		}
	})
}
