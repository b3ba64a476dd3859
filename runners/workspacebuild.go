package runners

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// build waits for the first build of a workspace, and builds again after a
// failure.
func (r *createWorkspace) build(ctx context.Context, rec *harness.Recorder, c *coder.Client, w coder.Workspace) (coder.Workspace, error) {
	id := w.LatestBuild.ID
	for attempt := 0; ; attempt++ {
		ready, err := r.await(ctx, rec, c, w.ID, id)
		if err == nil {
			return ready, nil
		}
		rec.Logf("attempt %d: %v", attempt+1, err)
		if attempt >= r.cfg.Retries || ctx.Err() != nil {
			return w, err
		}
		rec.Add(BuildRetries, 1)
		b, again := c.CreateBuild(ctx, w.ID, coder.CreateBuildRequest{Transition: coder.TransitionStart, Parameters: r.cfg.Parameters})
		if again != nil {
			return w, fmt.Errorf("%w; build it again: %w", err, again)
		}
		id = b.ID
	}
}

// await waits for a build and then for the agents.
func (r *createWorkspace) await(ctx context.Context, rec *harness.Recorder, c *coder.Client, workspace, build uuid.UUID) (coder.Workspace, error) {
	b, err := awaitBuild(ctx, rec, c, build, r.cfg.BuildTimeout)
	if err != nil {
		return coder.Workspace{}, err
	}
	if r.cfg.NoWaitForAgents {
		return c.Workspace(ctx, workspace)
	}
	return awaitAgents(ctx, rec, c, workspace, b, r.cfg.AgentTimeout)
}

// awaitBuild waits for a build and records how it went. The log of one that
// failed is kept with the user's.
func awaitBuild(ctx context.Context, rec *harness.Recorder, c *coder.Client, id uuid.UUID, limit time.Duration) (coder.Build, error) {
	b, err := within(ctx, limit, "the build", func(ctx context.Context) (coder.Build, error) { return c.WaitBuild(ctx, id) })
	if !b.Job.StartedAt.IsZero() {
		rec.Record(BuildQueue, b.Job.QueueTime(), b.Job.QueueTime(), nil)
	}
	rec.Record(BuildRun, b.Job.RunTime(), b.Job.RunTime(), err)
	if _, failed := errors.AsType[*coder.JobError](err); failed {
		keepBuildLog(ctx, rec, c, id)
	}
	rec.Pause() // what was waited for has a metric of its own
	return b, err
}

// awaitAgents waits until the agents of a build are ready.
func awaitAgents(ctx context.Context, rec *harness.Recorder, c *coder.Client, workspace uuid.UUID, b coder.Build, limit time.Duration) (coder.Workspace, error) {
	w, err := within(ctx, limit, "the agents", func(ctx context.Context) (coder.Workspace, error) { return c.WaitAgents(ctx, workspace) })
	if err != nil {
		rec.Record(AgentReady, 0, 0, err)
		return w, err
	}
	rec.Pause()
	for _, a := range w.Agents() {
		if a.ParentID != uuid.Nil || a.FirstConnectedAt.IsZero() {
			continue
		}
		way := max(a.FirstConnectedAt.Sub(b.Job.CompletedAt), 0)
		rec.Record(AgentConnect, way, way, nil)
		if !a.ReadyAt.IsZero() {
			scripts := max(a.ReadyAt.Sub(a.FirstConnectedAt), 0)
			rec.Record(AgentReady, scripts, scripts, nil)
		}
	}
	return w, nil
}

// within bounds f. 0 is no limit.
func within[T any](ctx context.Context, limit time.Duration, what string, f func(context.Context) (T, error)) (T, error) {
	if limit <= 0 {
		return f(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := f(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s took longer than the %v that it may take: %w", what, limit, err)
	}
	return v, err
}

// keepBuildLog copies a build's log into the user's.
func keepBuildLog(ctx context.Context, rec *harness.Recorder, c *coder.Client, id uuid.UUID) {
	logs, err := c.BuildLogs(ctx, id, 0)
	if err != nil {
		rec.Logf("the log of build %s can't be read: %v", id, err)
		return
	}
	for _, l := range logs {
		rec.Logf("%s: %s", l.Stage, l.Output)
	}
}
