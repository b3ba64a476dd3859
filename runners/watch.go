package runners

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// The metrics of [WatchConfig].
var (
	// WatchOpen is the time until a watch gives the state that it begins with.
	WatchOpen = harness.NewAction("watch_open")
	// WorkspaceEvent is the delay from a change of a build (it was asked for, it
	// began, it ended) until the workspace's watchers are told.
	WorkspaceEvent = harness.NewAction("workspace_event")
	// MetadataEvent is the delay from the server's receiving a value of an
	// agent's metadata until its watchers are told. Servers tell at most once a
	// second.
	MetadataEvent = harness.NewAction("metadata_event")
	// LogEvent is the delay from the writing of a line of a build's or an agent's
	// log until its followers get it.
	LogEvent = harness.NewAction("log_event")
	// WatchEvents counts what the watches have told.
	WatchEvents = harness.NewCounter("watch_events")
	// WatchesLost counts watches that ended before they should have.
	WatchesLost = harness.NewCounter("watches_lost")
)

// WatchKind is a kind of watch.
type WatchKind int

// Kinds of watches of [WatchConfig], to be added up.
const (
	// WatchWorkspaces watches the workspace, as its page does.
	WatchWorkspaces WatchKind = 1 << iota
	// WatchMetadata watches the agent's metadata, as the workspace's page does.
	WatchMetadata
	// WatchAgentLogs follows the log of the agent's scripts.
	WatchAgentLogs
	// WatchBuildLogs follows the logs of the workspace's builds, one after the
	// other. It needs WatchWorkspaces.
	WatchBuildLogs
)

// WatchConfig configures people who look on. [Watch] is the short form.
//
// What one does: it holds watches of its workspace until the load ends, opens
// those that are lost again, and measures the delay of what they tell, from the
// server's own time of the cause. The server's clock is measured at the
// beginning, to within some milliseconds: a delay that is shorter than that is
// recorded as that. Where it can be done to no better than 50 ms, the result says
// so. Events without a cause during the run are counted, not measured. For
// causes, run builds side by side ([Build]) or let agents send metadata.
//
// Metrics: watch_open, workspace_event, metadata_event, log_event; the counters
// watch_events and watches_lost.
//
// Its cleanup closes the connections. It creates nothing on the deployment.
type WatchConfig struct {
	// Workspaces are watched: user i watches workspace i.
	Workspaces []Workspace

	// Kinds are the watches that each holds. 0 means all.
	Kinds WatchKind

	// Share lets users share workspaces when there are more users.
	Share bool
}

// Watch makes runners that hold all watches of a workspace each, see
// [WatchConfig]. It is WatchConfig{Workspaces: w}.Runner().
func Watch(workspaces []Workspace) func(user int) (harness.Runner, error) {
	return WatchConfig{Workspaces: workspaces}.Runner()
}

const allWatches = WatchWorkspaces | WatchMetadata | WatchAgentLogs | WatchBuildLogs

// Validate reports everything that is wrong with the configuration.
func (c WatchConfig) Validate() error {
	if c.Kinds&^allWatches != 0 {
		return fmt.Errorf("watch: the kinds are %d, want a sum of those of WatchKind", c.Kinds)
	}
	if c.Kinds&WatchBuildLogs != 0 && c.Kinds&WatchWorkspaces == 0 {
		return errors.New("watch: WatchBuildLogs needs WatchWorkspaces, which tells of new builds")
	}
	return nil
}

// Runner returns what harness.Scenario.Runner takes.
func (c WatchConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	if c.Kinds == 0 {
		c.Kinds = allWatches
	}
	g := &watchGroup{cfg: c}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		w, err := pick(c.Workspaces, user, c.Share)
		if err != nil {
			return nil, err
		}
		return &watcher{group: g, workspace: *w}, nil
	}
}

// watchGroup is what the watchers of a scenario share.
type watchGroup struct {
	cfg   WatchConfig
	clock forAll[coder.ClockOffset]
}

// exactly is how well the server's clock must be known.
const exactly = 50 * time.Millisecond

// measure measures the server's clock once for all.
func (g *watchGroup) measure(ctx context.Context, rec *harness.Recorder, c *coder.Client) (coder.ClockOffset, error) {
	return g.clock.get(ctx, func(ctx context.Context) (coder.ClockOffset, error) {
		clock, err := c.ClockOffset(ctx)
		if err == nil && clock.Within > exactly {
			rec.Warn(fmt.Sprintf("the delays of events are known to ±%v only: that is how exactly the server's clock could be measured from here", clock.Within.Round(time.Millisecond)))
		}
		return clock, err
	})
}

// watcher holds the watches of one workspace.
type watcher struct {
	group     *watchGroup
	workspace Workspace
	client    *coder.Client
	clock     coder.ClockOffset
}

// Setup measures the clock.
func (w *watcher) Setup(ctx context.Context, rec *harness.Recorder) (err error) {
	w.client = w.workspace.Client.Isolated()
	w.clock, err = w.group.measure(ctx, rec, w.client)
	return err
}

// Run watches until the load ends.
func (w *watcher) Run(ctx context.Context, rec *harness.Recorder) error {
	rec.Add(WatchesLost, 0)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-rec.Done():
			cancel()
		case <-stop:
		}
	}()
	v := &view{watcher: w, rec: rec, began: time.Now(), builds: make(chan coder.Build, 64)}
	var wg sync.WaitGroup
	hold := func(kind WatchKind, f func(context.Context)) {
		if w.group.cfg.Kinds&kind != 0 {
			wg.Go(func() { f(ctx) })
		}
	}
	hold(WatchWorkspaces, v.watchWorkspace)
	hold(WatchMetadata, v.watchMetadata)
	hold(WatchAgentLogs, v.followAgent)
	hold(WatchBuildLogs, v.followBuilds)
	wg.Wait()
	select {
	case <-rec.Done():
		return nil // it is not the end's fault that contexts are done
	default:
		return context.Cause(ctx)
	}
}

// Cleanup closes the connections.
func (w *watcher) Cleanup(context.Context) error {
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
	return nil
}
