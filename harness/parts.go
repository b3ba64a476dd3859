package harness

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// part is a part of a load. Only one of them counts.
type part int

const (
	counted part = iota
	warmUp
	coolDown
	parts // how many there are
)

// String is the phase of a [Failure].
func (p part) String() string { return [parts]string{"load", "warm-up", "cool-down"}[p] }

// counts are a part's iterations.
type counts struct {
	started   atomic.Int64
	succeeded atomic.Int64
	failed    atomic.Int64
	bare      atomic.Int64 // among the failed: none of their actions failed
	cut       atomic.Int64 // interrupted by the end
	waited    atomic.Int64 // among the started: no user was free when they were due
	dropped   atomic.Int64
	stuck     atomic.Int64
}

func (c *counts) iterations() Iterations {
	return Iterations{
		Started: c.started.Load(), Succeeded: c.succeeded.Load(), Failed: c.failed.Load(),
		Interrupted: c.cut.Load(), Waited: c.waited.Load(), Dropped: c.dropped.Load(), Stuck: c.stuck.Load(),
	}
}

// plus adds the iterations of another part.
func (i Iterations) plus(o Iterations) Iterations {
	return Iterations{
		Started: i.Started + o.Started, Succeeded: i.Succeeded + o.Succeeded, Failed: i.Failed + o.Failed,
		Interrupted: i.Interrupted + o.Interrupted, Waited: i.Waited + o.Waited, Dropped: i.Dropped + o.Dropped,
		Stuck: i.Stuck + o.Stuck, SetupFailed: i.SetupFailed + o.SetupFailed,
	}
}

// validateParts reports what is wrong with the warm-up and the cool-down.
func (s Scenario) validateParts() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"WarmUp", s.WarmUp}, {"CoolDown", s.CoolDown}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %v, want 0 (none) or more", d.name, d.value))
		}
	}
	if s.Schedule == nil || s.WarmUp <= 0 && s.CoolDown <= 0 {
		return errors.Join(errs...)
	}
	length := s.Schedule.Length()
	if p, ok := s.Schedule.(planned); ok && p.iterations(1, Shard{}) > 0 {
		length = 0 // a guess
	}
	switch {
	case length <= 0 && s.CoolDown > 0:
		errs = append(errs, errors.New("a CoolDown needs a schedule whose length is known, such as arrivals or users who are held"))
	case length > 0 && s.WarmUp+s.CoolDown >= length:
		errs = append(errs, fmt.Errorf("WarmUp and CoolDown are %v together, want less than the schedule's %v: nothing would count", s.WarmUp+s.CoolDown, length))
	}
	return errors.Join(errs...)
}

// parted is a load with a warm-up or a cool-down. What began before from, or at
// to or later, does not count.
type parted struct {
	from, to time.Duration // since the run's epoch
	metrics  [parts]*metrics
	bounds   [2]*bound // at from and to; nil where there is no such part, or not yet
	problems problems
}

// bound is what had been counted where a part ends, of what goes by the clock.
type bound struct {
	sources     *totals
	connections connectionSums
}

func newParted() *parted {
	return &parted{metrics: [parts]*metrics{warmUp: newMetrics(), coolDown: newMetrics()}}
}

// beginParts computes where the parts of a load that begins at start end.
func (s *scenarioRun) beginParts(start time.Duration) {
	if s.parted == nil {
		return
	}
	s.parted.from, s.parted.to = math.MinInt64, math.MaxInt64
	if s.WarmUp > 0 {
		s.parted.from = start + s.WarmUp
	}
	if s.CoolDown > 0 {
		s.parted.to = start + s.Schedule.Length() - s.CoolDown
	}
}

// partAt is the part of what was meant to begin at an instant.
func (s *scenarioRun) partAt(at time.Duration) part {
	switch {
	case s.parted == nil:
		return counted
	case at < s.parted.from:
		return warmUp
	case at >= s.parted.to:
		return coolDown
	}
	return counted
}

// partOf is the part of what ended. It goes by its beginning, so that what was
// slow to warm up stays apart. But what fails after the warm-up counts, and so
// does what lasts longer than all of it: users who are there all the time have
// one long iteration.
func (s *scenarioRun) partOf(from, end time.Duration, failed bool) part {
	p := s.partAt(from)
	if p == warmUp && end >= s.parted.from && (failed || end-from > s.WarmUp) {
		return counted
	}
	return p
}

// metricsOf are the numbers of a part.
func (s *scenarioRun) metricsOf(p part) *metrics {
	if p == counted {
		return s.metrics
	}
	return s.parted.metrics[p]
}

// markBounds notes the sums of sources and connections where a part ends: they
// go by the clock, because sources don't say when what they measure began.
func (s *scenarioRun) markBounds(driven <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for i, at := range []time.Duration{s.parted.from, s.parted.to} {
		if at == math.MinInt64 || at == math.MaxInt64 {
			continue
		}
		timer.Reset(max(at-s.run.now(), 0))
		select {
		case <-timer.C:
		case <-driven:
		}
		b := s.boundNow()
		if i == 0 {
			s.first.Store(s.fullMarks(s.run.now()))
		}
		s.totalsMu.Lock()
		s.parted.bounds[i] = b
		s.totalsMu.Unlock()
	}
}

func (s *scenarioRun) boundNow() *bound { return &bound{s.metrics.observed(), s.connections.now()} }

// partsNow are the numbers of each part until now. s.totalsMu is held.
func (s *scenarioRun) partsNow() (sums [parts]*partSums) {
	end := s.boundNow()
	if s.parted == nil {
		sums[counted] = &partSums{s.metrics.recorded().plus(end.sources), end.connections.since(connectionSums{})}
		return sums
	}
	before, after := s.parted.bounds[0], s.parted.bounds[1]
	if before == nil {
		before = &bound{sources: newTotals()}
	}
	if after == nil {
		after = end
	}
	recorded := func(p part) *totals { return s.parted.metrics[p].recorded() }
	sums[counted] = &partSums{s.metrics.recorded().plus(after.sources.since(before.sources)), after.connections.since(before.connections)}
	sums[warmUp] = &partSums{recorded(warmUp).plus(before.sources), before.connections.since(connectionSums{})}
	sums[coolDown] = &partSums{recorded(coolDown).plus(end.sources.since(after.sources)), end.connections.since(after.connections)}
	return sums
}

// partSums are the numbers of a part.
type partSums struct {
	totals      *totals
	connections *Connections // nil when there were none
}

// countedTime is how much of the time from start to end counts.
func (s *scenarioRun) countedTime(start, end time.Duration) time.Duration {
	if s.parted != nil {
		start, end = max(start, s.parted.from), min(end, s.parted.to)
	}
	return max(end-start, 0)
}

func newTotals() *totals {
	return &totals{actions: map[string]*series{}, counters: map[string]int64{}}
}

// plus adds o to t and returns t.
func (t *totals) plus(o *totals) *totals {
	for name, a := range o.actions {
		t.series(name).merge(a)
	}
	for name, n := range o.counters {
		t.counters[name] += n
	}
	t.iteration.merge(&o.iteration)
	t.lag.Merge(&o.lag)
	t.bytesIntended += o.bytesIntended
	t.bytesAchieved += o.bytesAchieved
	t.sourceIntended += o.sourceIntended
	t.sourceDropped += o.sourceDropped
	return t
}

// since is what was added from o to t.
func (t *totals) since(o *totals) *totals {
	d := newTotals()
	for name, a := range t.actions {
		d.actions[name] = a.since(o.actions[name])
	}
	d.iteration.merge(t.iteration.since(&o.iteration))
	for name, n := range t.counters {
		d.counters[name] = n - o.counters[name]
	}
	d.lag.Merge(t.lag.Since(&o.lag))
	d.bytesIntended = t.bytesIntended - o.bytesIntended
	d.bytesAchieved = t.bytesAchieved - o.bytesAchieved
	d.sourceIntended = t.sourceIntended - o.sourceIntended
	d.sourceDropped = t.sourceDropped - o.sourceDropped
	return d
}
