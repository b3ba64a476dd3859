package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Gate says when a load begins, so that several processes begin together. It is
// called when all users are ready who are there from the beginning, with an empty
// scenario, or in a sequence before each scenario's load, with its name. The load
// begins at the instant that it returns, by this machine's clock, or at once where
// that is past. An error means that there is no load: the verdict is [Error].
//
// Its context ends when the run is stopped.
type Gate func(ctx context.Context, scenario string) (time.Time, error)

// Clock is how this machine's clock compares with one that several machines look
// at, so that what they saw can be laid side by side.
type Clock struct {
	// Offset is what must be added to this machine's clock, in seconds. The
	// result's StartedAt and EndedAt have it in them.
	Offset float64 `json:"offset"`

	// Uncertainty is by how much Offset may be wrong in either direction, in seconds.
	Uncertainty float64 `json:"uncertainty"`

	// Reference says what the other clock is.
	Reference string `json:"reference"`
}

// offset is 0 for no clock.
func (c *Clock) offset() time.Duration {
	if c == nil {
		return 0
	}
	return nanoseconds(c.Offset)
}

// startedAt is the run's beginning by the clock that is the reference.
func (r *Run) startedAt() time.Time { return r.epoch.Add(r.plan.Clock.offset()) }

var errNoTogether = errors.New("the load did not begin")

// together waits at the plan's gate. Where that lets nobody through, the load is over
// before it begins.
func (r *Run) together(scenario string) {
	if r.plan.Gate == nil || r.stopping() || r.loadCtx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.loadCtx)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-r.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	at, err := r.plan.Gate(ctx, scenario)
	cancel()
	<-stopped
	switch {
	case err == nil:
		r.sleepUntil(at.Sub(r.epoch))
		return
	case r.stopping() || r.loadCtx.Err() != nil: // which is why
		return
	}
	reason := fmt.Sprintf("%v: %v", errNoTogether, err)
	r.barred.Store(&reason)
	r.endLoad(errNoTogether)
}

// loadPhase says that the load begins, unless it was not let through or has been ended.
func (r *Run) loadPhase() {
	if r.barred.Load() == nil && !r.stopping() && r.loadCtx.Err() == nil {
		r.phase("load")
	}
}
