package harness

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Observer looks at what is tested from its own side while the run goes on: at
// the metrics that a server has of itself, for example.
type Observer interface {
	// Observe says what can be seen now. It is called every [Plan].ObserveEvery
	// from the run's beginning to the end of its cleanup, by one goroutine, and
	// should return when ctx is done, at the latest. What it returns beside an error
	// counts too; the error becomes a note of the result and fails nothing.
	Observe(ctx context.Context) (Observation, error)
}

// Describer is an [Observer] that says what its series are, in the order in which
// they should be shown.
type Describer interface {
	Describe() []Description
}

// Description says what a series is.
type Description struct {
	Series string `json:"series"`
	Means  string `json:"means"` // as "cores that the server used"
}

// Observation is what can be seen at one instant.
type Observation struct {
	Values []Value

	// Facts are what does not change, such as a version or a number of cores. Later
	// ones win.
	Facts map[string]string

	// Notes say what can't be seen, and what would show it. Each is kept once.
	Notes []string
}

// Value is a number of a series.
type Value struct {
	Series string // as "cpu": lower-case letters, digits and '_'
	Of     string // whose it is: a replica, a query; "" for the whole
	Unit   string // as "cores", "bytes", "seconds", "1/s"; "" for a number of things
	Value  float64
}

// ServerResult is what was seen of the server's side.
type ServerResult struct {
	Interval     float64           `json:"interval"`     // seconds between observations
	Observations int               `json:"observations"` // that worked at least in part
	Failed       int               `json:"failed"`       // that returned an error
	Facts        map[string]string `json:"facts"`
	Notes        []string          `json:"notes"` // what was not seen, and why

	// Descriptions are of the series that there are, as far as the observer has them.
	Descriptions []Description `json:"descriptions,omitempty"`

	Series []Series `json:"series"`
}

// Series is a number over time.
type Series struct {
	Name   string       `json:"name"`
	Of     string       `json:"of,omitempty"` // whose it is; empty for the whole
	Unit   string       `json:"unit,omitempty"`
	Points [][2]float64 `json:"points"` // seconds since the run's beginning, and the value
}

// Find returns a series, or nil. A nil result has none.
func (s *ServerResult) Find(name, of string) *Series {
	if s == nil {
		return nil
	}
	for i := range s.Series {
		if s.Series[i].Name == name && s.Series[i].Of == of {
			return &s.Series[i]
		}
	}
	return nil
}

const (
	observeEvery = 5 * time.Second

	// mostSeries bounds what an observer that invents names can take.
	mostSeries = 1000
	mostNotes  = 100
)

// observing calls the plan's observer.
type observing struct {
	run    *Run
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	side serverSide
}

// serverSide collects observations.
type serverSide struct {
	result    ServerResult
	described []Description
	index     map[[2]string]int
}

func newServerSide(interval time.Duration, described []Description) serverSide {
	return serverSide{
		ServerResult{Interval: interval.Seconds(), Facts: map[string]string{}, Notes: []string{}, Series: []Series{}},
		described, map[[2]string]int{},
	}
}

// describe is what an observer says of its series.
func describe(o Observer) []Description {
	if d, ok := o.(Describer); ok {
		return d.Describe()
	}
	return nil
}

// observe begins to look, if the plan has an observer. It returns nil otherwise.
func (r *Run) observe(ctx context.Context) *observing {
	if r.plan.Observer == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &observing{run: r, cancel: cancel, done: make(chan struct{}), side: newServerSide(r.plan.ObserveEvery, describe(r.plan.Observer))}
	go o.look(ctx)
	return o
}

// look observes on an absolute schedule. An instant that the one before was too
// slow for is left out.
func (o *observing) look(ctx context.Context) {
	defer close(o.done)
	every := o.run.plan.ObserveEvery
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		o.once(ctx, max(every, observeEvery))
		now := o.run.now()
		timer.Reset((now/every+1)*every - now)
	}
}

func (o *observing) once(ctx context.Context, limit time.Duration) {
	look, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begun := o.run.now()
	seen, err := o.guarded(look)
	if ctx.Err() != nil && err != nil {
		return // it was cut short, which says nothing of the server
	}
	// In the middle, because nobody knows when the server looked.
	o.note((begun+o.run.now())/2, seen, err)
}

// guarded survives an observer that panics: the run has nothing to do with it.
func (o *observing) guarded(ctx context.Context) (seen Observation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("observe: panic: %v", p)
		}
	}()
	return o.run.plan.Observer.Observe(ctx)
}

// note keeps what was seen.
func (o *observing) note(at time.Duration, seen Observation, err error) {
	if err != nil {
		seen.Notes = append(slices.Clone(seen.Notes), err.Error())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.side.add(at.Seconds(), seen, err != nil)
	o.run.stream.observation(at, seen, err != nil)
}

func (s *serverSide) add(at float64, seen Observation, failed bool) {
	res := &s.result
	if failed {
		res.Failed++
	}
	if !failed || len(seen.Values) > 0 {
		res.Observations++
	}
	for _, n := range seen.Notes {
		if len(res.Notes) < mostNotes && !slices.Contains(res.Notes, n) {
			res.Notes = append(res.Notes, n)
		}
	}
	for name, fact := range seen.Facts {
		res.Facts[name] = fact
	}
	for _, v := range seen.Values {
		s.addValue(at, v)
	}
}

func (s *serverSide) addValue(at float64, v Value) {
	if !finite(v.Value) {
		return // JSON has neither infinity nor what is no number
	}
	key := [2]string{v.Series, v.Of}
	i, known := s.index[key]
	if !known {
		if len(s.index) >= mostSeries {
			return
		}
		i = len(s.result.Series)
		s.index[key] = i
		s.result.Series = append(s.result.Series, Series{Name: v.Series, Of: v.Of, Unit: v.Unit})
	}
	series := &s.result.Series[i]
	series.Points = append(series.Points, [2]float64{thousandths(at), digits(v.Value)})
}

// seen is a copy, with the series in the order of their descriptions, and of their
// names where there are none.
func (s *serverSide) seen() *ServerResult {
	res := s.result
	res.Series, res.Notes, res.Facts = slices.Clone(res.Series), slices.Clone(res.Notes), maps.Clone(res.Facts)
	place := map[string]int{}
	for i, d := range s.described {
		place[d.Series] = i - len(s.described)
		if slices.ContainsFunc(res.Series, func(of Series) bool { return of.Name == d.Series }) {
			res.Descriptions = append(res.Descriptions, d)
		}
	}
	slices.SortStableFunc(res.Series, func(a, b Series) int {
		return cmp.Or(place[a.Name]-place[b.Name], strings.Compare(a.Name, b.Name), strings.Compare(a.Of, b.Of))
	})
	return &res
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// thousandths and digits keep the file readable, and a third of its size.
func thousandths(v float64) float64 { return math.Round(v*1000) / 1000 }

// digits rounds to six significant digits.
func digits(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1e6 {
		return math.Round(v)
	}
	unit := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*unit) / unit
}

// end stops looking. An observer that ignores its context is left behind after
// the grace time.
func (o *observing) end() {
	if o == nil {
		return
	}
	o.cancel()
	timer := time.NewTimer(o.run.plan.Grace)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
		o.mu.Lock()
		o.side.result.Notes = append(o.side.result.Notes, fmt.Sprintf("the observer did not end within %v", o.run.plan.Grace))
		o.mu.Unlock()
	}
}

// seen is what came of it; nil without an observer.
func (o *observing) seen() *ServerResult {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.side.seen() // a copy: an observer that was left behind may go on
}
