package harness

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// MergeOptions say what [Merge] puts up with.
type MergeOptions struct {
	// AllowMissing lets shards be missing, or be partial because their process was
	// killed: they become warnings. By default they make the verdict [Invalid],
	// because the load was less than what was planned.
	AllowMissing bool
}

// Merge makes one result of those of a run's shards, of some of them, or of what
// Merge has made of some. It loses nothing, and neither the order nor the grouping
// matters:
//
//   - Histograms, counters and iterations are sums, and percentiles those of the
//     sums. Load and parts last as long as the longest shard's.
//   - Seconds of timelines are summed by the wall clock, to the second of it that is
//     next to where they begin. The p50 and p99 of a second that several shards have are those
//     of the summed [ActionSecond].Spread.
//   - The generator is the worst of all in everything, but for CPUSeconds, errors
//     and late wake-ups, which are sums. Result.Shards has each.
//   - The server's side is that of the first shard that looked at it.
//   - Thresholds, and MaxFailures, are decided on once. Those about phases of
//     disruptions can only be if all shards had the same ones.
//   - The verdict is the gravest of all shards' and of the whole.
//
// It changes none of the results. An error says why these are no shards of one run.
func Merge(o MergeOptions, results ...*Result) (*Result, error) {
	m, err := newMerge(results)
	if err != nil {
		return nil, fmt.Errorf("merge results: %w", err)
	}
	first := m.results[0]
	res := &Result{
		SchemaVersion: SchemaVersion, Name: first.Name, RunID: first.RunID, Seed: first.Seed, MaxFailures: first.MaxFailures,
		StartedAt: m.start, EndedAt: m.end, Seconds: m.end.Sub(m.start).Seconds(), Reasons: []string{},
		Target:        joined(m.shards, func(s ShardResult) map[string]string { return s.Target }),
		Configuration: joined(m.shards, func(s ShardResult) map[string]string { return s.Configuration }),
		Generator:     m.generator(), Scenarios: []ScenarioResult{},
		TimelineAt: (time.Duration(m.zero)*time.Second - time.Duration(m.start.UnixNano())).Seconds(),
		Phases:     m.phases(), Server: m.server(), Disruptions: m.disruptions(), Cleanup: m.cleanup(), Shards: m.shards,
	}
	for i := range first.Scenarios {
		res.Scenarios = append(res.Scenarios, m.scenario(i))
	}
	for _, s := range m.shards {
		for _, w := range s.Warnings {
			res.Warnings = append(res.Warnings, fmt.Sprintf("shard %s: %s", s.Shard, w))
		}
	}
	if err := m.judge(o, res); err != nil {
		return nil, fmt.Errorf("merge results: %w", err)
	}
	return res, nil
}

// merge is what is merged.
type merge struct {
	results    []*Result
	shards     []ShardResult // of all, in their order
	start, end time.Time
	zero       int64 // where the timelines begin, in seconds of the wall clock
}

func newMerge(results []*Result) (*merge, error) {
	if len(results) == 0 {
		return nil, errors.New("there are none: want those of a run's shards")
	}
	m := &merge{results: results}
	var errs []error
	for _, r := range results {
		if err := mergeable(r); err != nil {
			errs = append(errs, err)
			continue
		}
		m.shards = append(m.shards, r.shards()...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, r := range results[1:] {
		if err := results[0].sameRun(r); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.shards, func(a, b ShardResult) int { return a.numbered().Index - b.numbered().Index })
	for i, s := range m.shards {
		if i > 0 && s.Shard == m.shards[i-1].Shard {
			return nil, fmt.Errorf("shard %s is there twice: want each once", s.Shard)
		}
		if i == 0 || s.StartedAt.Before(m.start) {
			m.start = s.StartedAt
		}
		if i == 0 || s.EndedAt.After(m.end) {
			m.end = s.EndedAt
		}
		if z := wallSecond(s.zero()); i == 0 || z < m.zero {
			m.zero = z
		}
	}
	return m, nil
}

// mergeable reports why a result can't be merged with any other.
func mergeable(r *Result) error {
	switch {
	case r == nil:
		return errors.New("one of them is nil")
	case r.SchemaVersion != SchemaVersion:
		return fmt.Errorf("the result of run %s has schema version %d, want %d", r.RunID, r.SchemaVersion, SchemaVersion)
	case r.Shard == "" && len(r.Shards) == 0:
		return fmt.Errorf("the result of run %s is of no shard but of a whole run: want those of the shards of one run", r.RunID)
	}
	of := 0
	for _, s := range r.shards() {
		shard, err := ParseShard(s.Shard)
		if err != nil || shard.whole() {
			return fmt.Errorf("the result of run %s is of shard %q: want such as 2/5", r.RunID, s.Shard)
		}
		if of != 0 && of != shard.Of {
			return fmt.Errorf("the result of run %s is of shards of %d and of %d: want those of one run", r.RunID, of, shard.Of)
		}
		of = shard.Of
	}
	return nil
}

// sameRun reports why o is not of the same run.
func (r *Result) sameRun(o *Result) error {
	a, b := r.shards()[0], o.shards()[0]
	differ := func(what string, x, y any) error {
		return fmt.Errorf("shard %s has %s %v, and shard %s has %v: want shards of one run, with the same plan", a.Shard, what, x, b.Shard, y)
	}
	switch {
	case r.RunID != o.RunID:
		return differ("the run ID", r.RunID, o.RunID)
	case a.numbered().Of != b.numbered().Of:
		return differ("a number of shards of", a.numbered().Of, b.numbered().Of)
	case r.Name != o.Name:
		return differ("the name", fmt.Sprintf("%q", r.Name), fmt.Sprintf("%q", o.Name))
	case r.Seed != o.Seed:
		return differ("the seed", r.Seed, o.Seed)
	case r.MaxFailures != o.MaxFailures:
		return differ("a MaxFailures of", r.MaxFailures, o.MaxFailures)
	case scenariosOf(r) != scenariosOf(o):
		return differ("the scenarios", scenariosOf(r), scenariosOf(o))
	}
	return nil
}

// scenariosOf is what the scenarios of a plan have in common in all of its shards.
func scenariosOf(r *Result) string {
	var all []string
	for _, s := range r.Scenarios {
		text := fmt.Sprintf("%s (%s", s.Name, s.Schedule)
		for _, t := range s.Thresholds {
			text += "; " + t.Threshold
		}
		all = append(all, text+")")
	}
	return strings.Join(all, ", ")
}

// shift is an instant of a result in seconds since the beginning of the merge.
func (m *merge) shift(r *Result, at float64) float64 {
	return (nanoseconds(at) + r.StartedAt.Sub(m.start)).Seconds()
}

// nanoseconds are exact for what was a number of them, for as long as runs are.
func nanoseconds(seconds float64) time.Duration { return time.Duration(math.Round(seconds * 1e9)) }

// phases are those of all shards: until the cleanup when the first shard came to
// them, from then on when the last one did.
func (m *merge) phases() []PhaseMark {
	type mark struct {
		name string
		nth  int
	}
	at := map[mark]float64{}
	for _, s := range m.shards {
		seen := map[string]int{}
		for _, p := range s.Phases {
			k := mark{p.Name, seen[p.Name]}
			seen[p.Name]++
			t := (nanoseconds(p.At) + s.StartedAt.Sub(m.start)).Seconds()
			old, known := at[k]
			switch last := p.Name == "cleanup" || p.Name == "done"; {
			case !known:
				at[k] = t
			case last:
				at[k] = max(old, t)
			default:
				at[k] = min(old, t)
			}
		}
	}
	order := []string{"baseline", "setup", "load", "cleanup", "done"}
	out := []PhaseMark{}
	for k, t := range at {
		out = append(out, PhaseMark{k.name, t})
	}
	rank := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return 2 * i
		}
		return 5 // of a disruption, in the load
	}
	slices.SortFunc(out, func(a, b PhaseMark) int {
		return cmp.Or(cmp.Compare(a.At, b.At), rank(a.Name)-rank(b.Name), strings.Compare(a.Name, b.Name))
	})
	return out
}

// server is what the first shard that looked has seen.
func (m *merge) server() *ServerResult {
	first := func(r *Result) int {
		lowest := math.MaxInt
		for _, s := range r.shards() {
			if s.Observed {
				lowest = min(lowest, s.numbered().Index)
			}
		}
		return lowest
	}
	of := slices.MinFunc(m.results, func(a, b *Result) int { return cmp.Compare(first(a), first(b)) })
	if of.Server == nil {
		return nil
	}
	seen := *of.Server
	seen.Series = []Series{}
	for _, s := range of.Server.Series {
		s.Points = slices.Clone(s.Points)
		for i := range s.Points {
			s.Points[i][0] = m.shift(of, s.Points[i][0])
		}
		seen.Series = append(seen.Series, s)
	}
	return &seen
}

// cleanup is that of all.
func (m *merge) cleanup() CleanupResult {
	var sum CleanupResult
	for _, r := range m.results {
		c := r.Cleanup
		sum.Cleaned += c.Cleaned
		sum.Failed += c.Failed
		sum.Skipped += c.Skipped
		sum.Seconds = max(sum.Seconds, c.Seconds)
	}
	sum.Failures, _ = m.failures(func(r *Result) []Failure { return r.Cleanup.Failures })
	return sum
}

// failures are the first hundred of all, and how many were cut off.
func (m *merge) failures(of func(*Result) []Failure) (kept []Failure, more int) {
	kept = []Failure{}
	for _, r := range m.results {
		for _, f := range of(r) {
			f.Seconds = m.shift(r, f.Seconds)
			kept = append(kept, f)
		}
	}
	slices.SortFunc(kept, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Seconds, b.Seconds), a.User-b.User, a.Iteration-b.Iteration,
			strings.Compare(a.Scenario, b.Scenario), strings.Compare(a.Phase, b.Phase), strings.Compare(a.Error, b.Error), strings.Compare(a.Log, b.Log))
	})
	if len(kept) > maxFailures {
		kept, more = kept[:maxFailures], len(kept)-maxFailures
	}
	return kept, more
}
