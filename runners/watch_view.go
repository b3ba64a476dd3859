package runners

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// view is what a watcher has seen. Its methods run side by side, and share
// nothing but what they were given.
type view struct {
	*watcher
	rec    *harness.Recorder
	began  time.Time
	builds chan coder.Build // that have begun, for those who follow logs
}

// event records the delay of an event whose cause the server dates. What was
// before this watch began is its first state.
func (v *view) event(as harness.Action, cause time.Time) {
	here := cause.Add(-v.clock.Ahead)
	if cause.IsZero() || here.Before(v.began) {
		return
	}
	// Less than what the clock is known to within would say what is not known.
	delay := max(time.Since(here), v.clock.Within)
	v.rec.Record(as, delay, delay, nil)
}

// retries counts how often a watch was opened in vain.
type retries struct {
	inVain int
	held   *harness.Connection // nil before the first
}

// again waits before a watch is opened again. It returns false when the load
// ends. Told is whether it told anything before it was lost.
func (v *view) again(ctx context.Context, what string, told bool, r *retries, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	r.held.Lost()
	v.rec.Add(WatchesLost, 1)
	v.rec.Logf("%s of %s: %v", what, v.workspace.Name, err)
	if r.inVain++; told {
		r.inVain = 0
	} else {
		v.rec.Record(WatchOpen, 0, 0, err)
	}
	select {
	case <-time.After(min(250*time.Millisecond<<min(r.inVain, 6), 10*time.Second)):
		return true
	case <-ctx.Done():
		return false
	}
}

// opened records that a watch has given its first state.
func (v *view) opened(since time.Time, r *retries) {
	took := time.Since(since)
	v.rec.Record(WatchOpen, took, took, nil)
	if r.held == nil {
		r.held = v.rec.Connected()
	}
	r.held.Restored()
}

func (v *view) watchWorkspace(ctx context.Context) {
	defer close(v.builds)
	var last coder.Build
	var r retries
	defer func() { r.held.Close() }()
	for {
		asked, told := time.Now(), false
		var end error
		for w, err := range v.client.WatchWorkspace(ctx, v.workspace.ID) {
			if end = err; err != nil {
				break
			}
			v.rec.Add(WatchEvents, 1)
			if !told {
				v.opened(asked, &r)
				told = true
			}
			b := w.LatestBuild
			v.compare(last, b)
			if b.ID != last.ID {
				select {
				case v.builds <- b:
				default: // nobody follows that many
				}
			}
			last = b
		}
		if !v.again(ctx, "the watch", told, &r, end) {
			return
		}
	}
}

// compare records each step of a build that the last state did not have.
func (v *view) compare(old, now coder.Build) {
	if now.ID != old.ID {
		v.event(WorkspaceEvent, now.Job.CreatedAt)
		old = coder.Build{}
	}
	if old.Job.StartedAt.IsZero() {
		v.event(WorkspaceEvent, now.Job.StartedAt)
	}
	if old.Job.CompletedAt.IsZero() {
		v.event(WorkspaceEvent, now.Job.CompletedAt)
	}
}

func (v *view) watchMetadata(ctx context.Context) {
	last := map[string]time.Time{}
	var r retries
	defer func() { r.held.Close() }()
	for {
		asked, told := time.Now(), false
		var end error
		for items, err := range v.client.WatchAgentMetadata(ctx, v.workspace.Agent.ID) {
			if end = err; err != nil {
				break
			}
			v.rec.Add(WatchEvents, 1)
			if !told {
				v.opened(asked, &r)
				told = true
			}
			for _, item := range items {
				at := item.Result.CollectedAt
				if at.After(last[item.Description.Key]) {
					last[item.Description.Key] = at
					v.event(MetadataEvent, at)
				}
			}
		}
		if !v.again(ctx, "the metadata watch", told, &r, end) {
			return
		}
	}
}

func (v *view) followAgent(ctx context.Context) {
	var after int64
	var r retries
	for {
		var end error
		told := false
		for line, err := range v.client.FollowAgentLogs(ctx, v.workspace.Agent.ID, after) {
			if end = err; err != nil {
				break
			}
			after, told = line.ID, true
			v.rec.Add(WatchEvents, 1)
			v.event(LogEvent, line.CreatedAt)
		}
		if end == nil { // the agent is not of the latest build any more
			<-ctx.Done()
			return
		}
		if !v.again(ctx, "the agent's log", told, &r, end) {
			return
		}
	}
}

func (v *view) followBuilds(ctx context.Context) {
	var done uuid.UUID
	for b := range v.builds {
		if b.Done() || b.ID == done || ctx.Err() != nil {
			continue
		}
		done = b.ID
		for line, err := range v.client.FollowBuildLogs(ctx, b.ID, 0) {
			if err != nil {
				if ctx.Err() == nil {
					v.rec.Add(WatchesLost, 1)
					v.rec.Logf("the log of build %s: %v", b.ID, err)
				}
				break
			}
			v.rec.Add(WatchEvents, 1)
			v.event(LogEvent, line.CreatedAt)
		}
	}
}
