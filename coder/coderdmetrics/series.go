package coderdmetrics

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// mostOf bounds what one series is told apart by, besides replicas. Those that were
// among the top ones once keep their series.
const (
	mostOf     = 30
	topsToKeep = 4 // times row.top
)

// values are all series as they are now. What is of a replica is said only when
// that one was seen just now; the whole is of all that are alive.
func (w *Watcher) values(alive []*replica, fresh map[*replica]bool) []Value {
	var out []Value
	for i := range table {
		out = w.valuesOf(out, i, alive, fresh)
	}
	return out
}

// group is what replicas have together.
type group struct {
	sum, most, weight float64
	buckets           []bucket
	any               bool
}

func (w *Watcher) valuesOf(out []Value, i int, alive []*replica, fresh map[*replica]bool) []Value {
	r, src := &table[i], thePlan.sourceOf[i]
	groups := map[string]*group{}
	for _, rep := range alive {
		for name := range rep.last.sources[src] {
			m, ok := rep.measure(r, src, name)
			if !ok {
				continue
			}
			if r.across >= each && fresh[rep] {
				out = append(out, Value{r.series, rep.name, r.unit, m.value})
			}
			g := groups[name]
			if g == nil {
				g = &group{most: math.Inf(-1)}
				groups[name] = g
			}
			g.any = true
			g.sum, g.most, g.weight = g.sum+m.value, max(g.most, m.value), g.weight+m.weight
			g.buckets = merge(g.buckets, m.buckets)
		}
	}
	if r.across == each {
		return out
	}
	for _, name := range w.choose(r, src, groups) {
		g := groups[name]
		v := g.sum
		if q := r.how.percentile(); q > 0 {
			var counted bool
			if v, counted = percentile(g.buckets, q); !counted {
				continue
			}
		} else if r.across == most || r.across == tops {
			v = g.most
		}
		of := name
		if len(r.by) == 0 {
			of = r.of
		}
		out = append(out, Value{r.series, of, r.unit, v})
	}
	return out
}

// choose says which groups have a series, in order.
func (w *Watcher) choose(r *row, src int, groups map[string]*group) []string {
	names := slices.Sorted(maps.Keys(groups))
	if len(r.by) == 0 {
		return names
	}
	chosen := w.chosen[src]
	if chosen == nil {
		chosen = map[string]bool{}
		w.chosen[src] = chosen
	}
	limit := mostOf
	candidates := names
	if r.top > 0 {
		limit = topsToKeep * r.top
		candidates = slices.Clone(names)
		slices.SortStableFunc(candidates, func(a, b string) int { return cmp.Compare(groups[b].weight, groups[a].weight) })
		candidates = candidates[:min(len(candidates), r.top)]
	}
	for _, name := range candidates {
		if len(chosen) < limit && (r.top == 0 || groups[name].weight > 0) {
			chosen[name] = true
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !chosen[name] })
}

// merge adds up what was counted up to each limit. Replicas have the same limits,
// unless their versions differ.
func merge(a, b []bucket) []bucket {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := slices.Clone(a)
	for _, x := range b {
		i := slices.IndexFunc(out, func(o bucket) bool { return o.limit >= x.limit })
		switch {
		case i < 0:
			out = append(out, x)
		case out[i].limit == x.limit:
			out[i].count += x.count
		}
	}
	return out
}

// facts are what does not change, of the replicas that are alive.
func factsOf(alive []*replica) map[string]string {
	out := map[string]string{"replicas": strconv.Itoa(len(alive))}
	several := map[string][]string{}
	add := func(name, text string) {
		if text != "" && !slices.Contains(several[name], text) {
			several[name] = append(several[name], text)
		}
	}
	for _, rep := range alive {
		for name, text := range rep.last.facts {
			add(name, text)
		}
		for i := range table {
			fact, told := numbers[table[i].series]
			if t := rep.last.sources[thePlan.sourceOf[i]][""]; told && t != nil && len(table[i].by) == 0 {
				if m, ok := rep.measure(&table[i], thePlan.sourceOf[i], ""); ok {
					add(fact, strconv.FormatFloat(m.value, 'f', -1, 64))
				}
			}
		}
	}
	users := 0.0
	for _, rep := range alive {
		n := 0.0
		for _, t := range rep.last.sources[usersSource] {
			n += t.value
		}
		users = max(users, n)
	}
	if users > 0 {
		out["users"] = strconv.FormatFloat(users, 'f', -1, 64)
	}
	for name, texts := range several {
		slices.Sort(texts)
		out[name] = strings.Join(texts, ", ")
	}
	return out
}

// numbers are the series of which the value of a replica is a fact.
var numbers = map[string]string{
	"cpu_limit": "cores_per_replica", "memory_limit": "memory_limit_bytes", "descriptor_limit": "descriptor_limit",
	"provisioners": "provisioners_per_replica", "db_max": "db_connections_per_replica",
}

var usersSource = thePlan.sourceOf[slices.IndexFunc(table, func(r row) bool { return r.series == "users" })]

// missing says what the metrics lack, and what would give it.
func missing(alive []*replica) []string {
	var out []string
	has := func(metrics ...string) bool {
		return slices.ContainsFunc(alive, func(r *replica) bool {
			return slices.ContainsFunc(metrics, func(m string) bool { return r.last.present[m] || r.last.dropped[m] })
		})
	}
	for _, s := range settings {
		if !has(s.metrics...) && (s.when == "" || has(s.when)) {
			out = append(out, s.note)
		}
	}
	return out
}
