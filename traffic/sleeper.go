package traffic

import "time"

// sleeper puts a worker to sleep until an instant or a signal.
type sleeper struct {
	timer   *time.Timer
	precise bool
}

func newSleeper(precise bool) *sleeper {
	s := &sleeper{timer: time.NewTimer(time.Hour), precise: precise && lockThread()}
	return s
}

func (s *sleeper) stop() {
	s.timer.Stop()
	if s.precise {
		unlockThread()
	}
}

// until returns false when the pacer is closed.
func (s *sleeper) until(p *Pacer, instant time.Duration, signal <-chan struct{}) bool {
	if s.precise {
		return s.preciseUntil(p, instant, signal)
	}
	var due <-chan time.Time
	if instant != Never {
		wait := instant - p.Now()
		if wait <= 0 {
			select {
			case <-p.done:
				return false
			default:
				return true
			}
		}
		s.timer.Reset(wait)
		due = s.timer.C
	}
	select {
	case <-due:
	case <-signal:
	case <-p.done:
		return false
	}
	return true
}

// preciseUntil looks for signals every millisecond at least, since a thread
// that sleeps in the kernel hears nothing.
func (s *sleeper) preciseUntil(p *Pacer, instant time.Duration, signal <-chan struct{}) bool {
	for {
		select {
		case <-p.done:
			return false
		case <-signal:
			return true
		default:
		}
		wait := instant - p.Now()
		if wait <= 0 {
			return true
		}
		nanosleep(min(wait, time.Millisecond))
	}
}
