package runners

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// agentGroup is what the agents of a scenario share.
type agentGroup struct {
	cfg AgentsConfig

	mu     sync.Mutex
	run    string // whose source it is
	source *agentSource
}

// observe counts what the agents do from the load's beginning on.
func (g *agentGroup) observe(rec *harness.Recorder) {
	if g.cfg.Totals == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run != rec.RunID() {
		g.run, g.source = rec.RunID(), &agentSource{g.cfg.Totals, g.cfg.Totals()}
	}
	rec.Observe(g.source)
}

// agentSource gives what agents have done since a base, because they may live
// longer than a run.
type agentSource struct {
	totals func() AgentTotals
	base   AgentTotals
}

// Collect implements harness.Source.
func (s *agentSource) Collect(c *harness.Collection) {
	now := s.totals()
	for counter, n := range map[harness.Counter]int64{
		AgentCalls:        now.Calls - s.base.Calls,
		AgentCallsFailed:  now.CallsFailed - s.base.CallsFailed,
		AgentMetadataLate: now.MetadataLate - s.base.MetadataLate,
		BytesSent:         now.BytesSent - s.base.BytesSent,
		BytesReceived:     now.BytesReceived - s.base.BytesReceived,
	} {
		c.Counter(counter, n)
	}
}

// simulatedAgent is the agent of one workspace.
type simulatedAgent struct {
	group *agentGroup
	user  int
	conn  AgentConnection
	life  *agentLife // of conn
}

// preparedAgent is one that connects before the load begins.
type preparedAgent struct{ *simulatedAgent }

// Setup connects.
func (p *preparedAgent) Setup(ctx context.Context, rec *harness.Recorder) error {
	return p.connect(ctx, rec)
}

// Run stays until the load ends.
func (a *simulatedAgent) Run(ctx context.Context, rec *harness.Recorder) error {
	for _, c := range []harness.Counter{AgentsLost, AgentsRefused, AgentsEnded} {
		rec.Add(c, 0)
	}
	a.group.observe(rec)
	var stayed <-chan time.Time
	if stay := a.group.cfg.Stay; stay > 0 {
		timer := time.NewTimer(stay)
		defer timer.Stop()
		stayed = timer.C
	}
	var gone error
	if a.conn == nil {
		if gone = a.connect(ctx, rec); ctx.Err() != nil {
			return gone
		}
	}
	for {
		var over <-chan struct{} // never again once it is known
		if a.conn != nil {
			over = a.conn.Done()
		}
		select {
		case <-over:
			// Another attempt would be refused as well, and the next iteration would
			// make ten of them a second. So the failure waits for the end.
			gone = fmt.Errorf("simulated agent %d ended before its time: %w", a.user, a.conn.Err())
			a.conn = nil
			a.life.ended()
			rec.Add(AgentsEnded, 1)
			rec.Logf("%v", gone)
		case <-stayed:
			return errors.Join(gone, a.leave(ctx))
		case <-rec.Done():
			if a.conn != nil {
				a.life.end(errNotBack) // others may still need the agent
			}
			return gone
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var errNotBack = errors.New("the agent was not back when the load ended")

// Cleanup closes the connection.
func (a *simulatedAgent) Cleanup(ctx context.Context) error { return a.leave(ctx) }

// connect begins to simulate the agent, and returns when it is ready.
func (a *simulatedAgent) connect(ctx context.Context, rec *harness.Recorder) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.life = &agentLife{rec: rec, intended: rec.Intended(), giveUp: cancel}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-rec.Done():
			a.life.lateNow()
		case <-stop:
		}
	}()
	conn, err := a.group.cfg.Connect(ctx, a.user, AgentEvents{Connected: a.life.connected, Ready: a.life.ready, Lost: a.life.lost})
	if err != nil {
		a.life.failed(err)
		return fmt.Errorf("simulated agent %d: %w", a.user, err)
	}
	a.conn = conn
	return nil
}

// leave closes the connection, if there is one.
func (a *simulatedAgent) leave(ctx context.Context) error {
	if a.conn == nil {
		return nil
	}
	conn := a.conn
	a.conn = nil
	a.life.end(nil)
	if err := conn.Close(ctx); err != nil {
		return fmt.Errorf("simulated agent %d: %w", a.user, err)
	}
	return nil
}

// agentLife measures an agent from one call of Connect to its end.
type agentLife struct {
	rec      *harness.Recorder
	intended time.Time
	giveUp   context.CancelCauseFunc

	mu        sync.Mutex
	up        bool
	first     time.Time // when it was connected; zero is never
	wasReady  bool
	downSince time.Time
	attempts  int  // that failed
	late      bool // the load ended while Connect was called
	over      bool // nobody wants to know
	held      *harness.Connection
}

func (l *agentLife) connected(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.up {
		return
	}
	l.up = true
	if l.first.IsZero() {
		l.first = time.Now()
		l.rec.Record(AgentConnect, time.Since(l.intended), took, nil)
		l.held = l.rec.Connected()
		return
	}
	l.held.Restored()
	away := time.Since(l.downSince)
	l.rec.Record(AgentReconnect, away, away, nil)
}

func (l *agentLife) ready(time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.wasReady {
		return
	}
	l.wasReady = true
	way := time.Since(l.first)
	l.rec.Record(AgentReady, way, way, nil)
}

func (l *agentLife) lost(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.rec.Logf("%v", why)
	if l.up {
		l.up, l.downSince = false, time.Now()
		l.held.Lost()
		l.rec.Add(AgentsLost, 1)
	} else {
		l.rec.Add(AgentsRefused, 1)
	}
	l.attempts++
	l.hopeless()
}

var errHopeless = errors.New("the load ended, and no attempt had succeeded")

// lateNow says that the load has ended. An agent whose attempts fail is not waited
// for any more: to be cut short by the graceful stop would hide the failure.
func (l *agentLife) lateNow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = true
	l.hopeless()
}

// hopeless is called with the lock held. Once Connect has returned it does nothing.
func (l *agentLife) hopeless() {
	if l.late && l.attempts > 0 {
		l.giveUp(errHopeless)
	}
}

// failed says that Connect has given up.
func (l *agentLife) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	action, since := AgentConnect, l.intended
	if !l.first.IsZero() {
		action, since = AgentReady, l.first
	}
	l.rec.Record(action, time.Since(since), time.Since(since), err)
	l.held.Close()
}

// ended says that the agent has given up.
func (l *agentLife) ended() {
	l.mu.Lock()
	l.held.Lost()
	l.mu.Unlock()
	l.end(nil)
}

// end says that nobody wants to know any more. An agent that is away then counts
// as one that did not come back, if notBack is an error.
func (l *agentLife) end(notBack error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	if !l.up && notBack != nil {
		away := time.Since(l.downSince)
		l.rec.Record(AgentReconnect, away, away, notBack)
	}
	l.held.Close()
}
