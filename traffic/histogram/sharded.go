package histogram

import (
	"sync"
	"time"

	"github.com/coderscale/scaletest/internal/percore"
)

// Sharded is a histogram that many goroutines record into at once. It has a
// part for each core, never one for each goroutine, so its size does not
// depend on how many record. The zero value is ready to use.
type Sharded struct {
	once   sync.Once
	pick   percore.Picker
	shards []shard
}

type shard struct {
	mu sync.Mutex
	h  Histogram
	_  [64]byte // neighbours on lines of their own
}

func (s *Sharded) init() {
	s.once.Do(func() { s.shards = make([]shard, percore.Count()) })
}

// Record adds one duration.
func (s *Sharded) Record(d time.Duration) {
	s.init()
	sh := &s.shards[s.pick.Pick(len(s.shards))]
	sh.mu.Lock()
	sh.h.Record(d)
	sh.mu.Unlock()
}

// Snapshot returns a merged copy. Recording goes on meanwhile; a sample is in
// this snapshot or in the next one.
func (s *Sharded) Snapshot() *Histogram {
	s.init()
	var out Histogram
	for i := range s.shards {
		s.shards[i].mu.Lock()
		out.Merge(&s.shards[i].h)
		s.shards[i].mu.Unlock()
	}
	return &out
}
