package runners

import (
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
