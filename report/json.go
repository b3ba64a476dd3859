package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// summary has the keys of the JSON that Coder's own utility writes, in its
// order, and the whole result.
type summary struct {
	TotalRuns int64           `json:"total_runs"`
	TotalPass int64           `json:"total_pass"`
	TotalFail int64           `json:"total_fail"`
	Elapsed   string          `json:"elapsed"`
	ElapsedMS int64           `json:"elapsed_ms"`
	Runs      map[string]run  `json:"runs"`
	Scaletest *harness.Result `json:"scaletest"`
}

type run struct {
	FullID     string           `json:"full_id"`
	TestName   string           `json:"test_name"`
	ID         string           `json:"id"`
	Logs       string           `json:"logs"`
	StartedAt  time.Time        `json:"started_at"`
	Duration   string           `json:"duration"`
	DurationMS int64            `json:"duration_ms"`
	Metrics    map[string]int64 `json:"metrics,omitempty"`
	Error      string           `json:"error"`
}

// JSON writes a result with the keys of the summary that Coder's own utility
// writes, on one line, so that scripts which read that go on working:
// total_runs, total_pass, total_fail, elapsed (as Go prints durations),
// elapsed_ms, and runs by their full_id, each with full_id, test_name, id, logs,
// started_at, duration, duration_ms, metrics and error. Beside them, "scaletest"
// holds the whole result, as result.json does.
//
// A run is an iteration of a user, or a setup that failed. Those that the end of
// the load cut short neither passed nor failed and are not counted, so that
// total_runs is total_pass + total_fail.
//
// A result keeps no record of each run that passed. So "runs" has
//
//   - an entry for each failed run that was kept, "scenario/user/iteration" or
//     "scenario/user/setup". It begins with the whole run and lasts until it
//     failed;
//   - one entry "scenario/passed" for all that passed. Its duration is their
//     mean, its metrics are the sums of the scenario: the counters, bytes_read
//     and bytes_written, how many runs it stands for in "runs", and of connections
//     that last how many there were, were lost and restored (connections,
//     connections_lost, connections_restored);
//   - one entry "scenario/failed" for the failed ones that were not kept.
//
// Runs of a warm-up or a cool-down are in neither: they are in "scaletest", as are
// disruptions, tags and what the generator saw of itself.
//
// The error of what passed is the text "<nil>", because that is what scripts
// compare with.
func JSON(w io.Writer, res *harness.Result) error {
	s := summary{
		Elapsed:   duration(res.Seconds).String(),
		ElapsedMS: duration(res.Seconds).Milliseconds(),
		Runs:      map[string]run{},
		Scaletest: res,
	}
	for i := range res.Scenarios {
		s.add(res, &res.Scenarios[i])
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // thresholds and errors are for people to read
	if err := enc.Encode(s); err != nil {
		return fmt.Errorf("write the JSON summary: %w", err)
	}
	return nil
}

func (s *summary) add(res *harness.Result, sr *harness.ScenarioResult) {
	it := sr.Iterations
	s.TotalPass += it.Succeeded
	s.TotalFail += it.Failed + it.SetupFailed
	s.TotalRuns = s.TotalPass + s.TotalFail
	kept := int64(0)
	for _, f := range sr.Failures {
		if f.Phase == string(harness.WarmUp) || f.Phase == string(harness.CoolDown) {
			continue // it does not count, and total_fail is the number of what is here
		}
		kept++
		id := fmt.Sprintf("%d/%d", f.User, f.Iteration)
		if f.Phase != "load" {
			id = fmt.Sprintf("%d/%s", f.User, f.Phase)
		}
		logs := f.Log
		if f.Stack != "" {
			logs += f.Stack
		}
		s.put(sr.Name, id, run{
			Logs: logs, StartedAt: res.StartedAt, Error: f.Error,
			Duration: duration(f.Seconds).String(), DurationMS: duration(f.Seconds).Milliseconds(),
		})
	}
	if it.Succeeded > 0 {
		mean := duration(sr.Iteration.Service.Mean)
		s.put(sr.Name, "passed", run{
			Logs:      fmt.Sprintf("%d runs that passed, in one entry\n", it.Succeeded),
			StartedAt: res.StartedAt, Error: "<nil>",
			Duration: mean.String(), DurationMS: mean.Milliseconds(),
			Metrics: sums(sr),
		})
	}
	more := int64(sr.MoreFailures)
	if len(apart(sr)) > 0 { // they have some of them
		more = max(min(more, it.Failed+it.SetupFailed-kept), 0)
	}
	if more > 0 {
		s.put(sr.Name, "failed", run{
			StartedAt: res.StartedAt, Duration: duration(0).String(),
			Error: fmt.Sprintf("%d more failed runs, which were not kept one by one", more),
		})
	}
}

// put adds an entry. Results of several machines may have the same user twice.
func (s *summary) put(scenario, id string, r run) {
	full := scenario + "/" + id
	for n := 2; ; n++ {
		if _, taken := s.Runs[full]; !taken {
			break
		}
		full = fmt.Sprintf("%s/%s#%d", scenario, id, n)
	}
	r.FullID, r.TestName, r.ID = full, scenario, full[len(scenario)+1:]
	s.Runs[full] = r
}

// sums are what a scenario counted, also under the names that scripts know.
func sums(sr *harness.ScenarioResult) map[string]int64 {
	out := map[string]int64{"runs": sr.Iterations.Succeeded}
	for name, n := range sr.Counters {
		out[name] = n
	}
	if n, ok := sr.Counters["bytes_received"]; ok {
		out["bytes_read"] = n
	}
	if n, ok := sr.Counters["bytes_sent"]; ok {
		out["bytes_written"] = n
	}
	if c := sr.Connections; c != nil {
		out["connections"], out["connections_lost"], out["connections_restored"] = c.Count, c.Lost, c.Restored
	}
	return out
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
