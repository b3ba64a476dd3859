package codertest

import (
	"sync"
	"sync/atomic"
)

// leaver is a connection to an agent, which may go away. Silent says that this
// is not noticed: the connection stays open and nothing comes any more.
type leaver interface{ leave(silent bool) }

// agentHome is what the connections of an agent have in common, but for terminals. A nil one has no
// connections.
type agentHome struct {
	mu     sync.Mutex
	conns  map[leaver]struct{}
	over   bool
	frozen atomic.Bool
	thawed chan struct{} // closed when a freeze ends
}

// add reports false if the agent has gone.
func (h *agentHome) add(c leaver) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return false
	}
	h.conns[c] = struct{}{}
	return true
}

// leave is the end of the agent. Silent says that its connections stay open and
// nothing comes any more.
func (h *agentHome) leave(silent bool) {
	if h == nil {
		return
	}
	h.freeze(false)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	for c := range h.conns {
		c.leave(silent)
	}
}

func (h *agentHome) remove(c leaver) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

func (h *agentHome) freeze(frozen bool) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.frozen.Swap(frozen) == frozen:
	case frozen:
		h.thawed = make(chan struct{})
	default:
		close(h.thawed)
	}
}

// pass waits while the agent is frozen. It reports false if the time is up.
func (h *agentHome) pass(done <-chan struct{}) bool {
	if !h.frozen.Load() {
		return true
	}
	h.mu.Lock()
	thawed := h.thawed
	h.mu.Unlock()
	select {
	case <-thawed:
		return true
	case <-done:
		return false
	}
}

// home is what the connections of an agent have in common. It is called with the
// lock held.
func (a *agent) home() *agentHome {
	if a.conns == nil {
		a.conns = &agentHome{conns: map[leaver]struct{}{}}
		a.conns.freeze(a.frozen)
	}
	return a.conns
}
