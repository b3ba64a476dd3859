package agentfleet

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

// subAgentPrefix begins the names of the sub-agents that are made here. Others are
// left alone.
const subAgentPrefix = "sim-"

// makeSubAgents makes the sub-agents of an agent and has the fleet play them.
// Those that an earlier process has made are used again.
func (a *agent) makeSubAgents(minor int) {
	want := a.subs
	made, err := 0, error(nil)
	if minor < subAgentsFrom {
		err = fmt.Errorf("the deployment takes version 2.%d of the protocol, and sub-agents came with 2.%d (Coder 2.26)", minor, subAgentsFrom)
	} else {
		made, err = a.playSubAgents(a.ctx, want)
	}
	a.subs = 0
	if made < want && a.ctx.Err() == nil {
		err = fmt.Errorf("%s has %d of %d sub-agents: %w", a.ref, made, want, err)
		a.fleet.counters.note(err)
		a.fleet.noSubs(want-made, err)
	}
}

func (a *agent) playSubAgents(ctx context.Context, want int) (made int, err error) {
	var list agentpb.ListSubAgentsResponse
	if err := a.call(ctx, listSubAgents, &agentpb.ListSubAgentsRequest{}, &list); err != nil {
		return 0, err
	}
	there := map[string]*agentpb.SubAgent{}
	for _, s := range list.GetAgents() {
		if strings.HasPrefix(s.GetName(), subAgentPrefix) {
			there[s.GetName()] = s
		}
	}
	for ; made < want; made++ {
		name := fmt.Sprintf("%s%d", subAgentPrefix, made)
		s := there[name]
		if s != nil && len(s.GetAuthToken()) == 0 { // its token can't be had again
			if err := a.call(ctx, deleteSubAgent, &agentpb.DeleteSubAgentRequest{Id: s.GetId()}, &agentpb.DeleteSubAgentResponse{}); err != nil {
				return made, err
			}
			s = nil
		}
		if s == nil {
			req := &agentpb.CreateSubAgentRequest{Name: name, Directory: "/home/coder", Architecture: "amd64", OperatingSystem: "linux"}
			var out agentpb.CreateSubAgentResponse
			if err := a.call(ctx, createSubAgent, req, &out); err != nil {
				return made, err
			}
			s = out.GetAgent()
		}
		token, err := uuid.FromBytes(s.GetAuthToken())
		if err != nil {
			return made, fmt.Errorf("the deployment gave sub-agent %s no token", name)
		}
		id, _ := uuid.FromBytes(s.GetId()) // its manifest tells it again
		if a.fleet.add(Agent{Workspace: a.ref.Workspace, Name: s.GetName(), ID: id, Token: NewToken(token.String())}, nil, false, a) == nil {
			return made, ErrClosed
		}
	}
	return made, nil
}
