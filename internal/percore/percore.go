// Package percore spreads writers over shards so that two that run at the
// same time on different cores rarely meet in one.
package percore

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxShards bounds the memory on machines with very many cores, where two
// writers that meet in a shard cost nanoseconds.
const maxShards = 32

// Count is how many shards are worth having here: one for each core.
func Count() int { return min(runtime.GOMAXPROCS(0), maxShards) }

// Picker gives each core its own shard, most of the time: it is a hint, and a
// shard still needs its lock. A random shard costs four times as much on two
// cores, because its cache line travels.
type Picker struct {
	pool sync.Pool // has a slot for each core
	next atomic.Uint32
}

// Pick returns a shard's index below n.
func (p *Picker) Pick(n int) int {
	i, _ := p.pool.Get().(*uint32)
	if i == nil { // new here, or the garbage collector emptied the pool
		i = new(uint32)
		*i = p.next.Add(1)
	}
	shard := int(*i % uint32(n))
	p.pool.Put(i)
	return shard
}
