package histogram

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// Sharded is a histogram that many goroutines record into at once. It has a
// part for each core, never one for each goroutine, so its size does not
// depend on how many record. The zero value is ready to use.
type Sharded struct {
	once   sync.Once
	shards []shard
}

type shard struct {
	mu sync.Mutex
	h  Histogram
	_  [64]byte // neighbours on lines of their own
}

// maxShards bounds the memory on machines with very many cores, where two
// goroutines that meet in a shard cost nanoseconds.
const maxShards = 32

func (s *Sharded) init() {
	s.once.Do(func() { s.shards = make([]shard, min(runtime.GOMAXPROCS(0), maxShards)) })
}

// Record adds one duration.
func (s *Sharded) Record(d time.Duration) {
	s.init()
	i := 0
	if len(s.shards) > 1 {
		i = int(rand.Uint32N(uint32(len(s.shards))))
	}
	for range s.shards {
		if s.shards[i].mu.TryLock() {
			s.shards[i].h.Record(d)
			s.shards[i].mu.Unlock()
			return
		}
		if i++; i == len(s.shards) {
			i = 0
		}
	}
	s.shards[i].mu.Lock()
	s.shards[i].h.Record(d)
	s.shards[i].mu.Unlock()
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
