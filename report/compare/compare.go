package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/coderscale/scaletest/harness"
)

// Options are how runs are compared. The zero value is useful.
type Options struct {
	// Alpha is how likely a difference that is called one may be by chance. 0 means
	// 0.05. Of many rows, that share differs by chance.
	Alpha float64

	// Confidence is that of the intervals. 0 means 0.95.
	Confidence float64

	// Gates are conditions on which the comparison fails.
	Gates []Gate

	// Doubtful takes runs whose verdict is invalid, interrupted or error as well.
	Doubtful bool
}

// Validate reports everything that is wrong.
func (o Options) Validate() error {
	var errs []error
	if o.Alpha < 0 || o.Alpha >= 1 || math.IsNaN(o.Alpha) {
		errs = append(errs, fmt.Errorf("option Alpha is %v, want more than 0 (or 0, which is 0.05) and less than 1", o.Alpha))
	}
	if o.Confidence < 0 || o.Confidence >= 1 || math.IsNaN(o.Confidence) {
		errs = append(errs, fmt.Errorf("option Confidence is %v, want more than 0 (or 0, which is 0.95) and less than 1", o.Confidence))
	}
	return errors.Join(errs...)
}

// Comparison is what came of it.
type Comparison struct {
	Old, New   []*harness.Result // that were compared
	Alpha      float64
	Confidence float64
	Rows       []Row
	Changes    []Change // of the configuration
	Gates      []GateResult
	Warnings   []string
}

// Row is a number of both sides.
type Row struct {
	Scenario string
	Metric   Metric
	Old, New Side
	P        float64 // that the difference is by chance; 1 where that can't be told
	Enough   bool    // there are enough runs to tell
	Differs  bool    // the difference is not by chance
}

// Side is a number in the runs of a side.
type Side struct {
	Values  []float64 // rising
	Center  float64   // their median
	Low, Hi float64   // its confidence interval; infinite where there are too few
}

// Delta is how much the number has changed, as a share of the old one: 0.1 is 10 %
// more. It is infinite when the old one is 0 and the new one is not.
func (r Row) Delta() float64 {
	switch {
	case r.Old.Center == r.New.Center:
		return 0
	case r.Old.Center == 0:
		return math.Inf(int(math.Copysign(1, r.New.Center)))
	}
	return r.New.Center/r.Old.Center - 1
}

// Worse reports whether the number has changed, and for the worse.
func (r Row) Worse() bool { return r.Differs && r.Metric.Better*sign(r.New.Center-r.Old.Center) < 0 }

// Improved reports whether the number has changed, and for the better.
func (r Row) Improved() bool {
	return r.Differs && r.Metric.Better*sign(r.New.Center-r.Old.Center) > 0
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// Compare compares the runs of before with those of now. The order of runs on a
// side does not matter.
func Compare(before, after []*harness.Result, o Options) (*Comparison, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("compare runs: %w", err)
	}
	c := &Comparison{Alpha: o.Alpha, Confidence: o.Confidence}
	if c.Alpha == 0 {
		c.Alpha = benchmath.DefaultThresholds.CompareAlpha
	}
	if c.Confidence == 0 {
		c.Confidence = 0.95
	}
	c.Old, c.New = c.usable("old", before, o), c.usable("new", after, o)
	for _, side := range []struct {
		name string
		runs []*harness.Result
	}{{"old", c.Old}, {"new", c.New}} {
		if len(side.runs) == 0 {
			return nil, fmt.Errorf("compare runs: there is no %s run whose numbers say something: want at least one, and several to tell a difference", side.name)
		}
	}
	c.Changes = changes(c.Old, c.New)
	c.compare()
	for _, g := range o.Gates {
		c.Gates = append(c.Gates, c.judge(g))
	}
	return c, nil
}

// usable are the runs whose numbers say something.
func (c *Comparison) usable(side string, runs []*harness.Result, o Options) (out []*harness.Result) {
	for _, r := range runs {
		switch {
		case o.Doubtful, r.Verdict == harness.Pass, r.Verdict == harness.Fail:
			out = append(out, r)
		default:
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s run %s is left out: its verdict is %s, so its numbers say nothing about what was tested", side, r.RunID, r.Verdict))
		}
	}
	return out
}

// compare fills in the rows: those that both sides have.
func (c *Comparison) compare() {
	before, after := measure(c.Old), measure(c.New)
	for _, key := range before.keys {
		old, now := before.values[key], after.values[key]
		if len(now) == 0 {
			continue
		}
		c.Rows = append(c.Rows, c.row(key, old, now))
	}
	for _, list := range []struct {
		of, than measured
		what     string
	}{{before, after, "the old runs have %s, and no new one has"}, {after, before, "the new runs have %s, and no old one has"}} {
		for _, name := range list.of.scenarios {
			if !slices.Contains(list.than.scenarios, name) {
				c.Warnings = append(c.Warnings, fmt.Sprintf(list.what, "a scenario "+name))
			}
		}
	}
	if len(c.Rows) == 0 {
		c.Warnings = append(c.Warnings, "nothing can be compared: the two sides have no scenario in common in which something was done")
	}
}

func (c *Comparison) row(key rowKey, before, after []float64) Row {
	thresholds := benchmath.DefaultThresholds
	thresholds.CompareAlpha = c.Alpha
	old, now := benchmath.NewSample(before, &thresholds), benchmath.NewSample(after, &thresholds)
	r := Row{Scenario: key.scenario, Metric: key.metric, Old: c.side(old), New: c.side(now), P: 1}
	if r.Enough = enough(len(before), len(after), c.Alpha); !r.Enough {
		return r
	}
	test := benchmath.AssumeNothing.Compare(old, now)
	r.P = test.P
	r.Differs = test.P < c.Alpha
	return r
}

func (c *Comparison) side(s *benchmath.Sample) Side {
	sum := benchmath.AssumeNothing.Summary(s, c.Confidence)
	return Side{Values: s.Values, Center: sum.Center, Low: sum.Lo, Hi: sum.Hi}
}

// enough reports whether a and b runs can show a difference: whether the least
// likely order of their numbers, in which all of one side are below all of the
// other, is less likely than alpha. There are two such orders of a+b over a.
func enough(a, b int, alpha float64) bool {
	orders := 1.0
	for i := range a {
		orders *= float64(b+i+1) / float64(i+1)
	}
	return 2/orders < alpha
}

// Wanted is how many runs of each side are enough to tell a difference.
func (c *Comparison) Wanted() int {
	n := 1
	for !enough(n, n, c.Alpha) {
		n++
	}
	return n
}

// Enough reports whether there are enough runs to tell a difference.
func (c *Comparison) Enough() bool { return enough(len(c.Old), len(c.New), c.Alpha) }
