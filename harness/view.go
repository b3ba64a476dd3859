package harness

import "time"

// view is what a phase of a scenario has recorded.
type view struct {
	totals      *totals
	iterations  Iterations
	bare        int64 // failed iterations of which no action failed
	connections *Connections
	lasted      time.Duration
}

// view looks at a phase, also while it goes on. Nil says that it has not begun.
func (s *scenarioRun) view(p Phase) *view {
	if !s.running.Load() {
		return nil
	}
	switch p {
	case Setup:
		t := s.setup.totals()
		return &view{totals: t, iterations: Iterations{SetupFailed: s.setupFail.Load()}, lasted: s.start}
	case WarmUp:
		return s.partView(warmUp)
	case CoolDown:
		return s.partView(coolDown)
	case Before, During, After:
		return viewOf(s.run.disruptor.windows(s, p))
	}
	return s.partView(counted)
}

// partView is a part of the load.
func (s *scenarioRun) partView(p part) *view {
	from, to := s.partTimes(p)
	v := &view{lasted: to - from, iterations: s.counts[p].iterations(), bare: s.counts[p].bare.Load()}
	sums := s.sums(p)
	if v.lasted < 0 || sums == nil {
		return nil
	}
	v.totals, v.connections = sums.totals, sums.connections
	return v
}

// partTimes are the beginning of a part, and its end or now.
func (s *scenarioRun) partTimes(p part) (from, to time.Duration) {
	from, to = s.start, s.run.now()
	if s.ended.Load() {
		to = s.ran
	}
	if s.parted == nil {
		return from, to
	}
	switch p {
	case warmUp:
		to = min(to, s.parted.from)
	case coolDown:
		from = s.parted.to
	default:
		from, to = max(from, s.parted.from), min(to, s.parted.to)
	}
	return from, to
}

// phaseAt is the phase that an instant of the load belongs to, empty for what
// counts and is not disturbed.
func (s *scenarioRun) phaseAt(at time.Duration) Phase {
	switch {
	case !s.running.Load():
		return ""
	case s.parted != nil && at <= s.parted.from:
		return WarmUp
	case s.parted != nil && at > s.parted.to:
		return CoolDown
	case s.run.disruptor.active():
		return During
	}
	return ""
}
