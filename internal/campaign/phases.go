package campaign

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Record is what phases.json says.
type Record struct {
	SchemaVersion int             `json:"schema_version"` // 1
	ID            string          `json:"id"`             // of the campaign; each step's result has one of its own
	Name          string          `json:"name,omitempty"`
	Comment       string          `json:"comment,omitempty"`
	URL           string          `json:"url,omitempty"`
	DryRun        bool            `json:"dry_run,omitempty"`
	Began         time.Time       `json:"began"`
	Ended         time.Time       `json:"ended,omitzero"`    // zero while it goes on, and of one that was killed
	Verdict       harness.Verdict `json:"verdict,omitempty"` // empty until it has ended
	Reasons       []string        `json:"reasons"`           // the first is of the first phase
	Phases        []Phase         `json:"phases"`            // in the order of their beginnings
}

// Phase is a part of a campaign.
type Phase struct {
	Name   string    `json:"name"`
	Title  string    `json:"title,omitempty"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`   // zero while it goes on
	State  State     `json:"state"`            // what came of it
	Detail string    `json:"detail,omitempty"` // why, or what; one sentence
	Folder string    `json:"folder,omitempty"` // of a step: its output and results
}

// State is what came of a phase: running, done, or the verdict of a load.
type State string

// The states beside verdicts.
const (
	Running State = "running"
	Done    State = "done"
)

// Lasted is how long a phase took, until now if it goes on.
func (p Phase) Lasted(now time.Time) time.Duration {
	if p.Ended.IsZero() {
		return now.Sub(p.Began)
	}
	return p.Ended.Sub(p.Began)
}

// readRecord reads that of a campaign's folder.
func readRecord(dir string) (Record, error) {
	var rec Record
	b, err := os.ReadFile(filepath.Join(dir, phasesFile))
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil {
		return rec, fmt.Errorf("read what a campaign has done: %w", err)
	}
	return rec, nil
}

func (r Record) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = writeWhole(filepath.Join(dir, phasesFile), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write down what the campaign does: %w", err)
	}
	return nil
}

func (r Record) clone() Record {
	r.Reasons, r.Phases = slices.Clone(r.Reasons), slices.Clone(r.Phases)
	return r
}

// gravest are the verdicts, and what they mean for a campaign.
var gravest = []harness.Verdict{harness.Error, harness.Interrupted, harness.Invalid, harness.Fail, harness.Pass}

// graver is the one of two verdicts that a whole has.
func graver(a, b harness.Verdict) harness.Verdict {
	for _, v := range gravest {
		if a == v || b == v {
			return v
		}
	}
	return harness.Pass
}

// deletes reports whether a campaign with this verdict is cleaned up at its end.
func (s Strategy) deletes(v harness.Verdict) bool {
	switch s {
	case OnStop:
		return false
	case OnSuccess:
		return v == harness.Pass
	case OnError: // somebody who stops it has found nothing
		return v == harness.Error || v == harness.Fail || v == harness.Invalid
	}
	return true
}

// oneLine joins the lines of several errors.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
