package compare

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Gate is a condition on which a comparison fails: that a number has become more,
// or less, by so much. It has the form
//
//	[scenario/][action ]metric > +LIMIT
//	[scenario/][action ]metric < -LIMIT
//
// with the metrics p50, p90, p99, p99.9 and rate of actions, "setup p50" and "setup
// p99" of those before the load, and errors, throughput, iterations and disconnects
// of scenarios. Without an action or a scenario it is about all that have the
// metric. A limit is a share of the old number, such as 10%; of times also a time,
// such as 5ms; of others also a number, such as 0.001.
//
// A gate is tripped by a difference of more than its limit that is not by chance.
// With too few runs it is undecided.
type Gate struct {
	Scenario string // "" is all
	Action   string // "" is all
	Metric   string
	More     bool // trips on more than Limit; otherwise on less than -Limit
	Limit    float64
	Relative bool // Limit is a share of the old number
	text     string
}

var gateForm = regexp.MustCompile(`^(?:([a-z0-9][a-z0-9_-]*)/)?\s*(?:(\S+)\s+)??((?:setup\s+)?[a-z][a-z0-9.]*)\s*(>\s*\+|<\s*-)\s*([0-9.]+)\s*(%|ns|us|µs|ms|s|m)?$`)

var gateMetrics = []string{"p50", "p90", "p99", "p99.9", "rate", "setup p50", "setup p99", "errors", "throughput", "iterations", "disconnects"}

// ParseGate reads a gate.
func ParseGate(text string) (Gate, error) {
	bad := func(want string) (Gate, error) {
		return Gate{}, fmt.Errorf("gate %q: want %s, as in \"p99 > +10%%\", \"terminals/echo p99 > +5ms\" or \"rate < -5%%\"", text, want)
	}
	m := gateForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return bad("a metric, > + or < -, and a limit")
	}
	g := Gate{Scenario: m[1], Action: m[2], Metric: strings.Join(strings.Fields(m[3]), " "), More: strings.HasPrefix(m[4], ">"), text: strings.TrimSpace(text)}
	if !slices.Contains(gateMetrics, g.Metric) {
		return bad("one of the metrics " + strings.Join(gateMetrics, ", "))
	}
	limit, err := strconv.ParseFloat(m[5], 64)
	if err != nil {
		return bad("a number for the limit")
	}
	isTime := strings.Contains(g.Metric, "p5") || strings.Contains(g.Metric, "p9")
	switch unit := m[6]; {
	case unit == "%":
		g.Limit, g.Relative = limit/100, true
	case unit != "" && !isTime:
		return bad(g.Metric + " without a unit of time")
	case unit == "" && isTime:
		return bad("a share such as 10%, or a time such as 5ms")
	case unit != "":
		d, err := time.ParseDuration(m[5] + unit)
		if err != nil {
			return bad("a time for the limit")
		}
		g.Limit = d.Seconds()
	default:
		g.Limit = limit
	}
	return g, nil
}

// String is the gate as it was written.
func (g Gate) String() string {
	if g.text != "" {
		return g.text
	}
	name := g.Metric
	if g.Action != "" {
		name = g.Action + " " + name
	}
	if g.Scenario != "" {
		name = g.Scenario + "/" + name
	}
	op, limit := "> +", strconv.FormatFloat(g.Limit, 'g', -1, 64)
	if !g.More {
		op = "< -"
	}
	switch {
	case g.Relative:
		limit = strconv.FormatFloat(100*g.Limit, 'g', -1, 64) + "%"
	case strings.Contains(g.Metric, "p5"), strings.Contains(g.Metric, "p9"):
		limit = time.Duration(g.Limit * 1e9).String()
	}
	return name + " " + op + limit
}

// GateResult is how a gate came out.
type GateResult struct {
	Gate    string
	Outcome Outcome
	Rows    []Row // that tripped it, or that are undecided
	Message string
}

// Outcome is that of a gate.
type Outcome string

// The outcomes.
const (
	Holds     Outcome = "holds"
	Tripped   Outcome = "tripped"
	Undecided Outcome = "undecided"
)

func (c *Comparison) judge(g Gate) GateResult {
	res := GateResult{Gate: g.String(), Outcome: Holds}
	var undecided, tripped []Row
	var chance []string // beyond the limit, but not beyond chance
	seen := 0
	for _, r := range c.Rows {
		if !g.about(r) {
			continue
		}
		seen++
		switch {
		case !r.Enough:
			undecided = append(undecided, r)
		case r.Differs && g.trips(r):
			tripped = append(tripped, r)
		case g.trips(r):
			chance = append(chance, changed(r))
		}
	}
	switch {
	case seen == 0:
		res.Outcome, res.Message = Tripped, "there is nothing that it is about in these runs: see its scenario, action and metric"
	case len(tripped) > 0:
		res.Outcome, res.Rows = Tripped, tripped
		var parts []string
		for _, r := range tripped {
			parts = append(parts, changed(r))
		}
		res.Message = strings.Join(parts, "; ")
	case len(undecided) > 0:
		res.Outcome, res.Rows = Undecided, undecided
		res.Message = c.tooFew()
	case len(chance) > 0:
		res.Message = strings.Join(chance, "; ") + " may be by chance: more runs would tell"
	default:
		res.Message = fmt.Sprintf("%d compared", seen)
	}
	return res
}

// changed is a row and its change, in a line.
func changed(r Row) string {
	return fmt.Sprintf("%s/%s from %s to %s (%s, p=%.3f)", r.Scenario, r.Metric, r.Metric.Unit.show(r.Old.Center), r.Metric.Unit.show(r.New.Center), delta(r), r.P)
}

// tooFew says how many runs there are and how many it takes.
func (c *Comparison) tooFew() string {
	return fmt.Sprintf("not enough runs: %d old and %d new can't tell a difference from chance, %d of each can", len(c.Old), len(c.New), c.Wanted())
}

func (g Gate) about(r Row) bool {
	return (g.Scenario == "" || g.Scenario == r.Scenario) && (g.Action == "" || g.Action == r.Metric.Action) && g.Metric == r.Metric.Name
}

func (g Gate) trips(r Row) bool {
	change := r.New.Center - r.Old.Center
	if g.Relative {
		change = r.Delta()
	}
	if math.IsNaN(change) {
		return false
	}
	if g.More {
		return change > g.Limit
	}
	return change < -g.Limit
}

// ErrTripped and ErrUndecided are what [Comparison.Err] wraps.
var (
	ErrTripped   = errors.New("a gate is tripped")
	ErrUndecided = errors.New("not enough runs for a gate")
)

// Err is nil if all gates hold. Otherwise it names those that do not.
func (c *Comparison) Err() error {
	var tripped, undecided []string
	for _, g := range c.Gates {
		text := fmt.Sprintf("%s: %s", g.Gate, g.Message)
		switch g.Outcome {
		case Tripped:
			tripped = append(tripped, text)
		case Undecided:
			undecided = append(undecided, text)
		}
	}
	if len(tripped) > 0 {
		return fmt.Errorf("%w: %s", ErrTripped, strings.Join(tripped, "; "))
	}
	if len(undecided) > 0 {
		return fmt.Errorf("%w: %s", ErrUndecided, strings.Join(undecided, "; "))
	}
	return nil
}
