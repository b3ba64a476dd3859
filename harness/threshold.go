package harness

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Threshold is a condition on a metric of a scenario. Build one with [P99],
// [Rate] and the like, or read it from text with [ParseThreshold]:
//
//	harness.P99("echo").Below(250 * time.Millisecond)
//	echo: p(99)<250ms
//
// It is about what counts of the load, unless it names another phase, and about
// all of a metric, unless it names tags:
//
//	harness.P99("login").Tagged("region", "eu").In(harness.During).Below(time.Second)
//	login{region=eu}@during: p(99)<1s
//
// One that is to end the load as soon as it is broken says so:
//
//	harness.Rate("errors").Below(0.2).AbortOnFail(10 * time.Second)
//	errors: rate<20% abort after 10s
//
// A threshold on a metric without samples fails: nothing was shown.
type Threshold struct {
	// Metric is what is looked at:
	//
	//	an action's name            response time: p(N), avg, min, med, max; successes: count; rate, per second
	//	an action's name + _service service time, the same
	//	an action's name + _errors  failed ones: count; rate, as a share
	//	errors                      failed actions, and iterations that failed without one: count; rate, as a share
	//	iteration                   response time of whole iterations, as for an action
	//	iteration_errors            failed iterations: count; rate, as a share
	//	iterations                  ended ones: count; rate, per second
	//	dropped_iterations          count; rate, as a share of the intended
	//	throughput                  rate: bytes sent as a share of those intended
	//	disconnects                 connections that were lost: count; rate, for each connection
	//	lag                         how late the generator itself was: p(N), avg, ...
	//	a counter's name            count; rate, per second
	Metric string

	// Aggregate is "p(N)", "avg", "min", "med", "max", "count" or "rate".
	Aggregate string

	// Op is "<", "<=", ">", ">=", "==" or "!=".
	Op string

	// Value is the limit: seconds for times, otherwise a number.
	Value float64

	// Tags narrow an action, its _service and _errors, or errors, down to what
	// was recorded with all of these: "key=value,key=value", by key. See
	// [Action.Tag]. Empty is all.
	Tags string

	// Phase is what part of the run is looked at. Empty is [Load].
	Phase Phase

	// Abort ends the load as soon as the threshold is broken: it is looked at
	// once a second, on what its phase has recorded so far. Running iterations
	// have the graceful-stop time, and the verdict is [Fail]. An iteration that
	// hangs has recorded nothing yet: a JobTimeout of the plan makes it fail.
	Abort bool

	// AbortDelay is how long the phase must have lasted before Abort looks, so
	// that a few first samples don't decide.
	AbortDelay time.Duration
}

// Phase is a part of a run that a [Threshold] can be about.
type Phase string

// The phases of a scenario. Those of a [Disruption] are sums over all
// disruptions of the plan.
const (
	Setup    Phase = "setup"     // what Setup recorded, before the load
	WarmUp   Phase = "warm-up"   // see Scenario.WarmUp
	Load     Phase = "load"      // what counts
	CoolDown Phase = "cool-down" // see Scenario.CoolDown
	Before   Phase = "before"    // the part of the load before the first disruption
	During   Phase = "during"    // from its beginning until it is over and recovered from
	After    Phase = "after"     // from then on
)

var phases = []Phase{Setup, WarmUp, Load, CoolDown, Before, During, After}

// disrupted reports whether the phase is one of a disruption.
func (p Phase) disrupted() bool { return p == Before || p == During || p == After }

// orNone has one way to say what is the default.
func (p Phase) orNone() Phase {
	if p == Load {
		return ""
	}
	return p
}

// AbortOnFail returns the threshold with Abort and AbortDelay.
func (t Threshold) AbortOnFail(delay time.Duration) Threshold {
	t.Abort, t.AbortDelay = true, delay
	return t
}

// scope is what a threshold is about.
type scope struct {
	metric, aggregate, tags string
	phase                   Phase
}

func (s scope) tagged(key, value string) scope {
	s.tags = withTag(s.tags, key, value)
	return s
}

func (s scope) threshold(op string, value float64) Threshold {
	return Threshold{Metric: s.metric, Aggregate: s.aggregate, Op: op, Value: value, Tags: s.tags, Phase: s.phase}
}

// Expr is the left side of a threshold.
type Expr struct{ scope }

// Tagged narrows it down to what has this tag, and those that were asked for
// before: see [Action.Tag].
func (e Expr) Tagged(key, value string) Expr { return Expr{e.tagged(key, value)} }

// In is about another phase than [Load].
func (e Expr) In(p Phase) Expr { e.phase = p.orNone(); return e }

// P is the p-th percentile of an action's response time, or of another metric
// that is a time.
func P(p float64, metric string) Expr {
	return exprOf(metric, percentileName(p))
}

func exprOf(metric, aggregate string) Expr { return Expr{scope{metric: metric, aggregate: aggregate}} }

func rateOf(metric, aggregate string) RateExpr {
	return RateExpr{scope{metric: metric, aggregate: aggregate}}
}

// percentileName has no exponent, which is not part of the syntax.
func percentileName(p float64) string { return "p(" + strconv.FormatFloat(p, 'f', -1, 64) + ")" }

// P50 is the median.
func P50(metric string) Expr { return P(50, metric) }

// P90 is the 90th percentile.
func P90(metric string) Expr { return P(90, metric) }

// P95 is the 95th percentile.
func P95(metric string) Expr { return P(95, metric) }

// P99 is the 99th percentile.
func P99(metric string) Expr { return P(99, metric) }

// Avg is the mean.
func Avg(metric string) Expr { return exprOf(metric, "avg") }

// Max is the longest.
func Max(metric string) Expr { return exprOf(metric, "max") }

// Min is the shortest.
func Min(metric string) Expr { return exprOf(metric, "min") }

// Count is a number of events.
func Count(metric string) RateExpr { return rateOf(metric, "count") }

// Rate is a share of events, or a number per second: see [Threshold.Metric].
func Rate(metric string) RateExpr { return rateOf(metric, "rate") }

// Below demands less than d.
func (e Expr) Below(d time.Duration) Threshold { return e.threshold("<", d.Seconds()) }

// Above demands more than d.
func (e Expr) Above(d time.Duration) Threshold { return e.threshold(">", d.Seconds()) }

// RateExpr is the left side of a threshold on a number.
type RateExpr struct{ scope }

// Tagged narrows it down as [Expr.Tagged] does.
func (e RateExpr) Tagged(key, value string) RateExpr { return RateExpr{e.tagged(key, value)} }

// In is about another phase than [Load].
func (e RateExpr) In(p Phase) RateExpr { e.phase = p.orNone(); return e }

// Below demands less than v.
func (e RateExpr) Below(v float64) Threshold { return e.threshold("<", v) }

// AtMost demands v or less.
func (e RateExpr) AtMost(v float64) Threshold { return e.threshold("<=", v) }

// Above demands more than v.
func (e RateExpr) Above(v float64) Threshold { return e.threshold(">", v) }

// AtLeast demands v or more.
func (e RateExpr) AtLeast(v float64) Threshold { return e.threshold(">=", v) }

// aggregates are those that a metric of the harness has. For actions and
// counters it is known only when they have been seen.
var aggregates = map[string]func(Threshold) bool{
	"errors":             Threshold.isNumber,
	"iteration_errors":   Threshold.isNumber,
	"iterations":         Threshold.isNumber,
	"dropped_iterations": Threshold.isNumber,
	"disconnects":        Threshold.isNumber,
	"throughput":         func(t Threshold) bool { return t.Aggregate == "rate" },
	"lag":                func(t Threshold) bool { return t.Aggregate != "rate" },
}

// Validate reports what is wrong with the threshold.
func (t Threshold) Validate() error {
	if math.IsNaN(t.Value) || math.IsInf(t.Value, 0) || t.isTime() && math.Abs(t.Value) > maxSeconds {
		return fmt.Errorf("threshold \"%s: %s%s\": the limit is %v, want a finite number", t.Metric, t.Aggregate, t.Op, t.Value)
	}
	if t.AbortDelay < 0 || t.AbortDelay > 0 && !t.Abort {
		return fmt.Errorf("threshold \"%s: %s%s%s\": AbortDelay is %v, want 0 or more, and only with Abort", t.Metric, t.Aggregate, t.Op, t.limit(), t.AbortDelay)
	}
	again, err := ParseThreshold(t.String())
	if err != nil {
		return err
	}
	if again.Metric != t.Metric || again.Aggregate != t.Aggregate || again.Op != t.Op || again.Tags != t.Tags {
		return fmt.Errorf("threshold %q: want a metric, an aggregate and a limit, as in \"echo: p(99)<250ms\"", t)
	}
	return nil
}

// suits reports whether the metric has the aggregate, as far as is known.
func (t Threshold) suits() bool {
	ok := aggregates[t.Metric]
	return ok == nil || ok(t)
}

// String is the threshold as [ParseThreshold] reads it.
func (t Threshold) String() string {
	text := t.Metric
	if t.Tags != "" {
		text += "{" + t.Tags + "}"
	}
	if t.Phase.orNone() != "" {
		text += "@" + string(t.Phase)
	}
	text += fmt.Sprintf(": %s%s%s", t.Aggregate, t.Op, t.limit())
	if t.Abort {
		text += " abort"
	}
	if t.AbortDelay != 0 {
		text += " after " + t.AbortDelay.String()
	}
	return text
}

func (t Threshold) limit() string {
	if t.isTime() {
		return time.Duration(math.Round(t.Value * 1e9)).String()
	}
	return trimFloat(t.Value)
}

// maxSeconds is the longest time that a time.Duration holds.
const maxSeconds = float64(math.MaxInt64 / int64(time.Second))

// isTime reports whether the value is a duration.
func (t Threshold) isTime() bool { return !t.isNumber() }

func (t Threshold) isNumber() bool { return t.Aggregate == "count" || t.Aggregate == "rate" }

// percentile is N of p(N).
func (t Threshold) percentile() (float64, bool) {
	text, ok := strings.CutPrefix(t.Aggregate, "p(")
	if !ok {
		return 0, false
	}
	p, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, ")")), 64)
	return p, err == nil && p >= 0 && p <= 100
}

// holds compares.
func (t Threshold) holds(v float64) bool {
	switch t.Op {
	case "<":
		return v < t.Value
	case "<=":
		return v <= t.Value
	case ">":
		return v > t.Value
	case ">=":
		return v >= t.Value
	case "==":
		return v == t.Value
	case "!=":
		return v != t.Value
	}
	return false
}

// trimFloat prints a number so that it is read back as the same one.
func trimFloat(f float64) string {
	if abs := math.Abs(f); f != 0 && (abs < 1e-6 || abs >= 1e15) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
