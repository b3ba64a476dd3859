//go:build unix && !scaletest

package scaletest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
)

func TestInterruptEndsASearchWithWhatIsKnown(t *testing.T) {
	environment(t)
	var limit *harness.Limit
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		limit = scaletest.FindLimit(tb, visitors(func(load float64, plan *harness.Plan) {
			if load == 4 {
				plan.Scenarios[0] = stubborn(func() { interruptSelf(t) }, func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}).Scenarios[0]
				plan.GracefulStop = 1
			}
		}))
	})
	require.Len(t, tb.errors, 1)
	assert.Equal(t, "interrupted: the run of 4 users was interrupted", tb.errors[0])
	assert.Equal(t, harness.StopInterrupted, limit.Stopped)
	assert.Equal(t, 2.0, limit.Holds)
	assert.Contains(t, tb.output.String(), "interrupted: ending gracefully, then cleaning up (again: skip to the results)\n")
	assert.Contains(t, tb.output.String(), "limit       at least 2 users")
}

func TestSecondInterruptOfASearchSkipsToWhatIsKnown(t *testing.T) {
	environment(t)
	var limit *harness.Limit
	tb := &fakeTB{onOutput: func(line string) {
		if strings.HasPrefix(line, "interrupted: ") {
			interruptSelf(t)
		}
	}}
	attempt(t, tb, func(tb *fakeTB) {
		tiny.Connect(tb)
		limit = scaletest.FindLimit(tb, visitors(func(load float64, plan *harness.Plan) {
			if load == 4 {
				*plan = stubborn(func() { interruptSelf(t) }, func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				})
			}
		}))
	})
	require.Equal(t, []string{"interrupted: the run of 4 users was interrupted"}, tb.errors)
	assert.Equal(t, 2.0, limit.Holds)
}

func TestInterruptBetweenProbesEndsASearch(t *testing.T) {
	environment(t)
	var limit *harness.Limit
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		search := visitors(nil)
		search.Rest = 0 // ten seconds, which it does not wait for
		search.OnProbe = func(harness.Probe, *harness.Result) { interruptSelf(t) }
		limit = scaletest.FindLimit(tb, search)
	})
	require.Equal(t, []string{"interrupted: the search was interrupted: context canceled"}, tb.errors)
	assert.Len(t, limit.Probes, 1)
}
