package scaletest

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Sharding makes this process one of several that together are one run. The zero
// value is a run of its own.
type Sharding struct {
	// Shard is the part of each plan that this process issues:
	// CODER_SCALETEST_SHARD, such as 2/5, or CODER_SCALETEST_SHARDS with the
	// JOB_COMPLETION_INDEX that Kubernetes sets in the pods of an Indexed Job.
	Shard harness.Shard

	// RunID is the same for all: CODER_SCALETEST_RUN_ID, an ID or a UUID of which one
	// is made.
	RunID string

	// Collector is where they meet before each load, and where their numbers go:
	// CODER_SCALETEST_COLLECTOR, the URL of 'scaletest collect'. Nil is none.
	Collector *url.URL

	// StartAt is when the load begins where there is no collector:
	// CODER_SCALETEST_START_AT. A shard that is ready later has no load.
	StartAt time.Time
}

// many reports whether there are other shards.
func (s Sharding) many() bool { return s.Shard.Of > 1 }

const completionIndex = "JOB_COMPLETION_INDEX"

// sharding reads the variables.
func (p *envParser) sharding() (s Sharding) {
	asked := p.text("SHARD") != "" || p.text("SHARDS") != ""
	s.Shard = p.shard()
	if id := p.text("RUN_ID"); id != "" {
		run, err := harness.RunIDOf(id)
		if err != nil {
			p.bad("RUN_ID", "at most 15 lower-case letters, digits and '-', or a UUID")
		}
		s.RunID = run
	} else if s.many() {
		p.fail("%sRUN_ID is not set, want the same one for all shards of a run: at most 15 lower-case letters, digits and '-', or a UUID", prefix)
	}
	s.Collector = p.optionalURL("COLLECTOR")
	if v := p.text("START_AT"); v != "" {
		at, err := time.Parse(time.RFC3339, v)
		if err != nil {
			p.bad("START_AT", "an instant such as "+time.Date(2026, 1, 31, 14, 30, 0, 0, time.UTC).Format(time.RFC3339))
		}
		s.StartAt = at
	}
	meets := p.text("COLLECTOR") != ""
	switch {
	case meets && p.text("START_AT") != "":
		p.fail("%sCOLLECTOR and %sSTART_AT are both set: want one of the two to say when the load begins", prefix, prefix)
	case meets && !asked:
		p.fail("%sCOLLECTOR is set, but this is no shard: want %sSHARD as well, such as 2/5, or %sSHARDS in a pod of an Indexed Job", prefix, prefix, prefix)
	case meets && p.text("RUN_ID") == "" && !s.many():
		p.fail("%sCOLLECTOR is set, but %sRUN_ID is not: want the same one for all shards of a run", prefix, prefix)
	case s.many() && !meets && p.text("START_AT") == "":
		p.fail("%s is set, but nothing says when all shards begin: want %sCOLLECTOR, the URL of 'scaletest collect', or %sSTART_AT, an instant", p.shardedBy(), prefix, prefix)
	}
	return s
}

func (p *envParser) shardedBy() string {
	if p.text("SHARD") != "" {
		return prefix + "SHARD"
	}
	return prefix + "SHARDS"
}

// shard reads which one this is. A mistake has been reported where it is the whole.
func (p *envParser) shard() harness.Shard {
	text, count, index := p.text("SHARD"), p.text("SHARDS"), p.env[completionIndex]
	if text != "" && count != "" {
		p.fail("%sSHARD and %sSHARDS are both set: want the first, such as 2/5, or the second in a pod of an Indexed Job", prefix, prefix)
		return harness.Shard{}
	}
	if text != "" {
		shard, err := harness.ParseShard(text)
		if err != nil {
			p.bad("SHARD", "the number of this shard, from 1 on, and how many there are, such as 2/5")
		}
		return shard
	}
	n := p.int("SHARDS", 1)
	if n <= 1 {
		return harness.Shard{Of: n}
	}
	if index == "" {
		p.fail("%sSHARDS is %d, but %s is not set, as it is in the pods of a Job with completionMode Indexed: by hand, set %sSHARD=2/%d instead", prefix, n, completionIndex, prefix, n)
		return harness.Shard{}
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= n {
		p.fail("%s is %q, want 0 to %d, as %sSHARDS is %d", completionIndex, index, n-1, prefix, n)
		return harness.Shard{}
	}
	return harness.Shard{Index: i, Of: n}
}

// String is for people: "shard 2/5 of run nightly-7".
func (s Sharding) String() string {
	return fmt.Sprintf("shard %s of run %s", s.number(), s.RunID)
}

// number is 1/1 for the only shard.
func (s Sharding) number() string { return fmt.Sprintf("%d/%d", s.Shard.Index+1, max(s.Shard.Of, 1)) }

// folder is of the shard among the artefacts of all; "" for the only one.
func (s Sharding) folder() string {
	if !s.many() {
		return ""
	}
	return fmt.Sprintf("shard-%d-of-%d", s.Shard.Index+1, s.Shard.Of)
}
