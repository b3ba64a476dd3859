package agentfleet

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// connect opens a session and does what an agent does first.
func (a *agent) connect() time.Time {
	begun := time.Now()
	minor, err := a.dial()
	if err == nil {
		a.times++
		if a.times > 1 {
			a.fleet.counters.reconnects.Add(1)
		}
		a.fleet.moved(a, stateConnected, nil)
		if a.events != nil && a.events.Connected != nil {
			a.events.Connected(time.Since(begun))
		}
		stop := a.cutOff()
		err = a.begin(a.ctx)
		stop()
		if err != nil && a.link.closed.Load() && a.ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", err, a.link.why())
		}
	}
	switch {
	case a.over():
		return time.Time{} // Close has the last word
	case a.ctx.Err() != nil:
		return a.left()
	case coder.IsUnauthorized(err):
		return a.finish(&EndedError{Agent: a.ref, Err: err})
	case err != nil:
		a.fleet.counters.refused.Add(1)
		a.fleet.counters.note(fmt.Errorf("%s: %w", a.ref, err))
		a.disconnect()
		next := a.retry(err)
		a.failures++
		return next
	}
	a.failures = 0
	a.fleet.moved(a, stateReady, nil)
	if a.events != nil && a.events.Ready != nil {
		a.events.Ready(time.Since(begun))
	}
	a.due.begin(a, time.Now())
	if a.subs > 0 {
		a.makeSubAgents(minor)
	}
	return a.due.next()
}

// cutOff ends the connection when the agent is to leave at once: a write that the
// deployment does not take would keep it for longer than anybody waits.
func (a *agent) cutOff() (stop func() bool) {
	l := a.link
	return context.AfterFunc(a.ctx, func() {
		if !a.polite.Load() {
			l.end(context.Cause(a.ctx))
		}
	})
}

// dial opens the session in the newest version of the protocol that the
// deployment takes.
func (a *agent) dial() (minor int, err error) {
	for {
		index, minor := a.fleet.rpcMinor()
		socket, err := a.client.Socket(a.ctx, "connect "+a.ref.String(), "/api/v2/workspaceagents/me/rpc?version=2."+strconv.Itoa(minor)+"&role=agent")
		if err != nil {
			if refusesVersion(err) && a.fleet.asksTooMuch(index) {
				continue
			}
			return 0, err
		}
		a.link = &link{Socket: socket, agent: a}
		a.session, err = rpc.Client(a.link)
		return minor, err
	}
}

// begin goes through the start of an agent: manifest, version, starting, log,
// ready, and the streams of the tailnet. What was reported once is not reported
// again after a reconnect.
func (a *agent) begin(ctx context.Context) error {
	var m agentpb.Manifest
	if err := a.call(ctx, getManifest, &agentpb.GetManifestRequest{}, &m); err != nil {
		return err
	}
	id, err := uuid.FromBytes(m.GetAgentId())
	if err != nil {
		return fmt.Errorf("the manifest has no ID of an agent: %w", err)
	}
	a.ref.ID = id
	if a.profile == nil {
		a.profile = a.fleet.profiles.of(&m, a.fleet.cfg.Metadata)
		if a.profile.short && a.kind == ofWorkspace {
			a.fleet.counters.short.Add(1)
		}
	}
	startup := &agentpb.Startup{Version: a.fleet.version, ExpandedDirectory: "/home/coder"}
	if err := a.call(ctx, updateStartup, &agentpb.UpdateStartupRequest{Startup: startup}, &agentpb.Startup{}); err != nil {
		return err
	}
	if !a.started {
		if err := a.lifecycle(ctx, agentpb.Lifecycle_STARTING); err != nil {
			return err
		}
		if err := a.writeLogs(ctx); err != nil {
			return err
		}
	}
	if err := a.joinTailnet(ctx, &m); err != nil {
		return err
	}
	if !a.started {
		if err := a.lifecycle(ctx, agentpb.Lifecycle_READY); err != nil {
			return err
		}
		a.started = true
	}
	a.due.watch(m.GetApps())
	var out agentpb.UpdateStatsResponse
	if err := a.call(ctx, updateStats, &agentpb.UpdateStatsRequest{}, &out); err != nil { // asks for the interval
		return err
	}
	a.due.statsEvery = out.GetReportInterval().AsDuration()
	if a.due.statsEvery < shortestStatsInterval {
		a.due.statsEvery = defaultStatsInterval
	}
	return nil
}

// defaultStatsInterval is that of a deployment that says none, or nonsense.
const (
	defaultStatsInterval  = 30 * time.Second
	shortestStatsInterval = 10 * time.Millisecond
)

func (a *agent) lifecycle(ctx context.Context, s agentpb.Lifecycle_State) error {
	in := &agentpb.UpdateLifecycleRequest{Lifecycle: &agentpb.Lifecycle{State: s, ChangedAt: timestamppb.New(time.Now())}}
	return a.call(ctx, updateLifecycle, in, &agentpb.Lifecycle{})
}

// Streams of the tailnet, on the same session.
const (
	streamDERPMaps = "/coder.tailnet.v2.Tailnet/StreamDERPMaps"
	coordinate     = "/coder.tailnet.v2.Tailnet/Coordinate"
)

// joinTailnet holds the streams that agents hold. One that serves takes part.
func (a *agent) joinTailnet(ctx context.Context, m *agentpb.Manifest) error {
	if a.fleet.cfg.NoTailnet && !a.serves {
		return nil
	}
	maps, err := a.session.Hold(streamDERPMaps, &tailnetpb.StreamDERPMapsRequest{})
	if err != nil {
		return err
	}
	a.held = append(a.held[:0], maps)
	if a.serves {
		return a.serve(ctx, m)
	}
	held, err := a.session.Hold(coordinate, nil)
	if err != nil {
		return err
	}
	a.held = append(a.held, held)
	return nil
}
