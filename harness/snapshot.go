package harness

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Snapshot is the state of a run while its load is on, once a second.
type Snapshot struct {
	RunID   string
	Elapsed time.Duration // since the load's beginning

	// Scenarios are those of the plan, in its order; in a sequence, those whose
	// turn it is.
	Scenarios []Second

	marks []*marks // of all scenarios
}

// Second is what a scenario did in one second of its load.
type Second struct {
	Scenario string  `json:"-"`
	Phase    Phase   `json:"phase,omitempty"` // at its end: warm-up, cool-down or during; empty is the load
	At       float64 `json:"at"`              // seconds since the load's beginning, at the end of this second
	Span     float64 `json:"span"`            // seconds that this covers
	Users    int64   `json:"users"`           // that run an iteration
	Started  int64   `json:"started"`         // iterations
	Failed   int64   `json:"failed"`          // iterations
	Dropped  int64   `json:"dropped"`         // iterations

	Actions  map[string]ActionSecond `json:"actions,omitempty"`
	Counters map[string]int64        `json:"counters,omitempty"`

	BytesIntended int64 `json:"bytes_intended,omitempty"`
	BytesAchieved int64 `json:"bytes_achieved,omitempty"`
	Errors        int64 `json:"errors"` // failed actions, and iterations that failed without one

	Connections int64 `json:"connections,omitempty"` // open at its end
	Disconnects int64 `json:"disconnects,omitempty"` // lost in it

	LagP99 float64 `json:"lag_p99"` // seconds
	CPU    float64 `json:"cpu"`     // of this process, in cores
}

// ActionSecond is what became of an action in one second. Times are seconds.
type ActionSecond struct {
	Count  uint64  `json:"count"`
	Errors int64   `json:"errors"`
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`

	// Spread is how the times are spread, for a heat map: the first number is an
	// index, and those after it count the times in its bucket and the following
	// ones. Bucket i holds the times from 2^(i/4) to 2^((i+1)/4) nanoseconds, to the
	// precision of 1 %. It is absent when there are none.
	Spread []uint64 `json:"spread,omitempty"`
}

// snapshots takes one each second until quit, and one of what is left then.
func (r *Run) snapshots(start time.Duration, quit <-chan struct{}) {
	last := make([]*marks, len(r.scenarios))
	for i := range last { // nothing has happened yet, whenever this comes to run
		last[i] = &marks{at: start, totals: &totals{}}
	}
	cpu := r.watch.cpu()
	take := func(rest bool) {
		now, used := r.now(), r.watch.cpu()
		span := now - last[0].at
		seconds := make([]Second, len(r.scenarios))
		snap := Snapshot{RunID: r.plan.RunID, Elapsed: now - start}
		empty := true
		for i, s := range r.scenarios {
			next := s.marks(now)
			sec := next.since(last[i])
			sec.Scenario, sec.Users, sec.Phase = s.Name, next.active, s.phaseAt(now)
			sec.At = (now - start).Seconds()
			if span > 0 {
				sec.CPU = (used - cpu).Seconds() / span.Seconds()
			}
			empty = empty && sec.empty()
			last[i] = next
			seconds[i] = sec
			// In a sequence most scenarios are not on, and have nothing to say.
			if !r.plan.Sequence || s.begun.Load() && !s.ended.Load() || !sec.empty() {
				snap.Scenarios = append(snap.Scenarios, sec)
			}
		}
		if rest && empty && span < shortestRest {
			return
		}
		cpu = used
		for i, s := range r.scenarios {
			s.timeline = append(s.timeline, seconds[i])
		}
		r.stream.snapshot(last, seconds)
		if r.plan.OnSnapshot != nil {
			snap.marks = slices.Clone(last)
			r.plan.OnSnapshot(snap)
		}
	}
	// On an absolute schedule, so that seconds are seconds. Those that a slow
	// OnSnapshot missed are part of the next one.
	next := time.Duration(1)
	for {
		n := (r.now()-start)/time.Second + 1
		r.watch.missed.Add(int64(n - next))
		next = n + 1
		timer := time.NewTimer(start + n*time.Second - r.now())
		select {
		case <-timer.C:
			take(false)
			r.abort()
		case <-quit:
			timer.Stop()
			take(true)
			return
		}
	}
}

// shortestRest is the least time after the last whole second that is worth a
// line of its own when nothing happened in it.
const shortestRest = 100 * time.Millisecond

// marks are a scenario's sums at some instant.
type marks struct {
	of                  *scenarioRun
	at                  time.Duration
	totals              *totals
	bare, active, ready int64
	iterations          Iterations
	connections         connectionSums
	losses              map[*Connection]losses // of each; nil unless asked for
}

func (s *scenarioRun) marks(now time.Duration) *marks {
	return &marks{s, now, s.totals(), s.bare(), s.active.Load(), s.ready.Load(), s.iterations(), s.connections.now(), nil}
}

// fullMarks also have the losses of each connection.
func (s *scenarioRun) fullMarks(now time.Duration) *marks {
	m := s.marks(now)
	m.losses = s.connections.each()
	return m
}

// iterations are the counts of all parts until now. Nothing holds them still
// meanwhile.
func (s *scenarioRun) iterations() Iterations {
	sum := Iterations{SetupFailed: s.setupFail.Load()}
	for i := range s.counts {
		sum = sum.plus(s.counts[i].iterations())
	}
	return sum
}

// bare are the failed iterations of all parts of which no action failed.
func (s *scenarioRun) bare() (n int64) {
	for i := range s.counts {
		n += s.counts[i].bare.Load()
	}
	return n
}

// since is what happened from o to m.
func (m *marks) since(o *marks) Second {
	sec := Second{
		Span:    (m.at - o.at).Seconds(),
		Started: m.iterations.Started - o.iterations.Started,
		Failed:  m.iterations.Failed - o.iterations.Failed,
		Dropped: m.iterations.Dropped - o.iterations.Dropped,
		Actions: map[string]ActionSecond{}, Counters: map[string]int64{},
		BytesIntended: m.totals.bytesIntended - o.totals.bytesIntended,
		BytesAchieved: m.totals.bytesAchieved - o.totals.bytesAchieved,
		LagP99:        m.totals.lag.Since(&o.totals.lag).Percentile(99).Seconds(),
	}
	sec.Errors = m.bare - o.bare
	sec.Connections, sec.Disconnects = m.connections.open, m.connections.lost-o.connections.lost
	for name, a := range m.totals.actions {
		before := o.totals.actions[name]
		if before == nil {
			before = &series{}
		}
		h := a.response.Since(&before.response)
		as := ActionSecond{
			Count: h.Count(), Errors: a.errors - before.errors,
			P50: h.Percentile(50).Seconds(), P99: h.Percentile(99).Seconds(), Max: h.Max().Seconds(),
			Spread: spread(h),
		}
		sec.Errors += as.Errors
		if as.Count > 0 || as.Errors > 0 {
			sec.Actions[name] = as
		}
	}
	for name, n := range m.totals.counters {
		if d := n - o.totals.counters[name]; d != 0 {
			sec.Counters[name] = d
		}
	}
	return sec
}

// empty reports whether nothing happened.
func (s Second) empty() bool {
	return s.Started == 0 && s.Failed == 0 && s.Dropped == 0 && s.Errors == 0 &&
		len(s.Actions) == 0 && len(s.Counters) == 0 && s.Disconnects == 0 && s.BytesIntended == 0 && s.BytesAchieved == 0
}

// Line is the heartbeat: one line for people, with the same columns each
// second.
func (s Second) Line() string {
	var b strings.Builder
	users := "users"
	if s.Users == 1 {
		users = "user "
	}
	fmt.Fprintf(&b, "%4.0fs %5d %s", s.At, s.Users, users)
	if s.BytesIntended > 0 || s.BytesAchieved > 0 {
		fmt.Fprintf(&b, "  %5.2f of %5.2f MB/s", mbps(s.BytesAchieved, s.Span), mbps(s.BytesIntended, s.Span))
	}
	names := make([]string, 0, len(s.Actions))
	for name := range s.Actions {
		names = append(names, name)
	}
	sort.Strings(names)
	switch {
	case s.BytesIntended > 0 && len(names) > 1:
		names = s.usual(names)
	case len(names) > fewActions:
		b.WriteString(s.slowest(names))
		names = nil
	}
	for _, name := range names {
		a := s.Actions[name]
		if a.Count == 0 { // no time is not a short one
			fmt.Fprintf(&b, "  %s p50 - p99 -", name)
			continue
		}
		fmt.Fprintf(&b, "  %s p50 %v p99 %v", name, secondsString(a.P50), secondsString(a.P99))
		if s.BytesIntended == 0 {
			fmt.Fprintf(&b, " (%.0f/s)", float64(a.Count)/max(s.Span, 1e-9))
		}
	}
	b.WriteString("  " + plural(s.Errors, "error"))
	if s.Disconnects > 0 {
		fmt.Fprintf(&b, "  %d lost", s.Disconnects)
	}
	if s.Dropped > 0 {
		fmt.Fprintf(&b, "  %d dropped", s.Dropped)
	}
	return b.String()
}

// fewActions have their own columns in a heartbeat. Of more, only the slowest
// has, so that a line stays a line.
const fewActions = 1

// usual is the action that there was most of: beside a throughput there is no room
// for more.
func (s Second) usual(names []string) []string {
	most := names[0]
	for _, name := range names {
		if s.Actions[name].Count > s.Actions[most].Count {
			most = name
		}
	}
	return []string{most}
}

func (s Second) slowest(names []string) string {
	var count uint64
	worst := names[0]
	for _, name := range names {
		count += s.Actions[name].Count
		if s.Actions[name].P99 > s.Actions[worst].P99 {
			worst = name
		}
	}
	return fmt.Sprintf("  %5.0f/s  slowest: %s p99 %v", float64(count)/max(s.Span, 1e-9), worst, secondsString(s.Actions[worst].P99))
}

func mbps(bytes int64, seconds float64) float64 { return float64(bytes) / 1e6 / max(seconds, 1e-9) }

func secondsString(s float64) string {
	return roundDuration(time.Duration(s * 1e9)).String()
}
