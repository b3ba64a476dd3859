package report_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/coderscale/scaletest/harness"
)

// seenAs is a result of a live deployment whose series have a value all the time.
func seenAs(values map[string]float64) *harness.Result {
	res := &harness.Result{Verdict: harness.Fail, Seconds: 60, Phases: []harness.PhaseMark{{Name: "load"}}, Server: &harness.ServerResult{}}
	for name, v := range values {
		res.Server.Series = append(res.Server.Series, harness.Series{Name: name, Points: [][2]float64{{10, v}, {20, v}, {30, v}}})
	}
	return res
}

func TestSummaryNamesTheProbableBottleneckOfALiveDeployment(t *testing.T) {
	full := map[string]float64{"cpu": 1.9, "cpu_limit": 2, "queue_wait_p95": 30, "api_limited": 5, "db_tx_retried": 7}
	text := summary(t, seenAs(full), "result.json")
	assert.Contains(t, text, `
bottleneck  coderd has no CPU left (strong)
            coderd used 1.90 of 2 cores during all of the load
            try: give coderd more cores, or more replicas
bottleneck  Rate limits of the API refuse requests (strong)
`)
	assert.Equal(t, 2, strings.Count(text, "bottleneck "), "the result has the rest")
	for _, line := range strings.Split(text, "\n") {
		assert.LessOrEqual(t, len(line), 80)
	}

	res := seenAs(full)
	res.Target = map[string]string{"embedded": "true"}
	assert.NotContains(t, summary(t, res, ""), "bottleneck")
	for _, nothing := range []map[string]float64{{"cpu": 0.1, "cpu_limit": 2}, {"db_tx_retried": 7}, {}} {
		assert.NotContains(t, summary(t, seenAs(nothing), ""), "bottleneck", nothing)
	}
	assert.NotContains(t, summary(t, &harness.Result{Verdict: harness.Invalid, Reasons: []string{"late"}}, ""), "bottleneck")
}
