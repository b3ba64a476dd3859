package harness

import (
	"time"
)

// Limit is what came of a search, and what limit.json holds.
type Limit struct {
	SchemaVersion int       `json:"schema_version"`
	Name          string    `json:"name,omitempty"` // of the plan of the lowest load
	Of            string    `json:"of"`
	From          float64   `json:"from"`
	To            float64   `json:"to"`
	StartedAt     time.Time `json:"started_at"`
	EndedAt       time.Time `json:"ended_at"`

	// Target is what was tested, as the first result says.
	Target map[string]string `json:"target"`

	// Holds is the highest load that holds, and Breaks the lowest that breaks. 0 is
	// none. Loads between the two were not probed, or are unclear.
	Holds  float64 `json:"holds"`
	Breaks float64 `json:"breaks"`

	// Confidence is how certain that is, from 0 to 1: see [Search].
	Confidence float64 `json:"confidence"`

	// Unclear are the loads between them that neither hold nor break with any
	// certainty.
	Unclear []float64 `json:"unclear"`

	// Stopped says why the search ended, and Reason the same in a sentence.
	Stopped Stop   `json:"stopped"`
	Reason  string `json:"reason"`

	// Probes are all of them, in their order, those that check a recovery
	// included. See also [Limit.At].
	Probes []Probe `json:"probes"`
}

// Stop is why a search ended.
type Stop string

// The reasons to end a search. After the first four there was nothing more to
// learn.
const (
	// StopFound: the edge is as narrow and as certain as was asked for.
	StopFound Stop = "found"
	// StopCeiling: the highest load, To, holds. The limit is there or above.
	StopCeiling Stop = "ceiling"
	// StopFloor: the lowest load, From, breaks. Nothing holds.
	StopFloor Stop = "floor"
	// StopUnclear: the edge is wider than was asked for, because of loads in it
	// whose probes do not agree.
	StopUnclear Stop = "unclear"
	// StopGenerator: the generator was too slow for the next load, twice.
	StopGenerator Stop = "generator"
	// StopNotRecovered: the deployment did not recover from a load that broke.
	StopNotRecovered Stop = "not_recovered"
	// StopBudget: the budget is spent.
	StopBudget Stop = "budget"
	// StopInterrupted: the context is done, or somebody stopped a run.
	StopInterrupted Stop = "interrupted"
	// StopError: a plan could not be made or run, or a cleanup failed.
	StopError Stop = "error"
)

// Outcome is what a probe says about its load.
type Outcome string

// The outcomes.
const (
	Held      Outcome = "held"
	Broke     Outcome = "broke"
	Uncounted Outcome = "uncounted" // it says nothing: see its verdict
)

// Probe is one run of a search.
type Probe struct {
	Number     int              `json:"number"` // from 1, in their order
	Load       float64          `json:"load"`
	Check      bool             `json:"check"` // of the recovery from the probe before; does not count for its load
	Outcome    Outcome          `json:"outcome"`
	RunID      string           `json:"run_id"`
	Verdict    Verdict          `json:"verdict"`
	Reasons    []string         `json:"reasons"`
	StartedAt  time.Time        `json:"started_at"`
	Seconds    float64          `json:"seconds"` // setup and cleanup included
	Thresholds []ProbeThreshold `json:"thresholds"`

	// Recovery is how the deployment came back after a probe that broke. It is nil
	// where nothing followed, or where there was no way to tell. It is not there
	// yet when OnProbe is called.
	Recovery *Recovery `json:"recovery,omitempty"`
}

// ProbeThreshold is how a threshold of one scenario came out.
type ProbeThreshold struct {
	Scenario string `json:"scenario"`
	ThresholdResult
}

// Recovery is how a deployment came back after a load that broke.
type Recovery struct {
	Recovered bool `json:"recovered"`

	// Seconds is from the end of the probe to the beginning of the check that
	// found it recovered, or else of the last one. It is no finer than the waits
	// between checks.
	Seconds float64 `json:"seconds"`

	// Failed is what checks said that found it not recovered.
	Failed []string `json:"failed"`
}

// At are the probes at a load that count: the evidence for a side of the edge.
func (l *Limit) At(load float64) []Probe {
	var probes []Probe
	for _, p := range l.Probes {
		if p.Load == load && !p.Check && p.Outcome != Uncounted {
			probes = append(probes, p)
		}
	}
	return probes
}

// WriteFile writes the limit as JSON, for its owner's eyes only, and whole or
// not at all.
func (l *Limit) WriteFile(path string) error { return writeJSON(path, "limit", l) }
