package harness

import "github.com/coderscale/scaletest/traffic/histogram"

// snapshot adds a second of the load of all scenarios.
func (s *stream) snapshot(next []*marks, seconds []Second) {
	if s == nil {
		return
	}
	s.mu.Lock()
	for i := range next {
		s.add(i, next[i], &seconds[i])
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it will write this, too
	}
}

// setups adds what setups have done while there is no load, or beside it.
func (s *stream) setups() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.last {
		s.add(i, nil, nil)
	}
}

// add adds what a scenario did since its last line, if that is anything. Without
// marks it is about its setups. s.mu is held.
func (s *stream) add(i int, next *marks, sec *Second) {
	sr, last := s.run.scenarios[i], &s.last[i]
	now := streamMark{load: last.load, setup: sr.setup.totals(), ready: sr.ready.Load(), failed: sr.setupFail.Load()}
	line := &StreamSecond{Scenario: sr.Name, Second: sec, Ready: now.ready, Setup: streamActions(now.setup.since(last.setup))}
	happened := len(line.Setup) > 0 || now.ready != last.ready || now.failed != last.failed
	if next != nil {
		now.load = next
		line.fill(next, last.load)
		happened = happened || !sec.empty() || sec.Users > 0 || line.Iterations != (Iterations{})
	}
	line.Iterations.SetupFailed = now.failed - last.failed
	*last = now
	if happened {
		s.putLocked(StreamRecord{Second: line})
	}
}

// fill adds what happened in the load between two marks.
func (l *StreamSecond) fill(next, last *marks) {
	delta := next.totals.since(last.totals)
	l.Iterations = next.iterations.minus(last.iterations)
	l.Bare = next.bare - last.bare
	l.Actions = streamActions(delta)
	if it := streamAction(&delta.iteration); it != nil {
		l.Iteration = it
	}
	l.Lag = histogram.Compact{Histogram: &delta.lag}
	c, o := next.connections, last.connections
	l.Opened, l.Restored = c.opened-o.opened, c.restored-o.restored
	if l.Restored > 0 && c.reconnect != nil {
		l.Reconnect = &histogram.Compact{Histogram: c.reconnect.Since(orNone(o.reconnect))}
	}
}

func streamActions(t *totals) map[string]StreamAction {
	out := map[string]StreamAction{}
	for name, s := range t.actions {
		if a := streamAction(s); a != nil {
			out[name] = *a
		}
	}
	return out
}

// streamAction is nil when nothing happened.
func streamAction(s *series) *StreamAction {
	if s.response.Count() == 0 && s.errors == 0 {
		return nil
	}
	a := &StreamAction{
		Errors:   s.errors,
		Response: histogram.Compact{Histogram: &s.response}, Service: histogram.Compact{Histogram: &s.service},
	}
	for tags, t := range s.tags {
		if part := streamAction(t); part != nil {
			if a.Tags == nil {
				a.Tags = map[string]StreamAction{}
			}
			a.Tags[tags] = *part
		}
	}
	return a
}
