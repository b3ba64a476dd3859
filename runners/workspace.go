package runners

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// Workspace is a workspace that runners make traffic to.
type Workspace struct {
	// Client is used to reach it. Runners make isolated clients from it, so
	// that each simulated user has connections of its own.
	Client *coder.Client

	// Name is the owner's and the workspace's, as in "alice/dev".
	Name string

	// ID is the workspace's.
	ID uuid.UUID

	// Agent is the agent to talk to.
	Agent coder.Agent
}

// Validate reports what is missing.
func (w Workspace) Validate() error {
	var errs []error
	if w.Client == nil {
		errs = append(errs, errors.New("there is no client"))
	}
	if w.Agent.ID == uuid.Nil {
		errs = append(errs, errors.New("it has no agent: is it running?"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("workspace %s: %w", w.Name, err)
	}
	return nil
}

// pick returns the workspace of a user. There must be one for each, unless they
// share.
func pick(workspaces []Workspace, user int, share bool) (*Workspace, error) {
	if len(workspaces) == 0 {
		return nil, errors.New("there are no workspaces")
	}
	if share {
		user %= len(workspaces)
	}
	if user >= len(workspaces) {
		return nil, fmt.Errorf("there are only %d workspaces: give the schedule fewer users, or set Share to let users share workspaces", len(workspaces))
	}
	return &workspaces[user], workspaces[user].Validate()
}

// present is the workspace with the agent that it has now: each start brings
// another one. It is for whoever has lost the one before. Where the deployment
// can't be asked it is the workspace as it was.
func (w Workspace) present(ctx context.Context) (Workspace, error) {
	if w.Client == nil || !w.Client.HasToken() || w.ID == uuid.Nil {
		return w, nil
	}
	now, err := w.Client.Workspace(ctx, w.ID)
	switch {
	case coder.IsGone(err) || coder.IsNotFound(err):
		return w, err
	case err != nil:
		return w, nil
	case now.LatestBuild.Transition != coder.TransitionStart:
		return w, fmt.Errorf("workspace %s is %s", w.Name, now.LatestBuild.Status)
	}
	named := -1
	agents := now.Agents()
	for i, a := range agents {
		if a.ID == w.Agent.ID {
			return w, nil
		}
		if a.Name == w.Agent.Name {
			named = i
		}
	}
	if named < 0 {
		return w, fmt.Errorf("workspace %s is %s, and has no agent %q yet", w.Name, now.LatestBuild.Status, w.Agent.Name)
	}
	w.Agent = agents[named]
	return w, nil
}
