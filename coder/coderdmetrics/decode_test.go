package coderdmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// whole is what the parser alone makes of a scrape.
func whole(t testing.TB, text []byte) *scrape {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	require.NoError(t, err)
	s := newScrape(at(0))
	for name, f := range families {
		if _, wanted := thePlan.families[name]; wanted {
			s.fold(f)
		}
	}
	return s
}

// same holds two scrapes against each other; sums may have been added in another
// order.
func same(t testing.TB, want, got *scrape) {
	t.Helper()
	require.Equal(t, want.start, got.start)
	require.Equal(t, want.facts, got.facts)
	require.Equal(t, want.present, got.present)
	for i := range want.sources {
		require.Len(t, got.sources[i], len(want.sources[i]), thePlan.sources[i].metric)
		for group, a := range want.sources[i] {
			b := got.sources[i][group]
			require.NotNil(t, b)
			require.InDelta(t, a.value, b.value, 1e-9*math.Abs(a.value))
			require.Equal(t, a.high, b.high)
			require.Equal(t, a.sets, b.sets)
			require.Equal(t, a.buckets, b.buckets)
		}
	}
}

func TestChoosingLinesChangesNothingOfWhatIsRead(t *testing.T) {
	text := unpacked(t, "scrape.txt.gz")
	require.Greater(t, len(text), 890_000)
	got, err := decode(iotest.HalfReader(bytes.NewReader(text)), at(0), 1<<20)
	require.NoError(t, err)
	require.Empty(t, got.notes)
	same(t, whole(t, text), got)
	for _, s := range starved(t)[:2] {
		got, err := decode(strings.NewReader(s.text), at(0), 1<<20)
		require.NoError(t, err)
		same(t, whole(t, []byte(s.text)), got)
	}
}

// A family that is many times as large as what is parsed at a time must add up to
// the same, wherever it is cut.
func TestADeploymentOfAnySizeIsAddedUp(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# TYPE coderd_agents_connections gauge\n")
	const agents, atOnce = 5000, 10_000
	for i := range agents {
		fmt.Fprintf(&b, "coderd_agents_connections{agent_name=\"main\",status=%q,username=\"scaletest-%d\",workspace_name=\"scaletest-%d\"} 1\n", []string{"connected", "disconnected"}[i%2], i, i)
	}
	b.WriteString("# TYPE coderd_provisioner_job_queue_wait_seconds histogram\n")
	for i := range agents / 10 {
		for _, le := range []string{"1", "10", "+Inf"} {
			fmt.Fprintf(&b, "coderd_provisioner_job_queue_wait_seconds_bucket{build_reason=\"%d\",le=%q} 2\n", i, le)
		}
		fmt.Fprintf(&b, "coderd_provisioner_job_queue_wait_seconds_sum{build_reason=\"%d\"} 0.5\ncoderd_provisioner_job_queue_wait_seconds_count{build_reason=\"%d\"} 2\n", i, i)
	}
	require.Greater(t, b.Len(), 50*atOnce)
	s, err := decodePieces(&b, at(0), 1<<30, atOnce)
	require.NoError(t, err)
	connections := s.sources[thePlan.families["coderd_agents_connections"][0]]
	require.Equal(t, agents/2.0, connections["connected"].value)
	require.Equal(t, agents/2.0, connections["disconnected"].value)
	wait := s.sources[thePlan.families["coderd_provisioner_job_queue_wait_seconds"][0]][""]
	require.Equal(t, agents/10*0.5, wait.value)
	require.Equal(t, []bucket{{1, agents / 5}, {10, agents / 5}, {math.Inf(1), agents / 5}}, wait.buckets)
}

func TestHalfAScrapeIsNone(t *testing.T) {
	text := unpacked(t, "scrape.txt.gz")
	_, err := decode(bytes.NewReader(text), at(0), int64(len(text))-1)
	require.ErrorContains(t, err, fmt.Sprintf("more than %d bytes", len(text)-1))
	_, err = decode(io.MultiReader(bytes.NewReader(text[:500_000]), iotest.ErrReader(errors.New("connection reset"))), at(0), 1<<30)
	require.EqualError(t, err, "connection reset")
	_, err = decode(strings.NewReader(""), at(0), 1)
	require.ErrorContains(t, err, "no metric of coderd")
	_, err = decode(strings.NewReader(strings.Repeat("x", 10<<20)), at(0), 1<<20)
	require.ErrorContains(t, err, "more than")
}

func TestAMetricThatCannotBeReadSpoilsNoOther(t *testing.T) {
	const text = "# TYPE go_goroutines gauge\ngo_goroutines 12\n" +
		"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total twelve\n" +
		"# TYPE process_open_fds gauge\nprocess_open_fds 7"
	s, err := decode(strings.NewReader(text), at(0), 1<<20)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"go_goroutines": true, "process_open_fds": true}, s.present)
	require.Len(t, s.notes, 1)
	require.Contains(t, s.notes[0], "process_cpu_seconds_total can't be read")

	long := "go_goroutines{x=\"" + strings.Repeat("y", 3*longestLine) + "\"} 5\n"
	s, err = decode(strings.NewReader(long+text[:43]), at(0), 1<<20)
	require.NoError(t, err)
	require.Len(t, s.notes, 1)
	require.Contains(t, s.notes[0], "passed over")
	require.Equal(t, 12.0, s.sources[thePlan.families["go_goroutines"][0]][""].value)
}

// After a metric could not be read, all that it has counted before must not look as
// if it had come since.
func TestAMetricThatCanBeReadAgainHasNoJump(t *testing.T) {
	w := newWatcher(t, Config{URLs: []string{"http://a"}})
	read := func(second float64, text string) Reading {
		s, err := decode(strings.NewReader(text), at(second), 1<<20)
		require.NoError(t, err)
		r := w.keep(0, s)
		return Reading{Values: w.values(w.replicas, map[*replica]bool{r: true})}
	}
	const begin = "# TYPE go_goroutines gauge\ngo_goroutines 1\n# TYPE coder_pubsub_publishes_total counter\ncoder_pubsub_publishes_total{success=\"true\"} "
	read(0, begin+"1000\n")
	read(5, begin+"?\n")
	_, known := find(read(10, begin+"1010\n"), "pubsub_publishes", "")
	require.False(t, known)
	require.Equal(t, 2.0, valueIn(t, read(15, begin+"1020\n"), "pubsub_publishes", ""))
	_, known = find(read(20, begin+"3\n"), "pubsub_publishes", "")
	require.False(t, known, "a counter that has fallen says nothing")
}

func TestALabelSetThatIsNewHasBeganAtZero(t *testing.T) {
	w := newWatcher(t, Config{URLs: []string{"http://a"}})
	p := process{start: 1, cpu: 1, requests: map[string]float64{"200": 10}}
	for i, want := range []float64{0, 3, 0} {
		if i == 1 {
			p.requests["429"] = 15
		}
		s, err := decode(strings.NewReader(p.String()), at(5*float64(i)), 1<<20)
		require.NoError(t, err)
		r := w.keep(0, s)
		v, known := find(Reading{Values: w.values(w.replicas, map[*replica]bool{r: true})}, "api_limited", "")
		require.Equal(t, i > 0 && want > 0 || i == 2, known)
		require.Equal(t, want, v)
	}
}

func TestPercentilesAreInsideTheirBucketAndRise(t *testing.T) {
	for _, c := range []struct {
		buckets []bucket
		q, want float64
	}{
		{[]bucket{{1, 10}, {2, 20}, {math.Inf(1), 20}}, 0.5, 1},
		{[]bucket{{1, 10}, {2, 20}, {math.Inf(1), 20}}, 0.75, 1.5},
		{[]bucket{{1, 0}, {2, 20}, {math.Inf(1), 20}}, 0.5, 1.5},
		{[]bucket{{1, 10}, {2, 10}, {math.Inf(1), 20}}, 0.99, 2}, // the highest limit that there is
		{[]bucket{{math.Inf(1), 20}}, 0.5, 0},
	} {
		got, ok := percentile(c.buckets, c.q)
		require.True(t, ok)
		require.InDelta(t, c.want, got, 1e-12, c)
	}
	for _, none := range [][]bucket{nil, {{1, 0}, {math.Inf(1), 0}}} {
		_, ok := percentile(none, 0.5)
		require.False(t, ok)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var buckets []bucket
		limit, count := 0.0, 0.0
		for range 1 + rng.IntN(12) {
			limit += rng.Float64()
			count += float64(rng.IntN(5))
			buckets = append(buckets, bucket{limit, count})
		}
		buckets = append(buckets, bucket{math.Inf(1), count + float64(rng.IntN(2))})
		last := -1.0
		for q := 0.05; q < 1; q += 0.05 {
			v, ok := percentile(buckets, q)
			if !ok {
				require.Zero(t, buckets[len(buckets)-1].count)
				break
			}
			require.GreaterOrEqual(t, v, last)
			require.LessOrEqual(t, v, limit)
			last = v
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(process{start: 1, cpu: 2, requests: map[string]float64{"200": 3, "503": 4}}.String()))
	f.Add([]byte("# TYPE coderd_db_query_latencies_seconds histogram\ncoderd_db_query_latencies_seconds_bucket{query=\"a\",le=\"0.1\"} 2\ncoderd_db_query_latencies_seconds_bucket{query=\"a\",le=\"+Inf\"} 3\ncoderd_db_query_latencies_seconds_sum{query=\"a\"} 1\ncoderd_db_query_latencies_seconds_count{query=\"a\"} 3\n"))
	f.Add([]byte("# TYPE go_gc_duration_seconds summary\ngo_gc_duration_seconds{quantile=\"0\"} NaN\ngo_gc_duration_seconds_sum 1e300\ngo_gc_duration_seconds_count 2"))
	f.Add([]byte("go_goroutines{x=\"\\n\"} -1 17\n# TYPE go_goroutines gauge\n\n \tgo_goroutines +Inf\n"))
	for _, s := range starved(f)[:2] {
		f.Add([]byte(s.text[:20_000]))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w := newWatcher(t, Config{URLs: []string{"http://a"}})
		for i := range 2 { // the second is the first with more of it
			s, err := decode(bytes.NewReader(bytes.Repeat(text, i+1)), at(float64(i)), 1<<20)
			if err != nil {
				return
			}
			r := w.keep(0, s)
			for _, v := range w.values(w.replicas, map[*replica]bool{r: true}) {
				if strings.HasSuffix(v.Unit, "/s") && v.Value < 0 || math.IsNaN(v.Value) {
					t.Fatalf("%s of %q is %v", v.Series, v.Of, v.Value)
				}
			}
		}
	})
}

// BenchmarkScrape reads the recorded scrape of 895 KB, beside the parser alone.
func BenchmarkScrape(b *testing.B) {
	text := unpacked(b, "scrape.txt.gz")
	b.Run("chosen", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(bytes.NewReader(text), at(0), 1<<30); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("expfmt", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			parser := expfmt.NewTextParser(model.LegacyValidation)
			if _, err := parser.TextToMetricFamilies(bytes.NewReader(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
