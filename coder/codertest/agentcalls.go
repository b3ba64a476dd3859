package codertest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/rpc"
)

const agentService = "/coder.agent.v2.Agent/"

// agentCall answers one of an agent's calls.
type agentCall func(*agentSession, *rpc.Stream) error

// unary is a call with one request, which is answered with the state's lock held.
func unary[T any, In messageOf[T], Out rpc.Message](f func(*agentSession, In) (Out, error)) agentCall {
	return func(x *agentSession, st *rpc.Stream) error {
		return reply(st, func(in In) (Out, error) {
			x.s.state.mu.Lock()
			defer x.s.state.mu.Unlock()
			return f(x, in)
		})
	}
}

var agentCalls = func() map[string]agentCall {
	calls := map[string]agentCall{
		"GetManifest":           unary(getManifest),
		"UpdateStartup":         unary(updateStartup),
		"UpdateLifecycle":       unary(updateLifecycle),
		"UpdateStats":           unary(updateStats),
		"BatchUpdateMetadata":   unary(updateMetadata),
		"BatchUpdateAppHealths": unary(updateAppHealths),
		"BatchCreateLogs":       unary(createLogs),
		"CreateSubAgent":        unary(createSubAgent),
		"ListSubAgents":         unary(listSubAgents),
		"DeleteSubAgent":        unary(deleteSubAgent),
	}
	// What is asked for and what is told here is nothing.
	for _, name := range []string{
		"GetServiceBanner", "GetAnnouncementBanners", "ScriptCompleted", "ReportConnection",
		"GetResourcesMonitoringConfiguration", "PushResourcesMonitoringUsage",
	} {
		calls[name] = unary(func(*agentSession, *emptypb.Empty) (*emptypb.Empty, error) { return &emptypb.Empty{}, nil })
	}
	out := map[string]agentCall{}
	for name, call := range calls {
		out[agentService+name] = call
	}
	return out
}()

// changed tells who watches the workspace.
func (x *agentSession) changed() { x.agent.build.workspace.changed.fire() }

func getManifest(x *agentSession, _ *agentpb.GetManifestRequest) (*agentpb.Manifest, error) {
	a := x.agent
	w := a.build.workspace
	m := &agentpb.Manifest{
		AgentId: a.id[:], AgentName: a.name(), WorkspaceId: w.id[:], WorkspaceName: w.name, OwnerUsername: w.owner.username,
		EnvironmentVariables: map[string]string{}, Directory: a.directory(), DisableDirectConnections: true,
		DerpMap: x.s.derpMapMessage(),
	}
	if a.sub != nil {
		m.ParentId = a.sub.parent.id[:]
	}
	for i, app := range x.s.appViews(a) {
		m.Apps = append(m.Apps, &agentpb.WorkspaceApp{
			Id: app.ID[:], Url: app.URL, Slug: app.Slug, DisplayName: app.DisplayName, Subdomain: app.Subdomain,
			SubdomainName: app.SubdomainName, SharingLevel: sharingNumbers[w.template.apps[i].Sharing],
			Health: healthNumber(app.Health),
		})
	}
	for _, d := range a.declared() {
		m.Metadata = append(m.Metadata, &agentpb.WorkspaceAgentMetadata_Description{
			DisplayName: d.DisplayName, Key: d.Key, Script: d.Script,
			// Seconds where nanoseconds belong, as the server has it.
			Interval: durationpb.New(time.Duration(d.Interval)), Timeout: durationpb.New(time.Duration(d.Timeout)),
		})
	}
	return m, nil
}

var sharingNumbers = map[string]agentpb.WorkspaceApp_SharingLevel{
	"owner": agentpb.WorkspaceApp_OWNER, "authenticated": agentpb.WorkspaceApp_AUTHENTICATED,
	"public": agentpb.WorkspaceApp_PUBLIC, "organization": agentpb.WorkspaceApp_ORGANIZATION,
}

func updateStartup(x *agentSession, in *agentpb.UpdateStartupRequest) (*agentpb.Startup, error) {
	if in.Startup == nil {
		return nil, errors.New("update startup: there is none")
	}
	l := x.agent.live
	l.version, l.directory, l.subsystems = in.Startup.Version, in.Startup.ExpandedDirectory, nil
	for _, n := range in.Startup.Subsystems {
		name := strings.ToLower(n.String())
		if n == agentpb.Startup_SUBSYSTEM_UNSPECIFIED || agentpb.Startup_Subsystem_name[int32(n)] == "" {
			return nil, fmt.Errorf("update startup: there is no subsystem %d", n)
		}
		l.subsystems = append(l.subsystems, name)
	}
	x.changed()
	return in.Startup, nil
}

func updateLifecycle(x *agentSession, in *agentpb.UpdateLifecycleRequest) (*agentpb.Lifecycle, error) {
	state := in.GetLifecycle().GetState()
	name := strings.ToLower(agentpb.Lifecycle_State_name[int32(state)])
	if state == agentpb.Lifecycle_STATE_UNSPECIFIED || name == "" {
		return nil, fmt.Errorf("update the lifecycle: there is no state %d", state)
	}
	at := now()
	if in.Lifecycle.ChangedAt.IsValid() {
		at = in.Lifecycle.ChangedAt.AsTime().Truncate(time.Microsecond)
	}
	a := x.agent
	switch state {
	case agentpb.Lifecycle_STARTING:
		a.live.started, a.ready = &at, nil
	case agentpb.Lifecycle_READY, agentpb.Lifecycle_START_ERROR:
		if a.live.started == nil {
			a.live.started = &at
		}
		a.ready = &at
	}
	a.live.lifecycle = name
	x.changed()
	return in.Lifecycle, nil
}

// updateStats takes what an agent has seen of its connections. One without any is
// a question for how often to report.
func updateStats(x *agentSession, in *agentpb.UpdateStatsRequest) (*agentpb.UpdateStatsResponse, error) {
	x.s.stats.statsCalls.Add(1)
	if in.GetStats().GetConnectionCount() > 0 {
		b := x.agent.build
		t := now()
		b.workspace.lastUsed = t
		if bump := time.Duration(b.workspace.template.bumpMillis) * time.Millisecond; b.deadline != nil && b.deadline.Before(t.Add(bump)) {
			later := t.Add(bump)
			b.deadline = &later
		}
		x.changed()
	}
	return &agentpb.UpdateStatsResponse{ReportInterval: durationpb.New(x.s.cfg.StatsInterval)}, nil
}

func healthNumber(name string) agentpb.WorkspaceApp_Health {
	return agentpb.WorkspaceApp_Health(agentpb.WorkspaceApp_Health_value[strings.ToUpper(name)])
}

func updateAppHealths(x *agentSession, in *agentpb.BatchUpdateAppHealthsRequest) (*agentpb.BatchUpdateAppHealthsResponse, error) {
	known := map[uuid.UUID]bool{}
	for _, app := range x.s.appViews(x.agent) {
		known[app.ID] = true
	}
	news := map[uuid.UUID]string{}
	for _, u := range in.Updates {
		id, err := uuid.FromBytes(u.Id)
		switch {
		case err != nil:
			return nil, fmt.Errorf("update the health of an app: %w", err)
		case !known[id]:
			return nil, fmt.Errorf("update the health of app %s: the agent has no such app", id)
		case u.Health == agentpb.WorkspaceApp_HEALTH_UNSPECIFIED || agentpb.WorkspaceApp_Health_name[int32(u.Health)] == "":
			return nil, fmt.Errorf("update the health of app %s: there is no health %d", id, u.Health)
		}
		news[id] = strings.ToLower(u.Health.String())
	}
	l := x.agent.live
	if l.health == nil {
		l.health = map[uuid.UUID]string{}
	}
	for id, health := range news {
		l.health[id] = health
	}
	if len(news) > 0 {
		x.changed()
	}
	return &agentpb.BatchUpdateAppHealthsResponse{}, nil
}
