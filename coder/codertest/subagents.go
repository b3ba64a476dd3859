package codertest

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

// createSubAgent adds an agent to the workspace, whose token only its parent is
// told.
func createSubAgent(x *agentSession, in *agentpb.CreateSubAgentRequest) (*agentpb.CreateSubAgentResponse, error) {
	b := x.agent.build
	if !validName(in.Name) {
		return nil, fmt.Errorf("create a sub-agent: %q is no name of an agent", in.Name)
	}
	for a := range b.agents() {
		if a.name() == in.Name {
			return nil, fmt.Errorf("create a sub-agent: the workspace has an agent named %q", in.Name)
		}
	}
	st := x.s.state
	a := &agent{
		id: st.newID(), resourceID: b.resourceID, sourceID: st.newID(), script: st.newID(), build: b, created: now(),
		sub: &subAgent{x.agent, in.Name, in.Directory, in.Architecture, in.OperatingSystem},
	}
	a.updated = a.created
	a.wait()
	st.addAgent(a)
	b.subAgents = append(b.subAgents, a)
	x.changed()
	return &agentpb.CreateSubAgentResponse{Agent: &agentpb.SubAgent{Name: in.Name, Id: a.id[:], AuthToken: a.token[:]}}, nil
}

// children are the sub-agents that the agent has made.
func (x *agentSession) children() []*agent {
	return slices.DeleteFunc(slices.Clone(x.agent.build.subAgents), func(a *agent) bool { return a.sub.parent != x.agent })
}

func listSubAgents(x *agentSession, _ *agentpb.ListSubAgentsRequest) (*agentpb.ListSubAgentsResponse, error) {
	out := &agentpb.ListSubAgentsResponse{}
	for _, a := range x.children() {
		out.Agents = append(out.Agents, &agentpb.SubAgent{Name: a.name(), Id: a.id[:], AuthToken: a.token[:]})
	}
	return out, nil
}

func deleteSubAgent(x *agentSession, in *agentpb.DeleteSubAgentRequest) (*agentpb.DeleteSubAgentResponse, error) {
	id, err := uuid.FromBytes(in.Id)
	if err != nil {
		return nil, fmt.Errorf("delete a sub-agent: %w", err)
	}
	for _, a := range x.children() {
		if a.id == id {
			x.s.endAgent(a)
			st, b := x.s.state, a.build
			delete(st.agents, a.id)
			delete(st.agentsByToken, a.token)
			b.subAgents = slices.DeleteFunc(b.subAgents, func(o *agent) bool { return o == a })
			x.changed()
			return &agentpb.DeleteSubAgentResponse{}, nil
		}
	}
	return nil, fmt.Errorf("delete sub-agent %s: the agent has made no such agent", id)
}
