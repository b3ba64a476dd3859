package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// StreamRecord is a line of a stream, which is newline-delimited JSON: what a run
// has seen so far, on disk while it goes on. See [Plan].Stream. Exactly one of the
// fields after At is set. The first line is a start, and the last one a result,
// unless the run did not come to its end. [ReadResult] makes a result of either.
type StreamRecord struct {
	At float64 `json:"at"` // seconds since the run's beginning

	Start       *StreamStart       `json:"start,omitempty"`
	Phase       string             `json:"phase,omitempty"` // that begins
	Second      *StreamSecond      `json:"second,omitempty"`
	Generator   *GeneratorSecond   `json:"generator,omitempty"`
	Observation *StreamObservation `json:"observation,omitempty"`
	Failure     *Failure           `json:"failure,omitempty"`
	Result      *Result            `json:"result,omitempty"`
}

// StreamStart is what is known when a run begins.
type StreamStart struct {
	SchemaVersion int               `json:"schema_version"` // of stream and result
	Name          string            `json:"name,omitempty"`
	RunID         string            `json:"run_id"`
	Seed          uint64            `json:"seed"`
	Shard         string            `json:"shard,omitempty"` // as "2/5"; empty for a whole
	Fingerprint   string            `json:"fingerprint,omitempty"`
	Clock         *Clock            `json:"clock,omitempty"`
	MaxFailures   int               `json:"max_failures,omitempty"`
	StartedAt     time.Time         `json:"started_at"`
	Target        map[string]string `json:"target"`
	Generator     Generator         `json:"generator"`
	Configuration map[string]string `json:"configuration"`
	Scenarios     []StreamScenario  `json:"scenarios"`
	ObserveEvery  float64           `json:"observe_every,omitempty"` // seconds; absent without an observer
	Descriptions  []Description     `json:"descriptions,omitempty"`  // of an observer's series
}

// StreamScenario is a scenario of the plan.
type StreamScenario struct {
	Name       string   `json:"name"`
	Schedule   string   `json:"schedule"`
	Users      int      `json:"users"`
	WarmUp     float64  `json:"warm_up,omitempty"`   // seconds
	CoolDown   float64  `json:"cool_down,omitempty"` // seconds
	Thresholds []string `json:"thresholds"`
}

// StreamSecond is what a scenario did since its line before: in one second of the
// load, or of the time before and after it, when there are only setups.
type StreamSecond struct {
	Scenario string `json:"scenario"`

	// Second is absent where there is no load.
	Second *Second `json:"second,omitempty"`

	Ready      int64                   `json:"ready"` // users now
	Iterations Iterations              `json:"iterations"`
	Bare       int64                   `json:"bare,omitempty"` // failed iterations of which no action failed
	Iteration  *StreamAction           `json:"iteration,omitempty"`
	Setup      map[string]StreamAction `json:"setup_actions,omitempty"`
	Actions    map[string]StreamAction `json:"actions,omitempty"`
	Lag        histogram.Compact       `json:"lag"`

	Opened    int64              `json:"opened,omitempty"` // connections
	Restored  int64              `json:"restored,omitempty"`
	Reconnect *histogram.Compact `json:"reconnect,omitempty"` // from the loss until then
}

// StreamAction is what became of an action.
type StreamAction struct {
	Errors   int64                   `json:"errors,omitempty"`
	Response histogram.Compact       `json:"response"`
	Service  histogram.Compact       `json:"service"`
	Tags     map[string]StreamAction `json:"tags,omitempty"` // parts of the sums above
}

// StreamObservation is an [Observation].
type StreamObservation struct {
	Values []StreamValue     `json:"values,omitempty"`
	Facts  map[string]string `json:"facts,omitempty"`
	Notes  []string          `json:"notes,omitempty"`
	Failed bool              `json:"failed,omitempty"` // with an error, which is the last note
}

// StreamValue is a [Value].
type StreamValue struct {
	Series string  `json:"series"`
	Of     string  `json:"of,omitempty"`
	Unit   string  `json:"unit,omitempty"`
	Value  float64 `json:"value"`
}

// stream writes records. Nil writes none.
type stream struct {
	run *Run
	out io.Writer

	mu    sync.Mutex
	lines bytes.Buffer
	last  []streamMark // of each scenario
	err   error        // the first

	wake chan struct{}
	quit chan struct{}
	done chan struct{}
}

// streamMark is what the scenario's lines until now have said.
type streamMark struct {
	load          *marks
	setup         *totals
	ready, failed int64 // users
}

// openStream begins a stream, if the plan has one.
func (r *Run) openStream() *stream {
	if r.plan.Stream == nil {
		return nil
	}
	s := &stream{
		run: r, out: r.plan.Stream, last: make([]streamMark, len(r.scenarios)),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	start := &StreamStart{
		SchemaVersion: SchemaVersion, Name: r.plan.Name, RunID: r.plan.RunID, Seed: r.plan.Seed, StartedAt: r.startedAt(),
		Shard: r.plan.Shard.String(), Fingerprint: r.plan.Fingerprint, Clock: r.plan.Clock, MaxFailures: r.plan.MaxFailures,
		Target: orEmpty(r.plan.Target), Configuration: orEmpty(r.plan.Configuration), Generator: r.generator(),
		Scenarios: []StreamScenario{},
	}
	if r.plan.Observer != nil {
		start.ObserveEvery, start.Descriptions = r.plan.ObserveEvery.Seconds(), describe(r.plan.Observer)
	}
	for i, sr := range r.scenarios {
		s.last[i] = streamMark{load: &marks{totals: newTotals()}, setup: newTotals()}
		sc := StreamScenario{
			Name: sr.Name, Schedule: sr.Schedule.String(), Users: len(sr.users),
			WarmUp: sr.WarmUp.Seconds(), CoolDown: sr.CoolDown.Seconds(), Thresholds: []string{},
		}
		for _, t := range sr.Thresholds {
			sc.Thresholds = append(sc.Thresholds, t.String())
		}
		start.Scenarios = append(start.Scenarios, sc)
		sr.problems.added = s.failure
		if sr.parted != nil {
			sr.parted.problems.added = s.failure
		}
	}
	r.problems.added = s.failure
	s.put(StreamRecord{Start: start})
	s.wake <- struct{}{}
	go s.write()
	return s
}

// put adds a line; it is written within the second.
func (s *stream) put(rec StreamRecord) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(rec)
}

func (s *stream) putLocked(rec StreamRecord) {
	if rec.At == 0 && rec.Start == nil {
		rec.At = thousandths(s.run.now().Seconds())
	}
	enc := json.NewEncoder(&s.lines)
	enc.SetEscapeHTML(false)
	before := s.lines.Len()
	if err := enc.Encode(rec); err != nil {
		s.lines.Truncate(before)
		s.fail(err)
	}
}

func (s *stream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *stream) phase(name string)        { s.put(StreamRecord{Phase: name}) }
func (s *stream) failure(f Failure)        { s.put(StreamRecord{Failure: &f}) }
func (s *stream) second(g GeneratorSecond) { s.put(StreamRecord{Generator: &g}) }

func (s *stream) observation(at time.Duration, o Observation, failed bool) {
	if s == nil {
		return
	}
	rec := &StreamObservation{Facts: o.Facts, Notes: o.Notes, Failed: failed}
	for _, v := range o.Values {
		if finite(v.Value) {
			rec.Values = append(rec.Values, StreamValue{v.Series, v.Of, v.Unit, digits(v.Value)})
		}
	}
	s.put(StreamRecord{At: thousandths(at.Seconds()), Observation: rec})
}

// write writes lines once a second, or when a snapshot has been taken, so that at
// most a second is lost when the process is killed.
func (s *stream) write() {
	defer close(s.done)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.setups()
			s.flush()
		case <-s.wake:
			s.flush()
		case <-s.quit:
			s.flush()
			return
		}
	}
}

// flush writes what there is, and has it on the disk if the writer can see to it.
func (s *stream) flush() {
	s.mu.Lock()
	lines := bytes.Clone(s.lines.Bytes())
	s.lines.Reset()
	failed := s.err != nil
	s.mu.Unlock()
	if failed || len(lines) == 0 {
		return
	}
	_, err := s.out.Write(lines)
	if syncer, ok := s.out.(interface{ Sync() error }); ok && err == nil {
		err = syncer.Sync()
	}
	if err != nil {
		s.mu.Lock()
		s.fail(err)
		s.mu.Unlock()
	}
}

// finish writes the result, which gets a warning if the stream could not be
// written.
func (s *stream) finish(res *Result) {
	if s == nil {
		return
	}
	s.put(StreamRecord{Result: res})
	close(s.quit)
	timer := time.NewTimer(s.run.plan.Grace)
	defer timer.Stop()
	hangs := false
	select {
	case <-s.done:
	case <-timer.C:
		hangs = true // it is left behind: nobody should wait for a disk
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if hangs {
		s.fail(fmt.Errorf("it did not end within %v", s.run.plan.Grace))
	}
	if s.err != nil {
		res.Warnings = append(res.Warnings, fmt.Sprintf("the stream is incomplete, and the result is not: write it: %v", s.err))
	}
}
