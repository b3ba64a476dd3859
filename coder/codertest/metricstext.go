package codertest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// exposition is metrics in the text format of Prometheus.
type exposition struct{ b strings.Builder }

// family begins a metric.
func (e *exposition) family(name, kind, help string) {
	e.b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

// sample is a number of the metric. Labels are names and values in turn.
func (e *exposition) sample(name string, value float64, labels ...string) {
	e.b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		e.b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + labels[i] + "=" + labelValue(labels[i+1]))
	}
	if len(labels) > 0 {
		e.b.WriteByte('}')
	}
	e.b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labelValue(v string) string { return `"` + labelEscapes.Replace(v) + `"` }

// single is a metric of one number.
func (e *exposition) single(name, kind, help string, value float64) {
	e.family(name, kind, help)
	e.sample(name, value)
}

// times are histograms by their labels. They are guarded by whoever has them.
type times struct {
	limits []float64
	by     map[string]*timesOf
}

type timesOf struct {
	labels []string
	counts []int64 // of each limit, and beyond the last
	sum    float64
}

// add counts a time in seconds.
func (t *times) add(seconds float64, labels ...string) {
	key := strings.Join(labels, "\x00")
	of := t.by[key]
	if of == nil {
		of = &timesOf{labels: labels, counts: make([]int64, len(t.limits)+1)}
		if t.by == nil {
			t.by = map[string]*timesOf{}
		}
		t.by[key] = of
	}
	i, _ := slices.BinarySearch(t.limits, seconds)
	of.counts[i]++
	of.sum += seconds
}

// write writes them as Prometheus' histograms. Nothing is written of what has
// counted nothing, as by a real server.
func (t *times) write(e *exposition, name, help string) {
	if len(t.by) == 0 {
		return
	}
	e.family(name, "histogram", help)
	for _, key := range slices.Sorted(maps.Keys(t.by)) {
		of, all := t.by[key], int64(0)
		for i, n := range of.counts {
			all += n
			limit := "+Inf"
			if i < len(t.limits) {
				limit = strconv.FormatFloat(t.limits[i], 'g', -1, 64)
			}
			e.sample(name+"_bucket", float64(all), append(slices.Clone(of.labels), "le", limit)...)
		}
		e.sample(name+"_sum", of.sum, of.labels...)
		e.sample(name+"_count", float64(all), of.labels...)
	}
}
