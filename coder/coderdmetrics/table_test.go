package coderdmetrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTableSaysEachThingOnce(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9_]+$`)
	metric := regexp.MustCompile(`^(coderd?|go|process)_[a-z0-9_]+$`)
	units := []string{"", "cores", "bytes", "bytes/s", "seconds", "seconds/s", "1/s", "share"}
	seen, unit := map[string]bool{}, map[string]string{}
	for _, r := range table {
		require.Regexp(t, name, r.series)
		require.Regexp(t, metric, r.metric)
		require.Contains(t, units, r.unit, r.series)
		key := fmt.Sprint(r.series, "/", r.by, "/", r.of)
		require.False(t, seen[key], "%s is there twice", key)
		seen[key] = true
		if before, again := unit[r.series]; again {
			require.Equal(t, before, r.unit, "%s has two units", r.series)
		}
		unit[r.series] = r.unit
		if r.how == rate {
			require.True(t, strings.HasSuffix(r.unit, "/s") || slices.Contains([]string{"cores", "share"}, r.unit), r.series)
		}
		if r.how.percentile() > 0 {
			require.Equal(t, "seconds", r.unit)
			require.Equal(t, sum, r.across, "percentiles of several replicas are of all of them together")
		}
		if r.across >= each {
			for _, other := range table {
				require.False(t, other.series == r.series && len(other.by) > 0, "%s would be of replicas and of labels", r.series)
			}
		}
		require.False(t, r.across >= each && len(r.by) > 0, "%s would be of a replica and of a label", r.series)
		for _, c := range conditions(r.where) {
			require.NotEmpty(t, c.label)
			require.NotContains(t, c.texts, "")
		}
	}
	for _, d := range Describe() {
		require.NotEmpty(t, d.Means)
	}
}

// A name with a typing error would be a series that never comes.
func TestMetricsOfTheTableAreThoseOfARealServer(t *testing.T) {
	text := string(unpacked(t, "scrape.txt.gz"))
	samples := map[string]string{} // one of each metric
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "#") {
			samples[line[:nameEnd([]byte(line))]] = line
		}
	}
	for _, r := range table {
		require.Contains(t, text, "# TYPE "+r.metric+" ", r.series)
		for _, l := range append(slices.Clone(r.by), firstLabels(r.where)...) {
			l, _, _ = strings.Cut(l, ":")
			require.Regexp(t, `[{,]`+l+`="`, samples[r.metric]+samples[r.metric+"_sum"], "%s by %s", r.series, l)
		}
	}
	for _, s := range settings {
		for _, m := range s.metrics {
			require.Contains(t, text, "# TYPE "+m+" ")
			require.Contains(t, thePlan.families, m, "nobody would see that it is there")
		}
	}
}

func firstLabels(where string) (out []string) {
	for _, c := range conditions(where) {
		out = append(out, c.label)
	}
	return out
}

func TestConditionsHold(t *testing.T) {
	for _, c := range []struct {
		where, value string
		want         bool
	}{
		{"code=429", "429", true}, {"code=429", "42", false}, {"code=5*", "503", true}, {"code=5*", "200", false},
		{"retries!=0", "0", false}, {"retries!=0", "1", true}, {"result=timeout|error", "error", true}, {"result=timeout|error", "ok", false},
	} {
		require.Equal(t, c.want, conditions(c.where)[0].holds(c.value), c)
	}
	require.Len(t, conditions("a=b c!=d"), 2)
}

// However many paths a server has, and whatever they are called, the series stay
// few.
func TestASeriesIsToldApartByFew(t *testing.T) {
	w := newWatcher(t, Config{URLs: []string{"http://a"}})
	series := map[Value]bool{}
	for second := range 24 {
		var b strings.Builder
		b.WriteString("# TYPE coderd_api_request_latencies_seconds histogram\n")
		for path := range 120 {
			n := 1 + second
			if path/5 == second {
				n *= 1000 // each is among the top ones once
			}
			for _, line := range []string{"_bucket{method=\"GET\",path=\"/%d\",le=\"1\"}", "_bucket{method=\"GET\",path=\"/%d\",le=\"+Inf\"}", "_sum{method=\"GET\",path=\"/%d\"}", "_count{method=\"GET\",path=\"/%d\"}"} {
				fmt.Fprintf(&b, "coderd_api_request_latencies_seconds"+line+" %d\n", path, n)
			}
		}
		b.WriteString("# TYPE coderd_workspace_builds_total counter\n")
		for i := range 100 {
			fmt.Fprintf(&b, "coderd_workspace_builds_total{status=\"%d\"} %d\n", i, second)
		}
		s, err := decode(strings.NewReader(b.String()), at(float64(second)), 1<<30)
		require.NoError(t, err)
		r := w.keep(0, s)
		for _, v := range w.values(w.replicas, map[*replica]bool{r: true}) {
			series[Value{Series: v.Series, Of: v.Of}] = true
		}
	}
	count := map[string]int{}
	for v := range series {
		count[v.Series]++
	}
	require.Equal(t, 20, count["api_time"])
	require.Equal(t, mostOf, count["builds"])
}
