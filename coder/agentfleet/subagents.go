package agentfleet

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/rpc"
)

// subAgentPrefix begins the names of the sub-agents that are made here. Others are
// left alone.
const subAgentPrefix = "sim-"

// makeSubAgents makes the sub-agents of an agent and has the fleet play them.
// Those that an earlier process has made are used again. When the connection is
// lost meanwhile, the next one goes on.
func (a *agent) makeSubAgents(minor int) {
	var err error
	if minor < subAgentsFrom {
		err = &rpc.Refusal{Text: fmt.Sprintf("the deployment takes version 2.%d of the protocol, and sub-agents came with 2.%d (Coder 2.26)", minor, subAgentsFrom)}
	} else {
		err = a.playSubAgents(a.ctx)
	}
	if err == nil || a.ctx.Err() != nil {
		return
	}
	if !refusedCall(err) {
		a.link.end(err)
		return
	}
	err = fmt.Errorf("%s has %d sub-agents, %d more were wanted: %w", a.ref, a.subsMade, a.subs, err)
	a.fleet.counters.note(err)
	a.fleet.noSubs(a.subs, err)
	a.subs = 0
}

func (a *agent) playSubAgents(ctx context.Context) error {
	var list agentpb.ListSubAgentsResponse
	if err := a.call(ctx, listSubAgents, &agentpb.ListSubAgentsRequest{}, &list); err != nil {
		return err
	}
	there := map[string]*agentpb.SubAgent{}
	for _, s := range list.GetAgents() {
		if strings.HasPrefix(s.GetName(), subAgentPrefix) {
			there[s.GetName()] = s
		}
	}
	for a.subs > 0 {
		name := fmt.Sprintf("%s%d", subAgentPrefix, a.subsMade)
		s := there[name]
		if s != nil && len(s.GetAuthToken()) == 0 { // its token can't be had again
			if err := a.call(ctx, deleteSubAgent, &agentpb.DeleteSubAgentRequest{Id: s.GetId()}, &agentpb.DeleteSubAgentResponse{}); err != nil {
				return err
			}
			s = nil
		}
		if s == nil {
			req := &agentpb.CreateSubAgentRequest{Name: name, Directory: "/home/coder", Architecture: "amd64", OperatingSystem: "linux"}
			var out agentpb.CreateSubAgentResponse
			if err := a.call(ctx, createSubAgent, req, &out); err != nil {
				return err
			}
			s = out.GetAgent()
		}
		token, err := uuid.FromBytes(s.GetAuthToken())
		if err != nil {
			return &rpc.Refusal{Text: "the deployment gave sub-agent " + name + " no token"}
		}
		id, _ := uuid.FromBytes(s.GetId()) // its manifest tells it again
		if a.fleet.add(Agent{Workspace: a.ref.Workspace, Name: s.GetName(), ID: id, Token: NewToken(token.String())}, nil, false, a) == nil {
			return ErrClosed
		}
		a.subs--
		a.subsMade++
	}
	return nil
}
