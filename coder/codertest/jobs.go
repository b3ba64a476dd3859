package codertest

import (
	"math/rand/v2"
	"slices"
	"time"
)

// queued is a build or an import.
type queued interface {
	// begin is called with the lock held, when a provisioner takes the job.
	begin(s *Server)
}

// jobs are the provisioners: so many jobs at a time, the others wait in
// order. They are guarded by the state's lock.
type jobs struct {
	rng     *rand.Rand
	queue   []queued
	running int
	timers  map[*time.Timer]struct{}
	closed  bool
	held    bool   // tests hold the queue
	last    *build // that has ended
}

// position is the place of a pending job in the queue, and its length.
func (j *jobs) position(q queued, status string) (position, size int) {
	if status != "pending" {
		return 0, 0
	}
	return slices.Index(j.queue, q) + 1, len(j.queue)
}

// drop takes a job from the queue.
func (j *jobs) drop(q queued) {
	j.queue = slices.DeleteFunc(j.queue, func(o queued) bool { return o == q })
}

// after runs f with the lock held.
func (s *Server) after(d time.Duration, f func()) (stop func() bool) {
	j := &s.jobs
	if j.timers == nil {
		j.timers = map[*time.Timer]struct{}{}
	}
	if j.closed {
		return func() bool { return false }
	}
	var t *time.Timer
	s.wg.Add(1)
	t = time.AfterFunc(d, func() {
		defer s.wg.Done()
		s.state.mu.Lock()
		defer s.state.mu.Unlock()
		delete(j.timers, t)
		if !j.closed {
			f()
		}
	})
	j.timers[t] = struct{}{}
	return func() bool {
		if !t.Stop() {
			return false
		}
		delete(j.timers, t)
		s.wg.Done()
		return true
	}
}

func (s *Server) stopJobs() {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.jobs.closed = true
	for t := range s.jobs.timers {
		if t.Stop() {
			s.wg.Done()
		}
	}
}

// enqueue hands a build to the provisioners.
func (s *Server) enqueue(b *build) {
	s.stats.builds.Add(1)
	s.submit(b)
}

func (s *Server) submit(q queued) {
	s.jobs.queue = append(s.jobs.queue, q)
	s.after(acquireTime, s.dispatch)
}

// acquireTime is how long a provisioner takes to notice a job.
const acquireTime = 10 * time.Millisecond

// cancelTime is how long Terraform takes to stop.
func (s *Server) cancelTime() time.Duration { return s.cfg.BuildTime.sample(s.jobs.rng) / 4 }

// dispatch starts queued jobs while there are provisioners. A job shows as
// pending for a moment, as real ones do.
func (s *Server) dispatch() {
	j := &s.jobs
	for !j.held && j.running < s.cfg.Provisioners && len(j.queue) > 0 {
		next := j.queue[0]
		j.queue = j.queue[1:]
		j.running++
		next.begin(s)
		s.acquired(next)
	}
}

func (b *build) begin(s *Server) {
	if b.done() {
		b.beginCanceled(s)
		return
	}
	t := now()
	b.started, b.updated, b.status, b.worker = &t, t, "running", s.state.newID()
	s.state.startLogs(&b.logs)
	s.changed(b)
	fail := s.jobs.rng.Float64() < s.cfg.BuildFailureRate
	b.stop = s.after(s.cfg.BuildTime.sample(s.jobs.rng), func() {
		status := "succeeded"
		if fail {
			status, b.err = "failed", "terraform apply: exit status 1"
		}
		s.finish(b, status)
	})
}

// beginCanceled does a build that was canceled while it was pending, as versions
// do that look only at whether a job has begun. It stays canceled.
func (b *build) beginCanceled(s *Server) {
	t := now()
	b.started, b.worker = &t, s.state.newID()
	s.changed(b)
	b.stop = s.after(s.cfg.BuildTime.sample(s.jobs.rng), func() {
		t := now()
		b.completed, b.updated = &t, t
		s.jobs.running--
		s.state.startLogs(&b.logs)
		s.state.endLogs(&b.logs)
		s.settle(b, t)
		s.changed(b)
		s.dispatch()
	})
}

// finish ends a job and starts the next.
func (s *Server) finish(b *build, status string) {
	t := now()
	b.completed, b.updated, b.status = &t, t, status
	s.jobs.running--
	s.jobs.last = b
	b.workspace.template.took(b.transition, t.Sub(*b.started))
	s.ended(b)
	s.state.endLogs(&b.logs)
	if status == "succeeded" {
		s.settle(b, t)
	}
	s.changed(b)
	s.dispatch()
}

// settle makes what the build was for.
func (s *Server) settle(b *build, t time.Time) {
	w := b.workspace
	if n := b.number; n > 1 {
		if old := w.builds[n-2].agent; old != nil {
			s.endAgent(old)
		}
	}
	switch b.transition {
	case "start":
		s.state.attachAgent(b)
		if w.ttlMillis != nil {
			d := t.Add(time.Duration(*w.ttlMillis) * time.Millisecond)
			b.deadline = &d
		}
		wait := s.cfg.AgentTime.sample(s.jobs.rng)
		if wait == 0 {
			s.connected(b.agent)
			return
		}
		s.after(wait, func() {
			if w.latest() == b {
				s.connected(b.agent)
				s.changed(b)
			}
		})
	case "stop":
		if next := w.nextStart(); next != nil && w.ttlMillis != nil {
			d := next.Add(time.Duration(*w.ttlMillis) * time.Millisecond)
			b.deadline = &d
		}
	case "delete":
		s.state.removeWorkspace(w)
	}
}

// endAgent is what happens to the agent of a workspace that was stopped.
func (s *Server) endAgent(a *agent) {
	a.off, a.updated = true, now()
	s.endSessions(a)
	for _, sub := range a.build.subAgents {
		if sub.sub.parent == a {
			s.endAgent(sub)
		}
	}
	if s.as.silentStop {
		a.terminals.leave(func() bool { return s.jobs.rng.IntN(2) == 0 })
	} else {
		a.terminals.end()
	}
	a.conns.leave(s.as.silentStop)
}

// changed tells everybody who watches.
func (s *Server) changed(b *build) {
	b.changed.fire()
	b.workspace.changed.fire()
}
