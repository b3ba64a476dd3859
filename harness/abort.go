package harness

import "fmt"

// abort ends the load if a threshold that asks for it is broken. It is called
// once a second, by one goroutine.
func (r *Run) abort() {
	if r.broken.Load() != nil {
		return
	}
	for _, s := range r.scenarios {
		for _, t := range s.Thresholds {
			if !t.Abort || s.ended.Load() {
				continue
			}
			v := s.view(t.Phase)
			if v == nil || v.lasted <= 0 || v.lasted < t.AbortDelay {
				continue
			}
			// Without samples it fails at the end, but says nothing now.
			value, ok, err := v.value(t)
			if err != nil || !ok || t.holds(value) {
				continue
			}
			text := fmt.Sprintf("%s: %v was broken after %v (it was %s), and ended the load",
				s.Name, t, roundDuration(r.now()-s.start), t.shown(value))
			r.broken.Store(&text)
			r.Stop()
			return
		}
	}
}
