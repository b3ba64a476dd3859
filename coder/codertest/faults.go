package codertest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// faults decides what goes wrong.
type faults struct {
	mu     sync.Mutex
	rng    *rand.Rand
	routes []RouteFault
	gate   gate
	band   band
}

func (f *faults) init(cfg Config) {
	f.rng = rand.New(rand.NewPCG(cfg.Seed, 0x6661756c))
	f.routes = slices.Clone(cfg.Routes)
	f.gate.init()
}

func (f *faults) release() {
	f.gate.release()
	f.band.set(0)
}

// choose finds the fault of a request: a delay, and a status to fail with (0
// for none).
func (f *faults) choose(r *http.Request) (delay time.Duration, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.routes {
		if !fault.matches(r.Method, r.URL.Path) {
			continue
		}
		delay = fault.Latency.sample(f.rng)
		if fault.ErrorRate > 0 && f.rng.Float64() < fault.ErrorRate {
			if status = fault.ErrorStatus; status == 0 {
				status = http.StatusInternalServerError
			}
		}
		return delay, status
	}
	return 0, 0
}

func (f RouteFault) matches(method, path string) bool {
	if f.Method != "" && f.Method != method {
		return false
	}
	if f.Path == "" {
		return true
	}
	want := strings.Split(strings.TrimSuffix(f.Path, "/"), "/")
	have := strings.Split(path, "/")
	if len(have) < len(want) {
		return false
	}
	for i, w := range want {
		if w != "*" && w != have[i] {
			return false
		}
	}
	return true
}

// apply delays the request and may fail it. It reports whether the request goes
// on.
func (s *Server) apply(w http.ResponseWriter, r *http.Request) bool {
	delay, status := s.faults.choose(r)
	if delay > 0 && !sleep(r.Context(), delay) {
		return false
	}
	switch {
	case status == 0:
		return true
	case status < 0:
		s.stats.dropped.Add(1)
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	s.stats.failed.Add(1)
	write(w, status, msg("An internal server error occurred."))
	return false
}

// sleep waits, and reports false if the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// gate is open nearly always, and passing it costs one atomic load.
type gate struct {
	shut   atomic.Bool
	mu     sync.Mutex
	opened *sync.Cond
	over   bool
}

func (g *gate) init() { g.opened = sync.NewCond(&g.mu) }

func (g *gate) pass() {
	if !g.shut.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.shut.Load() && !g.over {
		g.opened.Wait()
	}
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut.Store(shut)
	g.opened.Broadcast()
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.shut.Store(false)
	g.opened.Broadcast()
}

// SetRoutes replaces the faults of routes, those of Config.Routes too. None means
// that nothing is slow or fails any more. Requests that have begun are not
// affected. The error is that of [RouteFault.Validate], and then nothing changes.
func (s *Server) SetRoutes(routes []RouteFault) error {
	if err := validateRoutes(routes); err != nil {
		return err
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.routes = slices.Clone(routes)
	return nil
}

// Freeze stops all traffic without closing anything: bytes are neither read nor
// written until [Server.Thaw].
func (s *Server) Freeze() { s.faults.gate.set(true) }

// Thaw ends a freeze.
func (s *Server) Thaw() { s.faults.gate.set(false) }

// Stall freezes all traffic for a time and returns when it goes on.
func (s *Server) Stall(d time.Duration) {
	s.Freeze()
	defer s.Thaw()
	sleep(s.ctx, d)
}

// DropConnections resets a fraction, from 0 to 1, of the open connections, of
// HTTP and terminals alike. Config.Seed and the order in which they were opened
// decide which. It returns how many these were.
func (s *Server) DropConnections(fraction float64) int {
	dropped := 0
	for _, r := range s.fronts() {
		for _, c := range r.conns.list() {
			s.faults.mu.Lock()
			hit := s.faults.rng.Float64() < fraction
			s.faults.mu.Unlock()
			if hit {
				c.reset()
				dropped++
			}
		}
	}
	return dropped
}
