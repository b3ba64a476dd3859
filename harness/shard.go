package harness

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Shard is the part of a run that one of several processes issues. All of them
// have the same plan but for it, and together they issue exactly what one process
// would: nothing twice, and nothing left out.
//
//   - Users are cut by their index: those with index ≡ Index (mod Of). A user keeps
//     its index, and with it its seed, its target, and the instant at which it comes.
//   - Of arrivals, the k-th of the whole (from 0) belongs to shard k mod Of, and
//     keeps its instant. Which of the shard's users takes it depends on who is free.
//   - Shared iterations and the places of [AtATime] are divided as users are. Where
//     Of does not divide the places, shards with one place less take longer.
//
// The zero value is the whole. See [Merge] for the results.
type Shard struct {
	Index int // from 0
	Of    int // how many shards there are; 0 and 1 are the whole
}

// ParseShard reads "2/5", the second of five shards. They are counted from 1 in
// text. Empty is the whole.
func ParseShard(text string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	number, count, ok := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(number)
	of, err2 := strconv.Atoi(count)
	if !ok || err1 != nil || err2 != nil || of < 1 || i < 1 || i > of {
		return Shard{}, fmt.Errorf("shard %q: want a number from 1 on and how many there are, such as 2/5", text)
	}
	return Shard{Index: i - 1, Of: of}, nil
}

// String is what [ParseShard] reads: "2/5". It is empty for the whole.
func (s Shard) String() string {
	if s.whole() {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index+1, s.Of)
}

// Validate reports what is wrong with the shard.
func (s Shard) Validate() error {
	switch {
	case s.Of < 0:
		return fmt.Errorf("shard: there are %d, want 0 (the whole) or more", s.Of)
	case s.Index < 0 || s.Index >= s.count():
		return fmt.Errorf("shard: the index is %d, want 0 to %d for %d of them", s.Index, s.count()-1, s.count())
	}
	return nil
}

// Has reports whether the k-th of something (from 0) belongs to the shard: a user,
// a target, an arrival.
func (s Shard) Has(k int) bool { return k%s.count() == s.Index }

// Share is how many of n belong to the shard.
func (s Shard) Share(n int) int { return max(n-s.Index+s.count()-1, 0) / s.count() }

func (s Shard) count() int { return max(s.Of, 1) }

func (s Shard) whole() bool { return s.Of <= 1 }

// divisible is a schedule that not any number of shards can follow.
type divisible interface {
	// most is how many shards there can be, and of what there is one for each.
	most() (shards int, what string)
}

// validateShard reports what a shard of the plan can't be.
func (p Plan) validateShard() error {
	if err := p.Shard.Validate(); err != nil || p.Shard.whole() {
		return err
	}
	var errs []error
	if p.RunID == "" {
		errs = append(errs, errors.New("the plan is of a shard and has no RunID: want the same one for all shards of the run"))
	}
	for _, s := range p.Scenarios {
		if d, ok := s.Schedule.(divisible); ok && s.Schedule.Validate() == nil {
			if most, what := d.most(); most < p.Shard.Of {
				errs = append(errs, fmt.Errorf("scenario %q has %d %s, too few for %d shards: want at least one for each", s.Name, most, what, p.Shard.Of))
			}
		}
		for _, t := range s.Thresholds {
			if t.Abort && t.growsWithLoad() && t.Op != "<" && t.Op != "<=" {
				errs = append(errs, fmt.Errorf("scenario %q: threshold %q would end a shard, which has only its part of what is counted: want a share, a time or an upper limit", s.Name, t))
			}
		}
	}
	return errors.Join(errs...)
}

// growsWithLoad reports whether what is looked at is a number, or one a second,
// which the whole has more of than a shard.
func (t Threshold) growsWithLoad() bool {
	if t.Aggregate == "count" {
		return true
	}
	share := t.Metric == "errors" || t.Metric == "iteration_errors" || t.Metric == "dropped_iterations" ||
		t.Metric == "throughput" || t.Metric == "disconnects" || strings.HasSuffix(t.Metric, "_errors")
	return t.Aggregate == "rate" && !share
}
