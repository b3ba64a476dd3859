package coder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// firstPoll is the pause before the second look. It grows to PollInterval.
const firstPoll = 100 * time.Millisecond

// poll looks until look says that it is done. It follows the state itself,
// because no stream of the server can be relied on to end.
func poll[T any](ctx context.Context, c *Client, look func(context.Context) (T, bool, error)) (T, error) {
	pause := min(firstPoll, c.shared.pollInterval)
	for {
		value, done, err := look(ctx)
		if done || err != nil {
			return value, err
		}
		if err := sleep(ctx, pause); err != nil {
			return value, err
		}
		pause = min(pause*2, c.shared.pollInterval)
	}
}

// WaitBuild waits until a build has ended and returns it. A build without
// success is a *[JobError]. The times in Build.Job are the server's and more
// exact than the return of WaitBuild, which looks every Config.PollInterval.
//
// GET /api/v2/workspacebuilds/{build}, repeatedly
func (c *Client) WaitBuild(ctx context.Context, id uuid.UUID) (Build, error) {
	action := "wait for build " + id.String()
	b, err := poll(ctx, c, func(ctx context.Context) (Build, bool, error) {
		b, err := c.Build(ctx, id)
		if err == nil && b.Done() && b.Job.Status != JobSucceeded {
			err = &JobError{Action: b.Transition + " workspace " + b.WorkspaceOwnerName + "/" + b.WorkspaceName, Job: b.Job}
		}
		return b, b.Done(), err
	})
	if err != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%s: still %s after %v: %w", action, orUnknown(b.Job.Status), age(b.CreatedAt), err)
		if m := b.MatchedProvisioners; m != nil && b.Job.Status == JobPending && m.Count == 0 {
			err = fmt.Errorf("%w; no provisioner daemon has its tags", err)
		}
	}
	return b, err
}

// WaitAgents waits until all agents of a workspace's latest build are
// connected and their startup scripts have ended, and returns the workspace.
// A build that fails is a *[JobError].
//
// GET /api/v2/workspaces/{workspace}, repeatedly
func (c *Client) WaitAgents(ctx context.Context, workspace uuid.UUID) (Workspace, error) {
	w, err := poll(ctx, c, func(ctx context.Context) (Workspace, bool, error) {
		w, err := c.Workspace(ctx, workspace)
		if err != nil {
			return w, false, err
		}
		b := w.LatestBuild
		if b.Done() && b.Job.Status != JobSucceeded {
			return w, false, &JobError{Action: b.Transition + " workspace " + w.FullName(), Job: b.Job}
		}
		if b.Done() && b.Transition != TransitionStart {
			return w, false, fmt.Errorf("wait for the agents of %s: the workspace is %s", w.FullName(), b.Status)
		}
		ready := b.Done()
		for _, a := range w.Agents() {
			ready = ready && a.Ready()
		}
		return w, ready, nil
	})
	if err != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("wait for the agents of workspace %s: %s: %w", workspace, agentStates(w), err)
	}
	return w, err
}

func agentStates(w Workspace) string {
	for _, a := range w.Agents() {
		if !a.Ready() {
			return fmt.Sprintf("agent %s is %s and %s", a.Name, orUnknown(a.Status), orUnknown(a.LifecycleState))
		}
	}
	return "its build is " + orUnknown(w.LatestBuild.Status)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return printable(s, 40)
}

func age(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(time.Since(t), 0).Round(time.Second)
}
