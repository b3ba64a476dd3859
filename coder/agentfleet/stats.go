package agentfleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/coderscale/scaletest/coder/internal/agentserve"
	"github.com/coderscale/scaletest/coder/internal/rpc"
)

// Stats are what a fleet has done so far.
type Stats struct {
	// Workspaces are agents of workspaces: what was asked to be played.
	Workspaces Count
	// SubAgents are agents of agents. They are no workspaces.
	SubAgents Count

	// Reconnects counts connections after the first of each agent, and Lost those
	// that ended before the fleet did. Refused counts attempts that failed.
	Reconnects, Lost, Refused int64

	// Calls counts calls by method, such as "UpdateStats".
	Calls map[string]CallCount

	// Late counts metadata updates that were more than their interval late: the
	// deployment, or this process, does not keep up. What was due meanwhile is
	// left out.
	Late int64

	// ShortOfMetadata counts agents of workspaces with fewer declared items than
	// Config.Metadata.Items asks for. Sub-agents never have any.
	ShortOfMetadata int

	// BytesSent and BytesReceived are of the agents' WebSockets, without what goes
	// over relays.
	BytesSent, BytesReceived int64

	// Served is the traffic of serving agents.
	Served Served

	// LastError is why a connection or a call failed last. "" is never.
	LastError string
}

// Count is how many agents are in which state.
type Count struct {
	Agents    int // that are played or were
	Connected int // ready ones too
	Ready     int
	Ended     int // the deployment took their token no more, or they were closed
}

// CallCount is how often a method was called.
type CallCount struct{ Done, Failed int64 }

// Served is what serving agents are doing and have done.
type Served struct {
	SSH       int64 // sessions that are open
	Terminals int64 // connections that are open
	Apps      int64 // connections that are open
	Opened    int64 // of all three, so far

	BytesReceived, BytesSent int64
}

// method is what is called.
type method int

const (
	getManifest method = iota
	updateStartup
	updateLifecycle
	createLogs
	updateAppHealths
	updateStats
	updateMetadata
	listSubAgents
	createSubAgent
	deleteSubAgent
	methods
)

var methodNames = [methods]string{
	"GetManifest", "UpdateStartup", "UpdateLifecycle", "BatchCreateLogs", "BatchUpdateAppHealths", "UpdateStats",
	"BatchUpdateMetadata", "ListSubAgents", "CreateSubAgent", "DeleteSubAgent",
}

func (m method) String() string { return methodNames[m] }

// path is where the method is found.
func (m method) path() string { return methodPaths[m] }

var methodPaths = func() (paths [methods]string) {
	for m, name := range methodNames {
		paths[m] = "/coder.agent.v2.Agent/" + name
	}
	return paths
}()

type counters struct {
	calls                     [methods]struct{ done, failed atomic.Int64 }
	reconnects, lost, refused atomic.Int64
	late, short               atomic.Int64
	sent, received            atomic.Int64
	served                    agentserve.Counters

	mu   sync.Mutex
	last error
}

// call counts a call, but for one that was given up because the agent ends.
func (c *counters) call(ctx context.Context, m method, err error) {
	switch {
	case err == nil:
		c.calls[m].done.Add(1)
	case ctx.Err() == nil:
		c.calls[m].failed.Add(1)
	}
}

func (c *counters) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

func (c *counters) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Stats returns what the fleet has done so far.
func (f *Fleet) Stats() Stats {
	c := &f.counters
	s := Stats{
		Reconnects: c.reconnects.Load(), Lost: c.lost.Load(), Refused: c.refused.Load(), Late: c.late.Load(),
		ShortOfMetadata: int(c.short.Load()), BytesSent: c.sent.Load(), BytesReceived: c.received.Load(),
		Calls: map[string]CallCount{},
		Served: Served{
			SSH: c.served.SSH.Load(), Terminals: c.served.Terminals.Load(), Apps: c.served.Apps.Load(), Opened: c.served.Opened.Load(),
			BytesReceived: c.served.In.Load(), BytesSent: c.served.Out.Load(),
		},
	}
	for m := range methods {
		if n := (CallCount{c.calls[m].done.Load(), c.calls[m].failed.Load()}); n != (CallCount{}) {
			s.Calls[m.String()] = n
		}
	}
	if err := c.lastError(); err != nil {
		s.LastError = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Workspaces, s.SubAgents = f.counts[ofWorkspace], f.counts[ofContainer]
	return s
}

// Failed is how many calls failed.
func (s Stats) Failed() int64 {
	n := int64(0)
	for _, c := range s.Calls {
		n += c.Failed
	}
	return n
}

// refusedCall reports whether the deployment answered a call with an error, after
// which the session goes on.
func refusedCall(err error) bool {
	_, ok := errors.AsType[*rpc.Refusal](err)
	return ok
}
