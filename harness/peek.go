package harness

import "github.com/coderscale/scaletest/internal/peek"

func init() {
	peek.Recorded = func(recorder any) map[string]int64 { return recorder.(*Recorder).recorded() }
}

// recorded counts what was recorded: the samples of actions, and the sums of
// counters.
func (r *Recorder) recorded() map[string]int64 {
	t := r.metrics.Load().recorded()
	out := make(map[string]int64, len(t.actions)+len(t.counters))
	for name, s := range t.actions {
		out["action "+name] = int64(s.response.Count()) + s.errors
	}
	for name, n := range t.counters {
		out["counter "+name] = n
	}
	return out
}
