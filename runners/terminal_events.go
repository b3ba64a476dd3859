package runners

import (
	"context"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// terminalEvents interrupts the wait for a terminal: the load ends, or it is
// time to close the laptop or to change the window.
type terminalEvents struct {
	end    <-chan struct{}
	churn  *time.Ticker
	resize *time.Ticker
	wide   bool
	last   eventKind
}

type eventKind int

const (
	eventNone eventKind = iota
	eventEnd
	eventChurn
	eventResize
)

func newTerminalEvents(cfg TerminalConfig, rec *harness.Recorder) *terminalEvents {
	e := &terminalEvents{end: rec.Done()}
	if cfg.ChurnEvery > 0 {
		// The first one somewhere in the interval, so that not all leave at once.
		e.churn = time.NewTicker(cfg.ChurnEvery/2 + time.Duration(rec.Rand().Int64N(int64(cfg.ChurnEvery))))
	}
	if cfg.ResizeEvery > 0 {
		e.resize = time.NewTicker(cfg.ResizeEvery)
	}
	return e
}

// context returns one that is done at the next event.
func (e *terminalEvents) context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	e.last = eventNone
	var churn, resize <-chan time.Time
	if e.churn != nil {
		churn = e.churn.C
	}
	if e.resize != nil {
		resize = e.resize.C
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-e.end:
			e.last = eventEnd
		case <-churn:
			e.last = eventChurn
		case <-resize:
			e.last = eventResize
		case <-ctx.Done():
			return
		}
		cancel()
	}()
	return ctx, func() {
		cancel()
		<-watched
	}
}

func (e *terminalEvents) due(kind eventKind) bool { return e.last == kind }

// size is the next size of the window.
func (e *terminalEvents) size() (width, height uint16) {
	if e.wide = !e.wide; e.wide {
		return 120, 40
	}
	return 80, 25
}

func (e *terminalEvents) stop() {
	if e.churn != nil {
		e.churn.Stop()
	}
	if e.resize != nil {
		e.resize.Stop()
	}
}
