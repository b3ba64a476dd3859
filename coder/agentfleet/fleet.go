package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

// Fleet is agents that are being played.
type Fleet struct {
	cfg      Config
	version  string // what the agents say they are
	sched    *scheduler
	ctx      context.Context // of what the agents do
	cancel   context.CancelFunc
	counters counters
	profiles profiles
	minor    atomic.Int32 // index into rpcMinors
	relays   relays

	mu     sync.Mutex
	agents map[*agent]struct{}
	counts [2]Count // of workspaces' agents and of sub-agents
	waits  int      // how many have neither been ready yet nor ended
	ended  error    // why one has ended
	change chan struct{}
	closed bool
	once   sync.Once
	gone   chan struct{}
}

// ErrClosed says that the fleet was closed.
var ErrClosed = errors.New("the fleet is closed")

// Start begins to play agents. It reads the deployment's version and returns; the
// agents connect meanwhile, see [Fleet.WaitReady]. The fleet lives until Close, or
// abruptly until the context ends.
func Start(ctx context.Context, cfg Config) (*Fleet, error) { return start(ctx, ctx, cfg) }

// start takes apart how long the fleet lives and how long the beginning may take.
func start(life, ctx context.Context, cfg Config) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	info, err := cfg.Client.BuildInfo(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin to play agents: %w", err)
	}
	f := &Fleet{
		cfg: cfg, version: info.Version, sched: newScheduler(cfg.Handshakes),
		agents: map[*agent]struct{}{}, change: make(chan struct{}), gone: make(chan struct{}),
	}
	f.relays.client = cfg.Client
	f.ctx, f.cancel = context.WithCancel(life)
	for i, a := range cfg.Agents {
		f.add(a, nil, i < cfg.Serving || cfg.Serving == All, nil)
	}
	go func() { // also when nobody calls Close
		<-f.ctx.Done()
		f.end(f.ctx, false)
	}()
	return f, nil
}

// kind is an index into Fleet.counts.
type kind int

const (
	ofWorkspace kind = iota
	ofContainer
)

// add begins to play an agent, or returns nil when the fleet is closed.
func (f *Fleet) add(ref Agent, on *Events, serves bool, parent *agent) *agent {
	a := &agent{
		fleet: f, ref: ref, client: f.cfg.Client.WithToken(ref.Token.reveal()), events: on, serves: serves, gone: make(chan struct{}),
	}
	a.ctx = f.ctx
	if on != nil {
		a.ctx, a.stop = context.WithCancel(f.ctx)
	}
	if parent != nil {
		a.kind = ofContainer
	} else {
		a.subs = f.cfg.SubAgents
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.agents[a] = struct{}{}
	f.counts[a.kind].Agents++
	if parent == nil { // sub-agents are waited for with theirs
		f.waits += 1 + a.subs
	}
	f.mu.Unlock()
	f.sched.add(a, time.Now())
	return a
}

// moved counts an agent that is now in another state.
func (f *Fleet) moved(a *agent, to state, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := a.state
	if from == to || from == stateEnded {
		return
	}
	a.state = to
	c := &f.counts[a.kind]
	c.Connected += btoi(to.connected()) - btoi(from.connected())
	c.Ready += btoi(to == stateReady) - btoi(from == stateReady)
	switch {
	case to == stateReady && !a.wasReady:
		a.wasReady = true
		f.waits--
	case to == stateEnded:
		c.Ended++
		if !a.wasReady {
			f.waits--
		}
		delete(f.agents, a)
		f.noteLocked(why)
		close(a.gone)
	}
	f.announce()
}

// noSubs gives up on sub-agents that were expected.
func (f *Fleet) noSubs(n int, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waits -= n
	f.counts[ofContainer].Ended += n
	f.noteLocked(why)
	f.announce()
}

func (f *Fleet) noteLocked(why error) {
	if why != nil {
		f.ended = why
	}
}

// announce is called with the lock held.
func (f *Fleet) announce() {
	if f.waits <= 0 {
		close(f.change)
		f.change = make(chan struct{})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// WaitReady waits until every agent, sub-agents too, has been ready or has ended.
// It is an error if some have ended.
func (f *Fleet) WaitReady(ctx context.Context) error {
	for {
		f.mu.Lock()
		waits, change, ended := f.waits, f.change, f.counts[0].Ended+f.counts[1].Ended
		why, closed := f.ended, f.closed
		f.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case waits <= 0 && ended == 0:
			return nil
		case waits <= 0:
			return fmt.Errorf("%d of the agents can't be played, for example %w", ended, why)
		}
		select {
		case <-change:
		case <-f.gone:
			return ErrClosed
		case <-ctx.Done():
			err := fmt.Errorf("wait for the agents: %d are not ready: %w", waits, context.Cause(ctx))
			if last := f.counters.lastError(); last != nil {
				err = fmt.Errorf("%w; the last failure: %w", err, last)
			}
			return err
		}
	}
}

// closeTimeout bounds what is said before leaving.
const closeTimeout = 10 * time.Second

// Close ends the agents, with Config.ReportOff after they have reported that they
// shut down, for which the context and 10 s are the limits.
func (f *Fleet) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return f.end(ctx, f.cfg.ReportOff)
}

// end runs once.
func (f *Fleet) end(ctx context.Context, politely bool) error {
	var err error
	f.once.Do(func() {
		f.mu.Lock()
		f.closed = true
		f.mu.Unlock()
		f.cancel()
		f.sched.close() // from here on nobody else has the agents
		f.mu.Lock()
		left := make([]*agent, 0, len(f.agents))
		for a := range f.agents {
			left = append(left, a)
		}
		f.mu.Unlock()
		err = f.dismiss(ctx, politely, left)
		close(f.gone)
	})
	<-f.gone
	return err
}

// dismiss closes agents, many at a time.
func (f *Fleet) dismiss(ctx context.Context, politely bool, agents []*agent) error {
	var wg sync.WaitGroup
	var failed atomic.Int64
	var first atomic.Pointer[error]
	next := make(chan *agent)
	for range min(len(agents), f.cfg.Handshakes) {
		wg.Go(func() {
			for a := range next {
				if politely {
					if err := a.goodbye(ctx); err != nil {
						failed.Add(1)
						first.CompareAndSwap(nil, &err)
					}
				}
				a.disconnect()
				a.closeServer()
				f.moved(a, stateEnded, nil)
			}
		})
	}
	for _, a := range agents {
		next <- a
	}
	close(next)
	wg.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d agents could not report that they shut down: %w", n, *first.Load())
	}
	return nil
}

// goodbye reports the end of an agent in good order.
func (a *agent) goodbye(ctx context.Context) error {
	if a.session == nil {
		return nil
	}
	for _, s := range []agentpb.Lifecycle_State{agentpb.Lifecycle_SHUTTING_DOWN, agentpb.Lifecycle_OFF} {
		if err := a.lifecycle(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", a.ref, err)
		}
	}
	a.closeServer() // tells its peers, while it can
	return nil
}

// rpcMinors are minor versions of the RPC to ask for, the newest first. Servers
// refuse what is above theirs: 2.3 (2.17; released ones perhaps 2.2), 2.4 (2.22),
// 2.6 (2.26), 2.11 (2.37).
var rpcMinors = []int{9, 6, 4, 3, 2, 0}

// subAgentsFrom is the version that brought sub-agents.
const subAgentsFrom = 6

// version is what the next agent asks for.
func (f *Fleet) rpcMinor() (index int32, minor int) {
	index = f.minor.Load()
	return index, rpcMinors[index]
}

// asksTooMuch notes that a version was refused. It reports whether there is a
// lower one.
func (f *Fleet) asksTooMuch(index int32) bool {
	if int(index)+1 >= len(rpcMinors) {
		return false
	}
	f.minor.CompareAndSwap(index, index+1)
	return true
}

// refusesVersion reports whether the server does not know the version that was
// asked for.
func refusesVersion(err error) bool {
	e, ok := errors.AsType[*coder.Error](err)
	if !ok || !coder.IsInvalid(err) {
		return false
	}
	for _, v := range e.Validations {
		if v.Field == "version" {
			return true
		}
	}
	return e.Message == "Unknown or unsupported API version."
}

// jitter is a random part of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
