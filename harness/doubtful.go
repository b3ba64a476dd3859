package harness

import (
	"fmt"
	"time"
)

// manyWaited is the share of arrivals that found no free user from which on the
// result says so.
const manyWaited = 0.1

// doubtful are remarks on a result that a reader may take for better than it is.
func (s *scenarioRun) doubtful(res *ScenarioResult) (remarks []string) {
	it := res.Iterations
	if res.Errors > it.Failed && !s.decidesOnErrors() {
		remarks = append(remarks, fmt.Sprintf("%s failed in iterations that did not, and nothing decides about that: let Run return the error, or set a threshold on errors",
			plural(res.Errors-it.Failed, "action")))
	}
	if float64(it.Waited) > manyWaited*float64(it.Started) {
		text := fmt.Sprintf("%d of %s waited because all %s were busy, and their response times have that wait: the deployment is slow, or the schedule needs more users",
			it.Waited, plural(it.Started, "arrival"), plural(int64(res.Users), "user"))
		if length := s.Schedule.Length() - s.WarmUp - s.CoolDown; length > 0 && s.loadTime > length+length/20 {
			text += fmt.Sprintf("; they took %v, where %v was intended", s.loadTime.Round(100*time.Millisecond), length)
		}
		remarks = append(remarks, text)
	}
	return remarks
}
