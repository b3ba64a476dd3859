package codertest

import (
	"time"
)

// autobuildEvery is how often the deployment looks for what is due.
const autobuildEvery = time.Minute

// RunAutobuild does what is due at a time, as the deployment does itself once a
// minute: it starts stopped workspaces whose autostart schedule has come since
// their last build, on behalf of their owners. It returns how many. Workspaces
// that are dormant, whose owner is suspended, or whose last build failed or is
// not over are left alone.
func (s *Server) RunAutobuild(now time.Time) int {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if s.jobs.closed {
		return 0
	}
	started := 0
	for _, w := range s.state.workspaceList {
		if !w.startDue(now) {
			continue
		}
		b := s.state.newBuild(w, w.owner, "start", "autostart")
		if w.automaticUpdates == "always" {
			b.version = w.template.active
		}
		s.enqueue(b)
		w.changed.fire()
		started++
	}
	return started
}

// startDue reports whether the workspace should be started at this time.
func (w *workspace) startDue(now time.Time) bool {
	b := w.latest()
	switch {
	case w.autostart == nil, w.dormant != nil, w.owner.status == "suspended":
		return false
	case b.transition != "stop" || b.status != "succeeded":
		return false
	}
	next := nextTime(*w.autostart, *b.completed)
	return next != nil && !next.After(now)
}

// autobuild looks once a minute.
func (s *Server) autobuild() {
	tick := time.NewTicker(autobuildEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case t := <-tick.C:
			s.RunAutobuild(t)
		}
	}
}
