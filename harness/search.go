package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Search is a search for the highest load that holds. [FindLimit] carries it
// out:
//
//	limit, err := harness.FindLimit(ctx, harness.Search{
//		Of: "users", From: 10, To: 5000,
//		Plan: func(load float64) (harness.Plan, error) {
//			return harness.Plan{Scenarios: []harness.Scenario{{
//				Name:       "people",
//				Schedule:   harness.AllAtOnce(int(load)).Hold(time.Minute),
//				Runner:     newPerson,
//				Thresholds: []harness.Threshold{harness.P99("login").Below(250 * time.Millisecond)},
//			}}}, nil
//		},
//	})
//	...
//	fmt.Println(limit) // between 840 and 880 users, 92 % certain
//
// A probe is a run of the plan for one load. It holds if its verdict is [Pass],
// and breaks if that is [Fail], or if nobody got ready although a lower load
// held. The load grows by Factor until a probe breaks, or To. Then the gap between
// the highest load that held and the lowest that broke is halved, until it is as
// narrow as Precision. Then both sides are probed again until they are certain
// enough. If that turns one of them over, the search goes on from there.
//
// A load is anything that grows and can be made into a plan: users, arrivals a
// second, connections, bytes. More of it must not be easier for what is tested.
//
// # Confidence
//
// Where a probe sometimes holds and sometimes breaks, the limit is the load where
// it does either as often. The doubt about a load that is said to hold is the
// probability that one where a probe breaks as often as it holds would have looked
// as good, at any time within Repeats probes; and the other way round for a load
// that is said to break. The confidence is 1 less both doubts. Five probes of
// five on both sides make 92 %; one that came out otherwise costs four
// more.
//
// It is about these two loads, not about all that a search tries on its way. In
// simulations with the defaults, where the probability that a probe holds falls
// from 90 % to 10 % within a tenth of the limit, the limit was where it was said
// to be in 99 % of the searches that claimed 90 %; within a fifth, in 98 %; within
// two thirds, in 94 %. Where it falls over twice the limit, 87 % were right: such
// a deployment has no edge. Nor does the confidence cover what changes from one
// hour to the next, or what a probe is too short to see.
//
// # Recovery
//
// What follows a load that broke would be measured on a deployment that is still
// broken. So the search rests, and then checks that the lowest load holds again,
// or what Recovered says. If it does not, it waits twice as long, and so on. A
// deployment that does not recover ends the search; that is worth knowing, too.
type Search struct {
	// Of is the unit of a load, for people: "users", "arrivals/s",
	// "connections", "bytes/s". "" means users.
	Of string

	// From and To are the lowest and the highest load, multiples of Step. A From
	// of 0 means one Step.
	From, To float64

	// Step is what loads are multiples of. 0 means 1.
	Step float64

	// Plan makes the plan of a probe. Its thresholds decide. It must have no
	// RunID, because each probe is a run of its own, and runners that are new:
	// it is called for each probe, and before the first one for From and To.
	//
	// A schedule of arrivals needs enough users to keep up as long as the
	// deployment does. When it has none left, the probe breaks if a threshold
	// does; otherwise it was the generator's limit.
	Plan func(load float64) (Plan, error)

	// Factor is how much higher each load is than the one before, until one
	// breaks. 0 means 2.
	Factor float64

	// Precision is how wide the edge may be, as a share of the load that breaks.
	// It is never narrower than a Step. 0 means 0.05.
	Precision float64

	// Confidence is how certain the edge has to be, more than 0 and less than 1.
	// 0 means 0.9.
	Confidence float64

	// Repeats is how many probes a load may have. One that would need more is
	// unclear; the limit is then between the loads on either side of it that are
	// certain. 0 means three times as many as a load takes where all probes agree:
	// 15 for a confidence of 90 %.
	Repeats int

	// Rest is the time between two probes, and before the first check of a
	// recovery; later checks wait twice as long each. 0 means 10 seconds, and less
	// than 0 none.
	Rest time.Duration

	// Patience is how often a recovery is checked. 0 means 5, which is five
	// minutes of waiting with a Rest of 10 seconds.
	Patience int

	// Recovered is asked whether the deployment has recovered from a probe that
	// broke, and returns what is still wrong. Nil means that the plan of From is
	// run, if that held before.
	Recovered func(ctx context.Context) error

	// Budget ends the search early.
	Budget Budget

	// Run runs a plan to its end. Nil means [Start] and [Run.Wait]. Its error ends
	// the search.
	Run func(ctx context.Context, plan Plan) (*Result, error)

	// OnProbe is called after each run, with its whole result, of which the limit
	// keeps only what it needs. Runs that check a recovery are among them. The
	// search goes on when it returns.
	OnProbe func(Probe, *Result)

	// OnWait is called before each wait. The load is the one that the deployment
	// has to recover from, or 0 where the search only rests.
	OnWait func(wait time.Duration, recoverFrom float64)
}

// Budget is how much a search may take. Its zero value is no bound.
type Budget struct {
	// Time is how long the search may take. A run that can't be expected to end
	// within it is not begun: its plan's length counts, and as much beside it for
	// setup and cleanup as took the longest so far. 0 means no bound.
	Time time.Duration

	// Probes is how many runs there may be, checks of the recovery included. 0
	// means no bound.
	Probes int
}

// mostRungs is how far loads are told apart.
const mostRungs = 1 << 50

// Validate reports everything that is wrong with the search, but not with its
// plans.
func (s Search) Validate() error {
	var w wrongs
	if s.Plan == nil {
		w.add("there is no Plan")
	}
	for _, n := range []struct {
		name  string
		value float64
	}{{"From", s.From}, {"To", s.To}, {"Step", s.Step}, {"Factor", s.Factor}, {"Precision", s.Precision}, {"Confidence", s.Confidence}} {
		if math.IsNaN(n.value) || math.IsInf(n.value, 0) || n.value < 0 {
			w.add("%s is %v, want a finite number, 0 or more", n.name, n.value)
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"Repeats", int64(s.Repeats)}, {"Patience", int64(s.Patience)}, {"Budget.Time", int64(s.Budget.Time)}, {"Budget.Probes", int64(s.Budget.Probes)}} {
		if n.value < 0 {
			w.add("%s is negative, want 0 (the default) or more", n.name)
		}
	}
	if len(w) == 0 { // or the rest makes no sense
		s.withDefaults().validateRange(&w)
		s.validateCertainty(&w)
	}
	if len(w) > 0 {
		return fmt.Errorf("search: %w", errors.Join(w...))
	}
	return nil
}

// wrongs are what is wrong.
type wrongs []error

func (w *wrongs) add(format string, args ...any) { *w = append(*w, fmt.Errorf(format, args...)) }

// validateRange is for a search with its defaults.
func (s Search) validateRange(w *wrongs) {
	if s.To < s.From {
		w.add("To is %v, want at least From, which is %v", s.To, s.From)
	}
	if s.To/s.Step > mostRungs {
		w.add("To is %v, too many steps of %v: want a larger Step", s.To, s.Step)
	}
	for _, n := range []struct {
		name  string
		value float64
	}{{"From", s.From}, {"To", s.To}} {
		if steps := n.value / s.Step; math.Abs(steps-math.Round(steps)) > 1e-9*steps {
			w.add("%s is %v, want a multiple of Step, which is %v", n.name, n.value, s.Step)
		}
	}
	if s.Factor <= 1 {
		w.add("Factor is %v, want more than 1", s.Factor)
	}
	if s.Precision >= 1 {
		w.add("Precision is %v, want a share below 1, such as 0.05", s.Precision)
	}
}

// mostConfidence and mostRepeats bound what is tabulated.
const (
	mostConfidence = 0.9999
	mostRepeats    = 100
)

func (s Search) validateCertainty(w *wrongs) {
	if s.Confidence > mostConfidence {
		w.add("Confidence is %v, want at most %v", s.Confidence, mostConfidence)
		return
	}
	s = s.withDefaults()
	if s.Repeats > mostRepeats {
		w.add("Repeats is %d, want at most %d", s.Repeats, mostRepeats)
	} else if d := newDoubts(s.Repeats); !d.mayHold(tally{}, s.enough()) {
		w.add("Repeats is %d, too few for a confidence of %s: want more, or a lower Confidence", s.Repeats, percent(s.Confidence))
	}
}

// Range is the lowest and the highest load, with the default of From.
func (s Search) Range() (from, to float64) { return s.withDefaults().From, s.To }

// withDefaults fills in what was left out.
func (s Search) withDefaults() Search {
	def(&s.Of, "users")
	def(&s.Step, 1)
	def(&s.From, s.Step)
	def(&s.Factor, 2)
	def(&s.Precision, 0.05)
	def(&s.Confidence, 0.9)
	def(&s.Repeats, 3*int(math.Ceil(math.Log2(1/s.enough()))))
	def(&s.Rest, 10*time.Second)
	def(&s.Patience, 5)
	s.Rest = max(s.Rest, 0)
	if s.Run == nil {
		s.Run = func(ctx context.Context, plan Plan) (*Result, error) {
			run, err := Start(ctx, plan)
			if err != nil {
				return nil, err
			}
			return run.Wait(), nil
		}
	}
	return s
}

func def[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// enough is the doubt that either side may keep.
func (s Search) enough() float64 { return (1 - s.Confidence) / 2 }

func (s Search) decider() *decider {
	return &decider{
		from: s.rung(s.From), to: s.rung(s.To), factor: s.Factor, precision: s.Precision,
		enough: s.enough(), doubts: newDoubts(s.Repeats), tallies: map[int64]tally{},
	}
}

// rung is a load in steps.
func (s Search) rung(load float64) int64 { return int64(math.Round(load / s.Step)) }

// load is a rung's. Where a whole number of steps make 1, it is divided by them,
// because 3 × 0.1 is not 0.3.
func (s Search) load(rung int64) float64 {
	if parts := math.Round(1 / s.Step); s.Step < 1 && math.Abs(parts*s.Step-1) < 1e-12 {
		return float64(rung) / parts
	}
	return float64(rung) * s.Step
}
