package harness_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// BenchmarkIteration is what the harness adds to an iteration that does
// nothing: its goroutine, its deadline and its records.
func BenchmarkIteration(b *testing.B) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	p := planOf(harness.AllAtOnce(1).Hold(24*time.Hour), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
		if left.Add(-1) == 0 {
			close(done)
			<-rec.Done()
		}
		return nil
	}))
	b.ReportAllocs()
	before := harness.ProcessCPU()
	r, err := harness.Start(context.Background(), p)
	require.NoError(b, err)
	<-done
	b.ReportMetric(float64(harness.ProcessCPU()-before)/float64(b.N), "cpu-ns/op")
	r.Stop()
	r.Wait()
}
