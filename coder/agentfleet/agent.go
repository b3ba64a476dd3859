package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/rpc"
)

// agent is one that is being played. What is not said to be guarded belongs to
// its step, which the scheduler never calls twice at the same time.
type agent struct {
	fleet  *Fleet
	ref    Agent
	client *coder.Client
	events *Events // nil when nobody listens
	kind   kind
	serves bool
	subs   int // how many sub-agents it is still to make, besides those it has made
	slot   slot
	ctx    context.Context    // of what it does: the fleet's, or ends before
	stop   context.CancelFunc // nil if it ends with the fleet
	polite atomic.Bool        // it is to take its leave

	state    state // guarded by fleet.mu
	wasReady bool  // guarded by fleet.mu
	gone     chan struct{}
	why      error // why it ended, once gone is closed

	session  *rpc.Session // nil while there is no connection
	link     *link
	held     []*rpc.Held
	server   *server // of one that serves, once it has begun
	times    int     // how often it was connected
	failures int     // of connecting, in a row
	started  bool    // what is done once has been done
	subsMade int
	profile  *profile
	due      due
}

// step does what is due and says when to come again.
func (a *agent) step() time.Time {
	switch {
	case a.over():
		return time.Time{}
	case a.ctx.Err() != nil:
		return a.left()
	case a.session == nil:
		return a.connect()
	case a.link.closed.Load():
		return a.lost(a.link.why())
	}
	next, err := a.periodic(time.Now())
	switch {
	case a.over():
		return time.Time{}
	case a.ctx.Err() != nil:
		return a.left()
	case err != nil:
		return a.lost(err)
	}
	return next
}

// over reports whether the agent has ended or its fleet is closing.
func (a *agent) over() bool {
	if a.fleet.ctx.Err() != nil {
		return true
	}
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

// call makes a call and counts it.
func (a *agent) call(ctx context.Context, m method, in, out proto.Message) error {
	err := a.session.Call(ctx, m.path(), in, out)
	a.fleet.counters.call(ctx, m, err)
	return err
}

// lost ends a connection that did not end by itself, and says when to try again.
func (a *agent) lost(why error) time.Time {
	a.fleet.counters.lost.Add(1)
	why = fmt.Errorf("%s lost its connection: %w", a.ref, why)
	a.fleet.counters.note(why)
	a.disconnect()
	return a.retry(why)
}

// Pauses before another attempt to connect: one that doubles, and up to as much
// again.
const (
	firstPause = time.Second
	maxPause   = 8 * time.Second
)

func (a *agent) retry(why error) time.Time {
	a.fleet.moved(a, stateWaiting, nil)
	if a.events != nil && a.events.Lost != nil {
		a.events.Lost(why)
	}
	pause := min(firstPause<<min(a.failures, 10), maxPause)
	return time.Now().Add(pause + jitter(pause))
}

// finish ends an agent for good.
func (a *agent) finish(why error) time.Time {
	a.why = why
	a.disconnect()
	a.closeServer()
	if a.stop != nil {
		a.stop()
	}
	if a.subs > 0 {
		a.fleet.noSubs(a.subs, nil)
		a.subs = 0
	}
	a.fleet.moved(a, stateEnded, why)
	if why != nil && a.events != nil && a.events.Lost != nil {
		a.events.Lost(why)
	}
	return time.Time{}
}

// disconnect closes what there is of a connection. The node of a serving agent
// stays for the next.
func (a *agent) disconnect() {
	if a.session != nil {
		_ = a.session.Close() // it is over in any case
		a.session, a.held = nil, nil
	}
}

func (a *agent) closeServer() {
	if a.server != nil {
		a.server.close()
		a.server = nil
	}
}

// link is an agent's WebSocket. It tells the agent when it has ended, so that
// nobody has to wait for that.
type link struct {
	*coder.Socket
	agent  *agent
	closed atomic.Bool
	cause  atomic.Pointer[error]
}

// Read implements io.Reader.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Socket.Read(b)
	l.agent.fleet.counters.received.Add(int64(n))
	if err != nil {
		l.cause.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Write implements io.Writer.
func (l *link) Write(b []byte) (int, error) {
	n, err := l.Socket.Write(b)
	l.agent.fleet.counters.sent.Add(int64(n))
	if err != nil {
		l.cause.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Close is called by the session when that ends, for whatever reason.
func (l *link) Close() error {
	err := l.Socket.Close()
	if !l.closed.Swap(true) {
		l.agent.fleet.sched.wake(l.agent)
	}
	return err
}

// end closes the link because of something that it does not know of.
func (l *link) end(why error) {
	l.cause.CompareAndSwap(nil, &why)
	_ = l.Close() // the session finds out
}

var errServerClosed = errors.New("the deployment closed it")

func (l *link) why() error {
	p := l.cause.Load()
	if p == nil || errors.Is(*p, io.EOF) {
		return errServerClosed
	}
	return *p
}
