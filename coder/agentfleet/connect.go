package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Events tell what happens to an agent, to measure it. They are called from the
// goroutine that plays the agent: don't block in them. Nil ones are left out.
type Events struct {
	// Connected is called when a WebSocket is open, with the time that it took.
	Connected func(took time.Duration)
	// Ready is called when the agent is ready, with the time since the attempt to
	// connect began. After a reconnect it is called again.
	Ready func(took time.Duration)
	// Lost is called when a connection has ended or an attempt has failed. The
	// agent comes back by itself, unless the error is an [*EndedError].
	Lost func(why error)
}

// EndedError says that the deployment takes the token of an agent no more.
type EndedError struct {
	Agent Agent
	Err   error // the deployment's answer
}

// Error says what has most likely happened, and what to do.
func (e *EndedError) Error() string {
	return fmt.Sprintf("%s: the workspace has a newer build, or was stopped or deleted; start it and find its agents again: %v", e.Agent, e.Err)
}

// Unwrap returns the deployment's answer.
func (e *EndedError) Unwrap() error { return e.Err }

// Connection is one agent of a fleet.
type Connection struct {
	agent *agent
	own   *Fleet // that is closed with it
}

// Connect plays one more agent, and waits until it is ready. It goes on trying
// until the context ends or the deployment refuses the token; an agent that did
// not become ready is not played any more.
func (f *Fleet) Connect(ctx context.Context, ref Agent, on Events) (*Connection, error) {
	if ref.Token.IsZero() {
		return nil, fmt.Errorf("play %s: it has no token", ref)
	}
	var last atomic.Pointer[error]
	ready := make(chan struct{}, 1)
	heard := Events{
		Connected: on.Connected,
		Ready: func(took time.Duration) {
			if on.Ready != nil {
				on.Ready(took)
			}
			select {
			case ready <- struct{}{}:
			default:
			}
		},
		Lost: func(why error) {
			last.Store(&why)
			if on.Lost != nil {
				on.Lost(why)
			}
		},
	}
	a := f.add(ref, &heard, f.cfg.Serving == All, nil)
	if a == nil {
		return nil, ErrClosed
	}
	c := &Connection{agent: a}
	select {
	case <-ready:
		return c, nil
	case <-a.gone:
		return nil, c.Err()
	case <-ctx.Done():
		a.leave(false)
		<-a.gone
		err := fmt.Errorf("play %s: it did not become ready: %w", ref, context.Cause(ctx))
		if p := last.Load(); p != nil {
			err = fmt.Errorf("%w: %w", err, *p)
		}
		return nil, err
	}
}

// Connect plays a single agent, the only one in cfg.Agents, and waits until it is
// ready: see [Fleet.Connect], which costs less for many.
func Connect(ctx context.Context, cfg Config, on Events) (*Connection, error) {
	if len(cfg.Agents) != 1 {
		return nil, errors.Join(fmt.Errorf("Agents has %d, want the one that is to be connected", len(cfg.Agents)), cfg.Validate())
	}
	if cfg.Serving > 0 {
		cfg.Serving = All
	}
	ref := cfg.Agents[0]
	cfg.Agents = nil
	f, err := start(context.WithoutCancel(ctx), ctx, cfg)
	if err != nil {
		return nil, err
	}
	c, err := f.Connect(ctx, ref, on)
	if err != nil {
		return nil, errors.Join(err, f.Close(ctx))
	}
	c.own = f
	return c, nil
}

// Done is closed when the agent is not played any more.
func (c *Connection) Done() <-chan struct{} { return c.agent.gone }

// Err is why, once Done is closed: an [*EndedError], or [ErrClosed].
func (c *Connection) Err() error {
	select {
	case <-c.agent.gone:
	default:
		return nil
	}
	if c.agent.why != nil {
		return c.agent.why
	}
	return ErrClosed
}

// Close ends the agent, with Config.ReportOff after it has reported that it shuts
// down.
func (c *Connection) Close(ctx context.Context) error {
	if c.own != nil {
		return c.own.Close(ctx)
	}
	c.agent.leave(true)
	select {
	case <-c.agent.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close %s: %w", c.agent.ref, context.Cause(ctx))
	}
}

// leave asks an agent to end. Its step does it.
func (a *agent) leave(politely bool) {
	if politely {
		a.polite.Store(true)
	}
	a.stop() // what it is doing
	a.fleet.sched.wake(a)
}

// left ends an agent that was asked to.
func (a *agent) left() time.Time {
	if a.polite.Load() && a.fleet.cfg.ReportOff {
		ctx, cancel := context.WithTimeout(a.fleet.ctx, closeTimeout)
		defer cancel()
		if err := a.goodbye(ctx); err != nil {
			a.fleet.counters.note(err)
		}
	}
	return a.finish(nil)
}
