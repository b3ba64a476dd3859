package scenario

import (
	"errors"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

func (s Scenario) dashboard(out harness.Scenario, r Resources, part runners.Range) (harness.Scenario, error) {
	people, err := cut(r.People, part, "users")
	if err != nil {
		return out, err
	}
	interval := time.Duration(s.interval())
	out.Runner = runners.DashboardConfig{People: people, Interval: interval, Jitter: time.Duration(s.Jitter)}.Runner()
	out.Schedule = s.timed(len(people))
	return out, errors.Join(enough(out.Schedule, len(people), "users"), out.Schedule.Validate())
}
