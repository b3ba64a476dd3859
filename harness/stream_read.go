package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// ReadStream makes a result of a stream: of one that came to its end, the result
// that it ends with; of one that did not, what is known until then, with the
// verdict [Interrupted] and a reason that says so. A last line that is torn is
// left out. In the latter the times of a warm-up or cool-down are told apart to
// the second, times of disruptions are not told, and the longest time is known to
// 1 %.
func ReadStream(r io.Reader) (*Result, error) {
	var f Follower
	if _, err := io.Copy(&f, r); err != nil {
		return nil, err
	}
	res, ended, err := f.Result()
	if err != nil || ended {
		return res, err
	}
	res.Verdict = Interrupted
	reason := fmt.Sprintf("the stream ends %.1fs after the run's beginning without its end, so the run still goes on, or its process was killed or lost its disk: these are the numbers until then, and what it created may be left (scaletest cleanup)", res.Seconds)
	res.Reasons = append([]string{reason}, res.Reasons...)
	return res, nil
}

// Follower makes results of a stream while it goes on: write to it what a run
// writes, as by [Plan].Stream. It is safe for concurrent use.
type Follower struct {
	mu   sync.Mutex
	rest []byte // without an end of line
	n    int    // lines
	err  error
	p    partial
}

// Write takes a piece of the stream. After an error it takes no more.
func (f *Follower) Write(text []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	all := text
	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended {
			f.rest = append(f.rest, text...)
			return len(all), nil
		}
		if len(f.rest) > 0 {
			line = append(f.rest, line...)
			f.rest = nil
		}
		text = rest
		f.n++
		if err := f.p.line(bytes.TrimSpace(line)); err != nil {
			f.err = fmt.Errorf("read stream: line %d: %w", f.n, err)
			return 0, f.err
		}
	}
}

// Result is the result until now, and whether it is the whole of a run that has
// ended. Until then it has no verdict, and its reasons are thresholds that are
// broken so far. It shares nothing with the follower.
func (f *Follower) Result() (res *Result, ended bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, false, f.err
	}
	if f.p.final != nil {
		return f.p.final, true, nil
	}
	res, err = f.p.result()
	return res, false, err
}

// partial is a result as far as it is known.
type partial struct {
	start     *StreamStart
	final     *Result
	last      float64 // seconds since the run's beginning
	zero      float64 // where the timelines begin
	hasZero   bool
	phases    []PhaseMark
	scenarios map[string]*partialScenario
	failures  []Failure
	watch     SelfWatch
	side      serverSide
}

// partialScenario is a scenario as far as it is known.
type partialScenario struct {
	StreamScenario
	setup    *totals
	sums     [parts]*partialSums
	ready    int64
	failed   int64 // setups
	open     int64 // connections
	timeline []Second
	failures []Failure
}

type partialSums struct {
	view
	began     bool
	conns     Connections
	reconnect histogram.Histogram
}

func (p *partial) line(line []byte) error {
	if p.start == nil {
		return p.first(line)
	}
	var rec StreamRecord
	if err := json.Unmarshal(line, &rec); err != nil {
		return err
	}
	p.last = max(p.last, rec.At)
	switch {
	case rec.Start != nil:
		return errors.New("a second start: a stream is of one run")
	case rec.Phase != "":
		p.phases = append(p.phases, PhaseMark{rec.Phase, rec.At})
	case rec.Second != nil:
		return p.second(rec.At, rec.Second)
	case rec.Generator != nil:
		p.generator(rec.Generator)
	case rec.Observation != nil:
		p.observation(rec.At, rec.Observation)
	case rec.Failure != nil:
		p.failure(*rec.Failure)
	case rec.Result != nil:
		if rec.Result.SchemaVersion != SchemaVersion {
			return fmt.Errorf("a result of schema version %d, want %d", rec.Result.SchemaVersion, SchemaVersion)
		}
		p.final = rec.Result
	}
	return nil // of a kind that this version does not know
}

// first looks at the version before anything else: another schema need not fit.
func (p *partial) first(line []byte) error {
	var head struct {
		Start *struct {
			SchemaVersion *int `json:"schema_version"`
		} `json:"start"`
	}
	switch err := json.Unmarshal(line, &head); {
	case err != nil:
		return err
	case head.Start == nil || head.Start.SchemaVersion == nil:
		return errors.New("it does not begin with a start, so this is no stream of a run")
	case *head.Start.SchemaVersion != SchemaVersion:
		return fmt.Errorf("schema version %d, want %d", *head.Start.SchemaVersion, SchemaVersion)
	}
	var rec StreamRecord
	if err := json.Unmarshal(line, &rec); err != nil {
		return err
	}
	p.scenarios = map[string]*partialScenario{}
	for _, s := range rec.Start.Scenarios {
		if p.scenarios[s.Name] != nil {
			return fmt.Errorf("two scenarios are named %q", s.Name)
		}
		ps := &partialScenario{StreamScenario: s, setup: newTotals()}
		for i := range ps.sums {
			ps.sums[i] = &partialSums{view: view{totals: newTotals()}}
		}
		p.scenarios[s.Name] = ps
	}
	p.start = rec.Start
	p.side = newServerSide(time.Duration(rec.Start.ObserveEvery*1e9), rec.Start.Descriptions)
	return nil
}

func (p *partial) second(at float64, l *StreamSecond) error {
	s := p.scenarios[l.Scenario]
	if s == nil {
		return fmt.Errorf("there is no scenario %q", l.Scenario)
	}
	s.ready = l.Ready
	s.failed += l.Iterations.SetupFailed
	addActions(s.setup, l.Setup)
	if l.Second == nil {
		return nil
	}
	sec := *l.Second
	sec.Scenario = l.Scenario
	if !p.hasZero {
		p.zero, p.hasZero = thousandths(max(at-sec.At, 0)), true
	}
	s.timeline = append(s.timeline, sec)
	which := counted
	switch sec.Phase {
	case WarmUp:
		which = warmUp
	case CoolDown:
		which = coolDown
	}
	sum := s.sums[which]
	t := sum.totals
	addActions(t, l.Actions)
	if l.Iteration != nil {
		t.iteration.merge(l.Iteration.series())
	}
	t.lag.Merge(l.Lag.Histogram)
	for name, n := range sec.Counters {
		t.counters[name] += n
	}
	t.bytesIntended += sec.BytesIntended
	t.bytesAchieved += sec.BytesAchieved
	it := l.Iterations
	it.SetupFailed = 0
	sum.iterations = sum.iterations.plus(it)
	sum.bare += l.Bare
	if !sec.empty() || sec.Users > 0 {
		sum.lasted += time.Duration(sec.Span * 1e9)
	}
	if !sum.began {
		sum.began, sum.conns.Count = true, s.open // those that were there
	}
	s.open = sec.Connections
	sum.conns.Count += l.Opened
	sum.conns.Lost += sec.Disconnects
	sum.conns.Restored += l.Restored
	if l.Reconnect != nil {
		sum.reconnect.Merge(l.Reconnect.Histogram)
	}
	return nil
}

func addActions(t *totals, actions map[string]StreamAction) {
	for name, a := range actions {
		t.series(name).merge(a.series())
	}
}

func (a StreamAction) series() *series {
	s := &series{errors: a.Errors}
	s.response.Merge(a.Response.Histogram)
	s.service.Merge(a.Service.Histogram)
	for tags, part := range a.Tags {
		s.tagged(tags).merge(part.series())
	}
	return s
}

func (p *partial) generator(g *GeneratorSecond) {
	w := &p.watch
	w.Seconds = g.At
	w.CPU += g.CPU // the mean, in the end
	w.CPUPeak = max(w.CPUPeak, g.CPU)
	w.HeapPeak = max(w.HeapPeak, g.HeapBytes)
	w.GoroutinesPeak = max(w.GoroutinesPeak, g.Goroutines)
	w.DescriptorsPeak = max(w.DescriptorsPeak, g.Descriptors)
	w.Timeline = append(w.Timeline, *g)
}

func (p *partial) observation(at float64, o *StreamObservation) {
	seen := Observation{Facts: o.Facts, Notes: o.Notes}
	for _, v := range o.Values {
		seen.Values = append(seen.Values, Value(v))
	}
	p.side.add(at, seen, o.Failed)
}

func (p *partial) failure(f Failure) {
	if s := p.scenarios[f.Scenario]; s != nil && f.Phase != "cleanup" {
		s.failures = append(s.failures, f)
		return
	}
	p.failures = append(p.failures, f)
}

// result is the result until now.
func (p *partial) result() (*Result, error) {
	if p.start == nil {
		return nil, errors.New("read stream: it is empty: the run ended before it had written its first line")
	}
	st := p.start
	res := &Result{
		SchemaVersion: SchemaVersion, Name: st.Name, RunID: st.RunID, Seed: st.Seed, StartedAt: st.StartedAt,
		Shard: st.Shard, Fingerprint: st.Fingerprint, Clock: st.Clock, MaxFailures: st.MaxFailures, Partial: true,
		EndedAt: st.StartedAt.Add(time.Duration(p.last * 1e9)), Seconds: p.last, Reasons: []string{},
		Target: orEmpty(st.Target), Configuration: orEmpty(st.Configuration), Generator: st.Generator,
		TimelineAt: p.zero, Phases: append([]PhaseMark{}, p.phases...), Scenarios: []ScenarioResult{},
		Cleanup: CleanupResult{Failures: append([]Failure{}, p.failures...)},
	}
	res.Cleanup.Failed = int64(len(p.failures))
	if n := len(p.watch.Timeline); n > 0 {
		watch := p.watch
		watch.CPU /= float64(n)
		watch.Timeline = slices.Clone(watch.Timeline)
		res.Generator.Watch = &watch
	}
	if st.ObserveEvery > 0 {
		res.Server = p.side.seen()
	}
	for _, s := range st.Scenarios {
		sr, err := p.scenarios[s.Name].result()
		if err != nil {
			return nil, err
		}
		for k, t := range sr.Thresholds {
			if st.Shard != "" {
				of, err := ParseThreshold(t.Threshold)
				if err != nil {
					return nil, fmt.Errorf("read stream: scenario %q: %w", s.Name, err)
				}
				sr.Thresholds[k] = t.ofShard(of)
				continue
			}
			if !t.Passed && t.Message != "" {
				res.Reasons = append(res.Reasons, s.Name+": "+t.Message)
			}
		}
		res.Scenarios = append(res.Scenarios, sr)
	}
	return res, nil
}

func (s *partialScenario) result() (ScenarioResult, error) {
	sum := s.sums[counted].done()
	t, setup := newTotals().plus(sum.totals), newTotals().plus(s.setup) // copies
	sr := ScenarioResult{
		Name: s.Name, Schedule: s.Schedule, Users: s.Users, Ready: s.ready, LoadSeconds: sum.lasted.Seconds(),
		Iterations: sum.iterations, Errors: t.failed() + sum.bare, Iteration: t.iteration.result(),
		Setup: setup.results(), Actions: t.results(), Counters: t.counters, Throughput: t.throughput(),
		Connections: sum.connections, Lag: Distribute(&t.lag), Thresholds: []ThresholdResult{}, Warnings: []string{},
		Failures: append([]Failure{}, s.failures...), Timeline: append([]Second{}, s.timeline...),
	}
	// What counts is first, as in the result of a run that came to its end.
	slices.SortStableFunc(sr.Failures, func(a, b Failure) int { return apartLast(a) - apartLast(b) })
	sr.Iterations.SetupFailed = s.failed
	for _, text := range s.Thresholds {
		r, err := s.evaluate(text)
		if err != nil {
			return sr, fmt.Errorf("read stream: scenario %q: %w", s.Name, err)
		}
		sr.Thresholds = append(sr.Thresholds, r)
	}
	if s.WarmUp > 0 {
		sr.WarmUp = s.sums[warmUp].part()
	}
	if s.CoolDown > 0 {
		sr.CoolDown = s.sums[coolDown].part()
	}
	return sr, nil
}

func apartLast(f Failure) int {
	if f.Phase == string(WarmUp) || f.Phase == string(CoolDown) {
		return 1
	}
	return 0
}

// evaluate looks at a threshold with what is known.
func (s *partialScenario) evaluate(text string) (ThresholdResult, error) {
	t, err := ParseThreshold(text)
	if err != nil {
		return ThresholdResult{}, err
	}
	v := &s.sums[counted].view
	switch t.Phase {
	case Setup:
		v = &view{totals: s.setup, iterations: Iterations{SetupFailed: s.failed}}
	case WarmUp:
		v = &s.sums[warmUp].view
	case CoolDown:
		v = &s.sums[coolDown].view
	case Before, During, After:
		return ThresholdResult{Threshold: text, Message: text + ": a stream without its end does not tell the phases of disruptions apart"}, nil
	}
	return v.evaluate(t), nil
}

// done completes the connections.
func (s *partialSums) done() *partialSums {
	if s.conns.Count > 0 || s.conns.Lost > 0 {
		c := s.conns
		if c.Count > 0 {
			c.LostShare = float64(c.Lost) / float64(c.Count)
		}
		c.Reconnect = Distribute(s.reconnect.Clone())
		s.connections = &c
	}
	return s
}

func (s *partialSums) part() *Part {
	s.done()
	t := newTotals().plus(s.totals) // a copy
	return &Part{
		Seconds: s.lasted.Seconds(), Iterations: s.iterations, Errors: t.failed() + s.bare, Iteration: t.iteration.result(),
		Actions: t.results(), Counters: t.counters, Throughput: t.throughput(), Lag: Distribute(&t.lag),
		Connections: s.connections,
	}
}
