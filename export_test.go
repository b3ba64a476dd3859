//go:build !scaletest

package scaletest

import (
	"time"

	"strings"

	"github.com/coderscale/scaletest/harness"
)

// Confirmed is what is said about a number of users on a deployment, when
// CODER_SCALETEST_YES has a value.
func Confirmed(url, yes string, users int) error {
	t := &Target{cfg: Config{URL: url, Yes: yes}}
	return t.safe(harness.Plan{Scenarios: []harness.Scenario{{Schedule: harness.AllAtOnce(users)}}})
}

// UsableAgent is the agent of a workspace that can be used, or what is wrong.
var UsableAgent = usableAgent

// Heartbeat is what is printed each second.
func Heartbeat(s harness.Snapshot) string {
	var b strings.Builder
	(&console{out: &b, scenarios: len(s.Scenarios)}).snapshot(s)
	return b.String()
}

// Prepared is the plan that is run, with what the environment says filled in.
func Prepared(tb TB, environ []string, plan harness.Plan) (harness.Plan, error) {
	cfg, err := ConfigFromEnv(environ)
	if err != nil {
		return plan, err
	}
	return (&Target{cfg: cfg}).prepare(tb, plan)
}

// SearchEnds is what is said of the ends of a search on a deployment.
func SearchEnds(tb TB, url string, search harness.Search) error {
	_, _, err := (&probing{Target: &Target{cfg: Config{URL: url}}, tb: tb}).ends(search)
	return err
}

// Bounded is the budget of a search in a test.
func Bounded(tb TB, b harness.Budget) harness.Budget {
	(&probing{tb: tb, console: &console{out: output(tb)}}).bound(&b)
	return b
}

// MetricNames are the metrics of a run, as Prometheus gets them.
var MetricNames = metricNames

// SetSendTime changes how long the last numbers may take, until restore is called.
func SetSendTime(d time.Duration) (restore func()) {
	was := sendTime
	sendTime = d
	return func() { sendTime = was }
}
