package harnesstest

import (
	"sync"
	"time"
)

// deadline is one that can be waited for and changed meanwhile.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	turn  int           // how often it was changed
	over  chan struct{} // closed when it has passed
}

func newDeadline() deadline { return deadline{over: make(chan struct{})} }

// set changes it. The zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.turn++
	if isClosed(d.over) {
		d.over = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	if wait := time.Until(t); wait > 0 {
		turn := d.turn
		d.timer = time.AfterFunc(wait, func() { d.pass(turn) })
		return
	}
	close(d.over)
}

// pass says that it has passed, unless it was changed meanwhile.
func (d *deadline) pass(turn int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turn == turn {
		close(d.over)
	}
}

// passed is closed when it has passed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
