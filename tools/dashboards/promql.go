package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

var promql = parser.NewParser(parser.Options{})

// promql checks a query: that it can be read, that there are such metrics and
// labels, and that a legend names labels that are left in the end.
func (c checker) promql(expr, legend string) []error {
	text, err := c.substitute(expr)
	if err != nil {
		return []error{fmt.Errorf("%w in %s", err, expr)}
	}
	parsed, err := promql.ParseExpr(text)
	if err != nil {
		return []error{fmt.Errorf("%s is no query: %w", expr, err)}
	}
	w := &walk{checker: c}
	left := w.labels(parsed)
	for _, m := range inLegend.FindAllStringSubmatch(legend, -1) {
		if !left[m[1]] {
			w.say("the legend %q names the label %q, and there are %s", legend, m[1], listed(left))
		}
	}
	for i, err := range w.errs {
		w.errs[i] = fmt.Errorf("%w in %s", err, expr)
	}
	return w.errs
}

// logql checks a query of logs that is only a selector, which PromQL can read.
func (c checker) logql(expr string) []error {
	text, err := c.substitute(expr)
	if err != nil {
		return []error{fmt.Errorf("%w in %s", err, expr)}
	}
	matchers, err := promql.ParseMetricSelector(text)
	if err != nil {
		return []error{fmt.Errorf("%s is no selector of logs: %w", expr, err)}
	}
	var errs []error
	for _, m := range matchers {
		if !ofLogs[m.Name] {
			errs = append(errs, fmt.Errorf("logs have no label %q, but %s, in %s", m.Name, listed(ofLogs), expr))
		}
	}
	return errs
}

// ofLogs are the labels that collectors of logs take from Kubernetes.
var ofLogs = map[string]bool{"namespace": true, "pod": true, "container": true}

func listed(of map[string]bool) string {
	if len(of) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(of)), ", ")
}

// walk goes through a query.
type walk struct {
	checker
	errs []error
}

func (w *walk) say(format string, args ...any) { w.errs = append(w.errs, fmt.Errorf(format, args...)) }

// counting are the functions that only make sense of what grows.
var counting = map[string]bool{"rate": true, "irate": true, "increase": true}

// labels are those that an expression's result can have.
func (w *walk) labels(e parser.Expr) map[string]bool {
	switch e := e.(type) {
	case *parser.VectorSelector:
		return w.selector(e)
	case *parser.MatrixSelector:
		return w.labels(e.VectorSelector)
	case *parser.SubqueryExpr:
		return w.labels(e.Expr)
	case *parser.ParenExpr:
		return w.labels(e.Expr)
	case *parser.UnaryExpr:
		return w.labels(e.Expr)
	case *parser.StepInvariantExpr:
		return w.labels(e.Expr)
	case *parser.AggregateExpr:
		return w.aggregate(e)
	case *parser.BinaryExpr:
		return w.binary(e)
	case *parser.Call:
		return w.call(e)
	}
	return nil // a number or a text
}

func (w *walk) selector(e *parser.VectorSelector) map[string]bool {
	name := e.Name
	has, _, ok := series(name, w.known)
	if !ok {
		w.say("there is no metric %q", name)
		return nil
	}
	for _, m := range e.LabelMatchers {
		if m.Name != model.MetricNameLabel && !has[m.Name] {
			w.say("the metric %q has no label %q, but %s", name, m.Name, listed(has))
		}
		whole := (m.Name == "le" || m.Name == "quantile") && m.Type == labels.MatchEqual && !strings.Contains(m.Value, ".")
		if whole && m.Value != "+Inf" {
			w.say("%[1]s=%[2]q is %[2]s.0 in Prometheus 3, want %[1]s=~\"%[2]s|%[2]s.0\"", m.Name, m.Value)
		}
	}
	return has
}

func (w *walk) aggregate(e *parser.AggregateExpr) map[string]bool {
	has := w.labels(e.Expr)
	if e.Param != nil {
		w.labels(e.Param)
	}
	if e.Op == parser.TOPK || e.Op == parser.BOTTOMK {
		w.need(has, e.Grouping, e.Op.String())
		return has
	}
	left := map[string]bool{}
	if e.Without {
		maps.Copy(left, has)
	}
	w.need(has, e.Grouping, e.Op.String()+" by")
	for _, l := range e.Grouping {
		if e.Without {
			delete(left, l)
		} else if has[l] {
			left[l] = true
		}
	}
	return left
}

// need holds labels that something goes by to those that there are.
func (w *walk) need(has map[string]bool, of []string, what string) {
	if has == nil {
		return // that was said
	}
	for _, l := range of {
		if !has[l] {
			w.say("%s goes by the label %q, and there are %s", what, l, listed(has))
		}
	}
}

func (w *walk) binary(e *parser.BinaryExpr) map[string]bool {
	left, right := w.labels(e.LHS), w.labels(e.RHS)
	m := e.VectorMatching
	switch {
	case m == nil && e.LHS.Type() == parser.ValueTypeScalar:
		return right
	case m == nil:
		return left
	}
	w.need(left, m.MatchingLabels, "the left side of "+e.Op.String())
	w.need(right, m.MatchingLabels, "the right side of "+e.Op.String())
	switch {
	case e.Op == parser.LAND || e.Op == parser.LUNLESS:
		return left
	case e.Op == parser.LOR:
		return both(left, right)
	case m.Card == parser.CardManyToOne:
		w.need(right, m.Include, "group_left")
		return with(left, m.Include)
	case m.Card == parser.CardOneToMany:
		w.need(left, m.Include, "group_right")
		return with(right, m.Include)
	case m.On:
		return with(nil, m.MatchingLabels)
	}
	if !maps.Equal(left, right) && left != nil && right != nil {
		w.say("%s has %s on the left and %s on the right, which never match", e.Op, listed(left), listed(right))
	}
	return left
}

func both(a, b map[string]bool) map[string]bool {
	out := map[string]bool{}
	for l := range a {
		if b[l] {
			out[l] = true
		}
	}
	return out
}

func with(a map[string]bool, more []string) map[string]bool {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]bool{}
	}
	for _, l := range more {
		out[l] = true
	}
	return out
}

func (w *walk) call(e *parser.Call) map[string]bool {
	var has map[string]bool
	for _, arg := range e.Args {
		of := w.labels(arg)
		if t := arg.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			has = of
		}
		if s, ok := arg.(*parser.MatrixSelector); ok && counting[e.Func.Name] {
			w.grows(s, e.Func.Name)
		}
	}
	if e.Func.Name == "histogram_quantile" {
		w.need(has, []string{"le"}, e.Func.Name)
		has = maps.Clone(has)
		delete(has, "le")
	}
	return has
}

// accumulating are gauges by their type, of which coderd makes sums.
var accumulating = map[string]bool{"coderd_agentstats_rx_bytes": true, "coderd_agentstats_tx_bytes": true}

func (w *walk) grows(s *parser.MatrixSelector, function string) {
	name := s.VectorSelector.(*parser.VectorSelector).Name
	if _, kind, ok := series(name, w.known); ok && kind == "gauge" && !accumulating[name] {
		w.say("%s of %q, which is a gauge", function, name)
	}
}
