package harness

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Threshold is a condition on a metric of a scenario. Build one with [P99],
// [Rate] and the like, or read it from text with [ParseThreshold]:
//
//	harness.P99("echo").Below(250 * time.Millisecond)
//	echo: p(99)<250ms
//
// A threshold on a metric without samples fails: nothing was shown.
type Threshold struct {
	// Metric is what is looked at:
	//
	//	an action's name            response time: p(N), avg, min, med, max; count
	//	an action's name + _service service time, the same
	//	an action's name + _errors  failed ones: count; rate, as a share
	//	errors                      failed actions and iterations: count; rate, as a share
	//	iteration                   response time of whole iterations
	//	iteration_errors            failed iterations: count; rate, as a share
	//	iterations                  ended ones: count; rate, per second
	//	dropped_iterations          count; rate, as a share of the intended
	//	throughput                  rate: bytes sent as a share of those intended
	//	lag                         how late the generator itself was: p(N), avg, ...
	//	a counter's name            count; rate, per second
	Metric string

	// Aggregate is "p(N)", "avg", "min", "med", "max", "count" or "rate".
	Aggregate string

	// Op is "<", "<=", ">", ">=", "==" or "!=".
	Op string

	// Value is the limit: seconds for times, otherwise a number.
	Value float64
}

// Expr is the left side of a threshold.
type Expr struct{ metric, aggregate string }

// P is the p-th percentile of an action's response time, or of another metric
// that is a time.
func P(p float64, metric string) Expr {
	return Expr{metric, "p(" + trimFloat(p) + ")"}
}

// P50 is the median.
func P50(metric string) Expr { return P(50, metric) }

// P90 is the 90th percentile.
func P90(metric string) Expr { return P(90, metric) }

// P95 is the 95th percentile.
func P95(metric string) Expr { return P(95, metric) }

// P99 is the 99th percentile.
func P99(metric string) Expr { return P(99, metric) }

// Avg is the mean.
func Avg(metric string) Expr { return Expr{metric, "avg"} }

// Max is the longest.
func Max(metric string) Expr { return Expr{metric, "max"} }

// Min is the shortest.
func Min(metric string) Expr { return Expr{metric, "min"} }

// Count is a number of events.
func Count(metric string) RateExpr { return RateExpr{metric, "count"} }

// Rate is a share of events, or a number per second: see [Threshold.Metric].
func Rate(metric string) RateExpr { return RateExpr{metric, "rate"} }

// Below demands less than d.
func (e Expr) Below(d time.Duration) Threshold {
	return Threshold{e.metric, e.aggregate, "<", d.Seconds()}
}

// Above demands more than d.
func (e Expr) Above(d time.Duration) Threshold {
	return Threshold{e.metric, e.aggregate, ">", d.Seconds()}
}

// RateExpr is the left side of a threshold on a number.
type RateExpr struct{ metric, aggregate string }

// Below demands less than v.
func (e RateExpr) Below(v float64) Threshold { return Threshold{e.metric, e.aggregate, "<", v} }

// AtMost demands v or less.
func (e RateExpr) AtMost(v float64) Threshold { return Threshold{e.metric, e.aggregate, "<=", v} }

// Above demands more than v.
func (e RateExpr) Above(v float64) Threshold { return Threshold{e.metric, e.aggregate, ">", v} }

// AtLeast demands v or more.
func (e RateExpr) AtLeast(v float64) Threshold { return Threshold{e.metric, e.aggregate, ">=", v} }

// Validate reports everything that is wrong with the threshold.
func (t Threshold) Validate() error {
	if t.Metric == "" || t.Aggregate == "" || t.Op == "" {
		return fmt.Errorf("threshold %q: want a metric, an aggregate and a limit, as in \"echo: p(99)<250ms\"", t)
	}
	again, err := ParseThreshold(t.String())
	if err != nil {
		return err
	}
	if again.Value != t.Value && math.Abs(again.Value-t.Value) > 1e-9*math.Abs(t.Value) {
		return fmt.Errorf("threshold %q: the limit is not a number", t)
	}
	return nil
}

// String is the threshold as [ParseThreshold] reads it.
func (t Threshold) String() string {
	return fmt.Sprintf("%s: %s%s%s", t.Metric, t.Aggregate, t.Op, t.limit())
}

func (t Threshold) limit() string {
	if t.isTime() {
		return time.Duration(math.Round(t.Value * 1e9)).String()
	}
	return trimFloat(t.Value)
}

// isTime reports whether the value is a duration.
func (t Threshold) isTime() bool { return t.Aggregate != "count" && t.Aggregate != "rate" }

// percentile is N of p(N).
func (t Threshold) percentile() (float64, bool) {
	var p float64
	if _, err := fmt.Sscanf(t.Aggregate, "p(%g)", &p); err != nil {
		return 0, false
	}
	return p, p >= 0 && p <= 100
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

func trimFloat(f float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.10g", f), ".0")
}
