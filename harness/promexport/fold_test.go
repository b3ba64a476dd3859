package promexport_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/promexport"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// inventive is a result with n actions and counters, each of which failed once,
// and took a second.
func inventive(n int) *harness.Result {
	var h histogram.Histogram
	h.Record(time.Second)
	d := harness.Distribute(&h)
	s := harness.ScenarioResult{
		Name: "s", Setup: map[string]harness.ActionResult{}, Actions: map[string]harness.ActionResult{}, Counters: map[string]int64{},
	}
	for i := range n {
		name := fmt.Sprintf("a%05d", i)
		s.Setup[name] = harness.ActionResult{Errors: 1}
		s.Actions[name] = harness.ActionResult{Count: 1, Errors: 1, Response: d, Service: d}
		s.Counters[name] = 1
	}
	return &harness.Result{RunID: "ab12", Scenarios: []harness.ScenarioResult{s}}
}

func TestTenThousandActionsDoNotMakeTenThousandSeries(t *testing.T) {
	const many = 10_000
	e, err := promexport.New(promexport.Config{NoProcess: true})
	require.NoError(t, err)
	res := inventive(many)
	e.Finish(res)
	end := gather(t, e)
	for _, name := range []string{"scaletest_action_seconds", "scaletest_action_errors_total"} {
		assert.Len(t, end[name].Metric, 2*(promexport.DefaultMaxNames+1), "%s of the setup and the load", name)
	}
	assert.Len(t, end["scaletest_counted_total"].Metric, promexport.DefaultMaxNames+1)
	rest := many - promexport.DefaultMaxNames
	assert.EqualValues(t, rest, value(t, end, "scaletest_action_seconds", "other", "load", "s").GetHistogram().GetSampleCount())
	assert.EqualValues(t, rest, value(t, end, "scaletest_action_errors_total", "other", "setup", "s").GetCounter().GetValue())
	assert.EqualValues(t, rest, value(t, end, "scaletest_counted_total", "other", "s").GetCounter().GetValue())
	assert.EqualValues(t, 1, res.Scenarios[0].Actions["a09999"].Response.Histogram.Count(), "the run's own numbers")
}

func TestAnActionKeepsItsSeriesWhenOthersCome(t *testing.T) {
	e, err := promexport.New(promexport.Config{NoProcess: true, MaxNames: 2})
	require.NoError(t, err)
	late := inventive(1)
	late.Scenarios[0].Actions = map[string]harness.ActionResult{"z": late.Scenarios[0].Actions["a00000"]}
	e.Finish(late)
	gather(t, e)
	all := inventive(5)
	all.Scenarios[0].Actions["z"] = late.Scenarios[0].Actions["z"]
	all.Scenarios[0].Actions["other"] = late.Scenarios[0].Actions["z"]
	e.Finish(all)
	end := gather(t, e)
	value(t, end, "scaletest_action_seconds", "z", "load", "s")
	value(t, end, "scaletest_action_seconds", "a00000", "load", "s")
	assert.EqualValues(t, 5, value(t, end, "scaletest_action_seconds", "other", "load", "s").GetHistogram().GetSampleCount(), "an action of that name among them")
}
