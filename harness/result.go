package harness

import (
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// SchemaVersion is the version of result.json's schema. It changes when a
// reader of the old one would be wrong.
const SchemaVersion = 1

// Result is what came of a run, and what result.json holds. Times are seconds
// unless their name says otherwise.
type Result struct {
	SchemaVersion int               `json:"schema_version"`
	Name          string            `json:"name,omitempty"`
	RunID         string            `json:"run_id"`
	Seed          uint64            `json:"seed"`
	Shard         string            `json:"shard,omitempty"`        // as "2/5"; empty for a whole
	Fingerprint   string            `json:"fingerprint,omitempty"`  // of what shards must have in common
	Clock         *Clock            `json:"clock,omitempty"`        // which the times of day are by; nil for this machine's
	MaxFailures   int               `json:"max_failures,omitempty"` // failed runs that are still a pass
	Partial       bool              `json:"partial,omitempty"`      // of a stream without its end
	StartedAt     time.Time         `json:"started_at"`
	EndedAt       time.Time         `json:"ended_at"`
	Seconds       float64           `json:"seconds"`
	Verdict       Verdict           `json:"verdict"`
	Reasons       []string          `json:"reasons"` // the gravest first; empty for a pass
	Warnings      []string          `json:"warnings,omitempty"`
	Target        map[string]string `json:"target"`
	Generator     Generator         `json:"generator"`
	Configuration map[string]string `json:"configuration"`
	Scenarios     []ScenarioResult  `json:"scenarios"`

	// TimelineAt is where the timelines begin, in seconds since the run's beginning:
	// at the load, or the baseline or the setups that are part of it.
	TimelineAt float64 `json:"timeline_at"`

	// Phases are what the run went through, in its order.
	Phases []PhaseMark `json:"phases"`

	// Server is what was seen of what is tested from its own side; nil when nobody
	// looked.
	Server *ServerResult `json:"server,omitempty"`

	// Disruptions are those that began, in their order.
	Disruptions []DisruptionResult `json:"disruptions,omitempty"`

	Cleanup CleanupResult `json:"cleanup"`

	// Shards are those that [Merge] made this result of, in their order; none for a
	// run's own.
	Shards []ShardResult `json:"shards,omitempty"`

	starved bool // invalid for want of something of this machine, for a search
}

// PhaseMark is the beginning of a phase; [Plan].OnPhase has the names.
type PhaseMark struct {
	Name string  `json:"name"`
	At   float64 `json:"at"` // seconds since the run's beginning
}

// ScenarioResult is what came of a scenario.
type ScenarioResult struct {
	Name         string                  `json:"name"`
	Schedule     string                  `json:"schedule"` // in one human line
	Users        int                     `json:"users"`
	Ready        int64                   `json:"ready"`        // users whose setup succeeded
	LoadSeconds  float64                 `json:"load_seconds"` // how long the load was on, without warm-up and cool-down
	Iterations   Iterations              `json:"iterations"`
	Errors       int64                   `json:"errors"`        // failed actions, and iterations that failed without one
	Iteration    ActionResult            `json:"iteration"`     // whole iterations
	Setup        map[string]ActionResult `json:"setup_actions"` // before the load
	Actions      map[string]ActionResult `json:"actions"`       // of the load
	Counters     map[string]int64        `json:"counters"`
	Throughput   *Throughput             `json:"throughput,omitempty"`
	Connections  *Connections            `json:"connections,omitempty"`
	Lag          Distribution            `json:"lag"` // the generator's own lateness
	Thresholds   []ThresholdResult       `json:"thresholds"`
	Warnings     []string                `json:"warnings"`
	Failures     []Failure               `json:"failures"` // the first hundred
	MoreFailures int                     `json:"more_failures"`
	Timeline     []Second                `json:"timeline"` // warm-up and cool-down included

	// WarmUp and CoolDown are what does not count; nil when they were not asked
	// for. Nothing of them is in the fields above, except in the timeline, the
	// warnings and, after those that count, the failures.
	WarmUp   *Part `json:"warm_up,omitempty"`
	CoolDown *Part `json:"cool_down,omitempty"`
}

// Part is the numbers of a part of the load that does not count.
type Part struct {
	Seconds    float64                 `json:"seconds"`
	Iterations Iterations              `json:"iterations"`
	Errors     int64                   `json:"errors"` // failed actions, and iterations that failed without one
	Iteration  ActionResult            `json:"iteration"`
	Actions    map[string]ActionResult `json:"actions"`
	Counters   map[string]int64        `json:"counters"`
	Throughput *Throughput             `json:"throughput,omitempty"`
	Lag        Distribution            `json:"lag"`

	Connections *Connections `json:"connections,omitempty"`
}

// Iterations counts iterations. Started = Succeeded + Failed + Interrupted.
type Iterations struct {
	Started     int64 `json:"started"`
	Succeeded   int64 `json:"succeeded"`
	Failed      int64 `json:"failed"`
	Interrupted int64 `json:"interrupted"`      // cut short by the end of the load, or of their user's time
	Waited      int64 `json:"waited,omitempty"` // among the started: no user was free when they were due
	Dropped     int64 `json:"dropped"`          // meant to start, but there was no free user, or it is stuck
	Stuck       int64 `json:"stuck"`            // ignored their context; among the failed ones, here or in the setup
	SetupFailed int64 `json:"setup_failed"`
}

// ActionResult is an action's numbers. The times are of successes.
type ActionResult struct {
	Count    uint64       `json:"count"`  // successes
	Errors   int64        `json:"errors"` // failures
	Response Distribution `json:"response"`
	Service  Distribution `json:"service"`

	// Tags are the parts of the action that have tags, by "key=value,key=value":
	// see [Action.Tag]. They are in the numbers above.
	Tags map[string]ActionResult `json:"tags,omitempty"`
}

// Distribution is a histogram and its usual percentiles, in seconds.
type Distribution struct {
	Count uint64  `json:"count"`
	Min   float64 `json:"min"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`

	// Histogram holds nanoseconds, in HdrHistogram's compressed V2 encoding,
	// base64. It is absent when empty.
	Histogram *histogram.Histogram `json:"histogram,omitempty"`
}

// Throughput is bytes meant to be sent against bytes that were.
type Throughput struct {
	BytesIntended int64   `json:"bytes_intended"`
	BytesAchieved int64   `json:"bytes_achieved"`
	Ratio         float64 `json:"ratio"`
}

// Failure is a failed run with its log.
type Failure struct {
	Scenario  string  `json:"scenario"`
	User      int     `json:"user"`
	Iteration int     `json:"iteration"`
	Phase     string  `json:"phase"`   // setup, warm-up, load, cool-down or cleanup
	Seconds   float64 `json:"seconds"` // when, since the run's beginning
	Error     string  `json:"error"`
	Stack     string  `json:"stack,omitempty"` // of a panic, or where it is stuck
	Log       string  `json:"log,omitempty"`   // the user's last 64 KiB
}

// CleanupResult is what came of the cleanup.
type CleanupResult struct {
	Cleaned  int64     `json:"cleaned"`
	Failed   int64     `json:"failed"`  // left something behind
	Skipped  int64     `json:"skipped"` // there was no time left, or the run was aborted
	Seconds  float64   `json:"seconds"`
	Failures []Failure `json:"failures"` // the first hundred
}

func (r *Run) makeResult() *Result {
	end := time.Now()
	res := &Result{
		SchemaVersion: SchemaVersion,
		Name:          r.plan.Name,
		RunID:         r.plan.RunID,
		Seed:          r.plan.Seed,
		Shard:         r.plan.Shard.String(),
		Fingerprint:   r.plan.Fingerprint,
		Clock:         r.plan.Clock,
		MaxFailures:   r.plan.MaxFailures,
		StartedAt:     r.startedAt(),
		EndedAt:       end.Add(r.plan.Clock.offset()),
		Seconds:       end.Sub(r.epoch).Seconds(),
		Target:        orEmpty(r.plan.Target),
		Configuration: orEmpty(r.plan.Configuration),
		Generator:     r.generator(),
		Cleanup:       r.cleanup,
		Reasons:       []string{},
		TimelineAt:    thousandths(r.zero.Seconds()),
		Phases:        r.phases,
		Server:        r.observing.seen(),
	}
	res.Cleanup.Failures, _ = r.problems.list()
	res.Scenarios = []ScenarioResult{}
	for _, s := range r.scenarios {
		res.Scenarios = append(res.Scenarios, s.result())
	}
	res.Disruptions = r.disruptor.results()
	verdict, reasons := r.judge(res)
	res.Verdict = verdict
	res.Reasons = append(res.Reasons, reasons...)
	return res
}

func (s *scenarioRun) result() ScenarioResult {
	f := s.final[counted].totals
	res := ScenarioResult{
		Name: s.Name, Schedule: s.Schedule.String(), Users: len(s.users),
		Ready: s.ready.Load(), LoadSeconds: s.loadTime.Seconds(),
		Iterations: s.counts[counted].iterations(), Errors: f.failed() + s.counts[counted].bare.Load(),
		Iteration:  f.iteration.result(),
		Setup:      map[string]ActionResult{},
		Actions:    f.results(),
		Counters:   f.counters,
		Throughput: f.throughput(), Connections: s.final[counted].connections,
		Lag:      Distribute(&f.lag),
		Timeline: append([]Second{}, s.timeline...),
		Warnings: s.problems.warned(),
	}
	for name, a := range s.setup.totals().actions {
		res.Setup[name] = a.result()
	}
	res.Iterations.SetupFailed = s.setupFail.Load()
	res.Thresholds = []ThresholdResult{}
	for _, t := range s.Thresholds {
		r := s.evaluate(t)
		if !s.run.plan.Shard.whole() {
			r = r.ofShard(t)
		}
		res.Thresholds = append(res.Thresholds, r)
	}
	res.Warnings = append(res.Warnings, s.doubtful(&res)...)
	res.Failures, res.MoreFailures = s.problems.list()
	if s.parted != nil {
		failures, more := s.parted.problems.list()
		res.Failures, res.MoreFailures = append(res.Failures, failures...), res.MoreFailures+more
	}
	if s.WarmUp > 0 {
		res.WarmUp = s.partResult(warmUp, min(s.ran, s.parted.from)-s.start)
	}
	if s.CoolDown > 0 {
		res.CoolDown = s.partResult(coolDown, max(s.ran-s.parted.to, 0))
	}
	return res
}

func (s *scenarioRun) partResult(p part, lasted time.Duration) *Part {
	f := s.final[p].totals
	return &Part{
		Seconds: lasted.Seconds(), Iterations: s.counts[p].iterations(), Iteration: f.iteration.result(),
		Errors:  f.failed() + s.counts[p].bare.Load(),
		Actions: f.results(), Counters: f.counters, Throughput: f.throughput(), Lag: Distribute(&f.lag),
		Connections: s.final[p].connections,
	}
}

func (t *totals) results() map[string]ActionResult {
	out := make(map[string]ActionResult, len(t.actions))
	for name, a := range t.actions {
		out[name] = a.result()
	}
	return out
}

// failed are the failed actions.
func (t *totals) failed() (n int64) {
	for _, a := range t.actions {
		n += a.errors
	}
	return n
}

// throughput is nil when no bytes were meant to be sent.
func (t *totals) throughput() *Throughput {
	if t.bytesIntended <= 0 {
		return nil
	}
	return &Throughput{t.bytesIntended, t.bytesAchieved, float64(t.bytesAchieved) / float64(t.bytesIntended)}
}

func (s *series) result() ActionResult {
	r := ActionResult{
		Count: s.response.Count(), Errors: s.errors,
		Response: Distribute(&s.response), Service: Distribute(&s.service),
	}
	for tags, t := range s.tags {
		if r.Tags == nil {
			r.Tags = map[string]ActionResult{}
		}
		r.Tags[tags] = t.result()
	}
	return r
}

// Distribute summarises a histogram.
func Distribute(h *histogram.Histogram) Distribution {
	d := Distribution{
		Count: h.Count(), Min: h.Min().Seconds(), Mean: h.Mean().Seconds(), Max: h.Max().Seconds(),
		P50: h.Percentile(50).Seconds(), P90: h.Percentile(90).Seconds(), P95: h.Percentile(95).Seconds(),
		P99: h.Percentile(99).Seconds(), P999: h.Percentile(99.9).Seconds(),
	}
	if h.Count() > 0 {
		d.Histogram = h
	}
	return d
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
