package harness_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// heapPerUser is what the package promises, without the runner's own.
const heapPerUser = 3 << 10

// inUse is what is left after a collection: heap and stacks.
func inUse() (heap, stack int64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

func TestMemoryDoesNotDependOnTheNumberOfSamples(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run(t, planOf(harness.AllAtOnce(1), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			record := func(n int) {
				for i := range n {
					rec.Record(work, time.Duration(i%1e5)*time.Microsecond, time.Duration(i%1e5)*time.Microsecond, nil)
					rec.Add(testBytes, 1)
				}
			}
			record(1e5)
			before, _ := inUse()
			record(9e5)
			after, _ := inUse()
			// A core that comes to it only now has histograms of its own.
			require.Less(t, after-before, int64(runtime.GOMAXPROCS(0)+1)*64<<10, "from 10^5 to 10^6 samples")
			return nil
		})))
	})
}

// running is the memory of a run whose users have all recorded something.
func running(tb testing.TB, users int) (heap, stack int64) {
	tb.Helper()
	heap, stack = inUse()
	take := recorders(tb, users)
	for range users {
		rec := take()
		rec.Record(work, time.Second, time.Second, nil)
		rec.Add(testBytes, 1)
	}
	h, s := inUse()
	return h - heap, s - stack
}

func TestMemoryOfAUserIsSmallAndFlat(t *testing.T) {
	few, _ := running(t, 10)
	many, _ := running(t, 10_000)
	require.Less(t, (many-few)/9_990, int64(heapPerUser))
}

func BenchmarkMemoryPerUser(b *testing.B) {
	for _, users := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			var heap, stack int64
			for b.Loop() {
				heap, stack = running(b, users)
			}
			b.ReportMetric(float64(heap)/float64(users), "heap-B/user")
			b.ReportMetric(float64(stack)/float64(users), "stack-B/user")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// recorded is a source with a histogram of its own, as a pump has.
type recorded struct{ h histogram.Histogram }

func (r *recorded) Collect(into *harness.Collection) { into.Action(work, &r.h, &r.h, 0) }

// BenchmarkMemoryOfSamples counts the memory of a run that is streamed, once when
// 10^6 samples are recorded and once when 10^9 are, beside what a list of the
// latter would take.
func BenchmarkMemoryOfSamples(b *testing.B) {
	var few, many int64
	for b.Loop() {
		plan := planOf(harness.AllAtOnce(1), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			src := &recorded{}
			rec.Observe(src)
			record := func(n int) {
				for i := range n {
					src.h.Record(time.Duration(i%1e6) * time.Microsecond)
				}
			}
			record(1e6)
			few, _ = inUse()
			record(1e9 - 1e6)
			many, _ = inUse()
			return nil
		}))
		plan.Stream = io.Discard
		r, err := harness.Start(b.Context(), plan)
		if err != nil {
			b.Fatal(err)
		}
		r.Wait()
	}
	b.ReportMetric(float64(few), "heap-1e6-B")
	b.ReportMetric(float64(many), "heap-1e9-B")
	b.ReportMetric(float64(many-few), "growth-B")
	b.ReportMetric(8e9, "baseline-list-B")
	b.ReportMetric(0, "ns/op")
}
