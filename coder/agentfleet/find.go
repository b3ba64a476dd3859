package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// TokenKey is the key of the resource metadata in which templates show the token
// of an agent.
const TokenKey = "agent_token"

// statesAtATime is how many build states are read together.
const statesAtATime = 8

// FindAgents finds the agents of workspaces that run, with their tokens: in the
// resources' metadata ([TokenKey]), where the template shows them, or else in the
// state of the latest build, for which the client's user needs the right to update
// the template. Sub-agents are left out.
//
// What it returns with an error are the agents that it found. The error says how
// many workspaces have none, and of the first of them what is missing.
func FindAgents(ctx context.Context, client *coder.Client, workspaces []coder.Workspace) ([]Agent, error) {
	found := make([][]Agent, len(workspaces))
	errs := make([]error, len(workspaces))
	var hidden []int
	for i, w := range workspaces {
		found[i], errs[i] = shown(w)
		if errs[i] == nil && !complete(found[i]) {
			hidden = append(hidden, i)
		}
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(statesAtATime, len(hidden)) {
		wg.Go(func() {
			for i := range next {
				found[i], errs[i] = fromState(ctx, client, workspaces[i], found[i])
			}
		})
	}
	for _, i := range hidden {
		next <- i
	}
	close(next)
	wg.Wait()

	var all []Agent
	var first error
	failed := 0
	for i := range workspaces {
		if errs[i] != nil {
			failed++
			if first == nil {
				first = errs[i]
			}
			continue
		}
		all = append(all, found[i]...)
	}
	switch {
	case failed == 1:
		return all, first
	case failed > 1:
		return all, fmt.Errorf("%d of %d workspaces have no agent that can be played, for example: %w", failed, len(workspaces), first)
	}
	return all, nil
}

func complete(agents []Agent) bool {
	for _, a := range agents {
		if a.Token.IsZero() {
			return false
		}
	}
	return true
}

// shown are the agents of a workspace, with the tokens that are shown.
func shown(w coder.Workspace) ([]Agent, error) {
	b := w.LatestBuild
	if b.Transition != coder.TransitionStart || b.Job.Status != coder.JobSucceeded {
		return nil, fmt.Errorf("workspace %s is %s, and only agents of one that runs can be played: start it", w.FullName(), b.Status)
	}
	var list []Agent
	for _, r := range b.Resources {
		for _, a := range r.Agents {
			if a.ParentID != uuid.Nil {
				continue
			}
			agent := Agent{Workspace: w.FullName(), Name: a.Name, ID: a.ID}
			for _, m := range r.Metadata {
				if m.Value != "" && (m.Key == TokenKey || m.Key == TokenKey+"_"+a.Name) {
					agent.Token = NewToken(m.Value)
				}
			}
			list = append(list, agent)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("workspace %s has no agent: in its template %s no resource depends on a coder_agent, and Coder stores none then", w.FullName(), w.TemplateName)
	}
	return list, nil
}

// fromState adds the tokens that the state of the build has.
func fromState(ctx context.Context, client *coder.Client, w coder.Workspace, agents []Agent) ([]Agent, error) {
	state, err := client.BuildState(ctx, w.LatestBuild.ID)
	switch {
	case coder.IsNotFound(err), coder.IsForbidden(err):
		return nil, fmt.Errorf("workspace %s: its template %s does not show the token (resource metadata %q), and the build's state, where it is too, needs the right to update the template: use a token of a template admin or an owner, or a template that shows it, as that of the pool does: %w",
			w.FullName(), w.TemplateName, TokenKey, err)
	case err != nil:
		return nil, fmt.Errorf("workspace %s: %w", w.FullName(), err)
	}
	tokens, err := stateTokens(state)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", w.FullName(), err)
	}
	for i := range agents {
		if agents[i].Token.IsZero() {
			agents[i].Token = tokens[agents[i].ID]
		}
		if agents[i].Token.IsZero() {
			return nil, fmt.Errorf("workspace %s: the state of its build has no token of agent %s", w.FullName(), agents[i].Name)
		}
	}
	return agents, nil
}

// errState says nothing of what is in the state: that has secrets.
var errState = errors.New("the state of the build is not Terraform's")
