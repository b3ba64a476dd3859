package harness

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// ShardResult is what a merged [Result] keeps of each of its shards, beside what is
// summed up.
type ShardResult struct {
	Shard      string    `json:"shard"` // as "2/5"
	StartedAt  time.Time `json:"started_at"`
	EndedAt    time.Time `json:"ended_at"`
	Clock      *Clock    `json:"clock,omitempty"` // which those are by; nil for its machine's
	TimelineAt float64   `json:"timeline_at"`     // seconds since its own beginning

	// Verdict and Reasons are about this process alone: thresholds are decided on
	// over the whole.
	Verdict  Verdict  `json:"verdict"`
	Reasons  []string `json:"reasons"`
	Warnings []string `json:"warnings,omitempty"`
	Partial  bool     `json:"partial,omitempty"` // of a stream without its end

	Fingerprint   string            `json:"fingerprint,omitempty"`
	Target        map[string]string `json:"target"`
	Configuration map[string]string `json:"configuration"`
	Generator     Generator         `json:"generator"`
	Phases        []PhaseMark       `json:"phases"`   // since its own beginning
	Observed      bool              `json:"observed"` // it looked at the server's side

	// Disruptions are those that began.
	Disruptions []ShardDisruption `json:"disruptions,omitempty"`

	// LagP99 is the generator's own lateness at the 99th percentile, in seconds, by
	// scenario.
	LagP99 map[string]float64 `json:"lag_p99"`
}

// ShardDisruption is a disruption that began in a shard.
type ShardDisruption struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

// shards are those that a result is of: its own, or those that were merged.
func (r *Result) shards() []ShardResult {
	if len(r.Shards) > 0 {
		return slices.Clone(r.Shards)
	}
	s := ShardResult{
		Shard: r.Shard, StartedAt: r.StartedAt.Round(0).UTC(), EndedAt: r.EndedAt.Round(0).UTC(), Clock: r.Clock, TimelineAt: r.TimelineAt,
		Fingerprint: r.Fingerprint,
		Verdict:     r.Verdict, Reasons: append([]string{}, r.Reasons...), Warnings: slices.Clone(r.Warnings), Partial: r.Partial,
		Target: maps.Clone(orEmpty(r.Target)), Configuration: maps.Clone(orEmpty(r.Configuration)), Generator: r.Generator,
		Phases: append([]PhaseMark{}, r.Phases...), Observed: r.Server != nil, LagP99: map[string]float64{},
	}
	for _, d := range r.Disruptions {
		s.Disruptions = append(s.Disruptions, ShardDisruption{d.Name, d.Error})
	}
	for _, sr := range r.Scenarios {
		s.LagP99[sr.Name] = sr.Lag.P99
	}
	return []ShardResult{s}
}

// numbered is a shard of a merge.
func (s ShardResult) numbered() Shard {
	shard, _ := ParseShard(s.Shard) // it was checked
	return shard
}

// zero is where its timelines begin.
func (s ShardResult) zero() time.Time { return s.StartedAt.Add(nanoseconds(s.TimelineAt)) }

// joined are facts of all shards; of those that differ all values, in their order.
func joined(shards []ShardResult, of func(ShardResult) map[string]string) map[string]string {
	values := map[string][]string{}
	for _, s := range shards {
		for name, v := range of(s) {
			if !slices.Contains(values[name], v) {
				values[name] = append(values[name], v)
			}
		}
	}
	out := map[string]string{}
	for name, v := range values {
		slices.Sort(v)
		out[name] = strings.Join(v, ", ")
	}
	return out
}
