package codertest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

const agentPath = "/api/v2/workspaceagents/me/rpc?version=2.6&role=agent"

// playing is an agent that a test plays.
type playing struct {
	*joined
	id uuid.UUID
}

func play(t testing.TB, s *Server, workspace string) *playing {
	t.Helper()
	token, err := s.AgentToken(workspace)
	require.NoError(t, err)
	return &playing{join(t, s, agentPath, token), agentOf(s, workspace).id}
}

// try makes a call and returns how it ended.
func (p *playing) try(name string, in, out rpc.Message) error {
	return p.Call(p.t.Context(), agentService+name, in, out)
}

func (p *playing) call(name string, in, out rpc.Message) {
	p.t.Helper()
	require.NoError(p.t, p.try(name, in, out))
}

func (p *playing) is(state agentpb.Lifecycle_State) {
	p.t.Helper()
	p.call("UpdateLifecycle", &agentpb.UpdateLifecycleRequest{Lifecycle: &agentpb.Lifecycle{State: state}}, &agentpb.Lifecycle{})
}

// look is the agent as the API shows it.
func look(t testing.TB, s *Server, id uuid.UUID) agentJSON {
	t.Helper()
	var v agentJSON
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaceagents/"+id.String(), "").into(t, http.StatusOK, &v)
	return v
}

func becomes(t testing.TB, s *Server, id uuid.UUID, status string) {
	t.Helper()
	until(t, "the agent is "+status, func() bool { return look(t, s, id).Status == status })
}

func refusedAgent(t testing.TB, s *Server, path, token string) *http.Response {
	t.Helper()
	_, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+path, http.Header{"Coder-Session-Token": {token}})
	require.Error(t, err)
	return resp
}

func buildOf(t testing.TB, s *Server, workspace, transition string) {
	t.Helper()
	s.state.mu.RLock()
	w := s.state.byFullName[workspace]
	s.state.mu.RUnlock()
	a := ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+w.id.String()+"/builds", `{"transition":"`+transition+`"}`)
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
}

func builtAs(t testing.TB, s *Server, workspace, status string) {
	t.Helper()
	until(t, "the workspace is "+status, func() bool {
		s.state.mu.RLock()
		defer s.state.mu.RUnlock()
		return s.state.byFullName[workspace].latest().workspaceStatus() == status
	})
}

func TestOnlyTheTokenOfTheLatestBuildConnectsAnAgent(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1, BuildTime: Fixed(time.Millisecond)})
	for path, want := range map[string]int{agentPath: 401, "/api/v2/workspaceagents/me/gitsshkey": 401} {
		require.Equal(t, want, refusedAgent(t, s, path, uuid.NewString()).StatusCode)
		require.Equal(t, want, refusedAgent(t, s, path, "x").StatusCode)
	}
	token, err := s.AgentToken("admin/scaletest-0")
	require.NoError(t, err)
	ask(t, s, token, "GET", agentPath, "").says(t, 426, "Upgrade")
	ask(t, s, token, "GET", "/api/v2/workspaceagents/me/rpc?version=2.12", "").says(t, 400, "minor version 2.12")
	require.Equal(t, 200, ask(t, s, token, "GET", "/api/v2/workspaceagents/me/gitsshkey", "").status)
	first := play(t, s, "admin/scaletest-0")
	first.is(agentpb.Lifecycle_READY)
	buildOf(t, s, "admin/scaletest-0", "stop")
	<-first.Done() // it does not outlive its workspace
	require.Equal(t, 401, refusedAgent(t, s, agentPath, token).StatusCode)
	_, err = s.AgentToken("admin/scaletest-0")
	require.ErrorContains(t, err, "has no agent")
	builtAs(t, s, "admin/scaletest-0", "stopped")
	buildOf(t, s, "admin/scaletest-0", "start")
	builtAs(t, s, "admin/scaletest-0", "running")
	again, err := s.AgentToken("admin/scaletest-0")
	require.NoError(t, err)
	require.NotEqual(t, token, again)
	_, err = s.AgentToken("admin/none")
	require.Error(t, err)
}

func TestDuringAStopAnAgentMaySayHowItGoesUnlessTheServerIsOld(t *testing.T) {
	for version, old := range map[string]bool{"": false, "v2.26.0": true} {
		s := Start(t, Config{Workspaces: 1, RateLimit: -1, BuildTime: Fixed(time.Hour), Version: version})
		token, err := s.AgentToken("admin/scaletest-0")
		require.NoError(t, err)
		buildOf(t, s, "admin/scaletest-0", "stop")
		status := ask(t, s, token, "GET", "/api/v2/workspaceagents/me/gitsshkey", "").status
		require.Equal(t, map[bool]int{false: 200, true: 401}[old], status)
	}
}

func TestAnExternalAgentIsWhatItsConnectionSays(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1})
	id := agentOf(s, "admin/scaletest-0").id
	v := look(t, s, id)
	require.Equal(t, "connecting", v.Status)
	require.Equal(t, "created", v.LifecycleState)
	require.False(t, v.Health.Healthy)
	require.Nil(t, v.FirstConnectedAt)
	require.Zero(t, s.Stats().AgentsConnected)
	p := play(t, s, "admin/scaletest-0")
	becomes(t, s, id, "connected")
	require.Equal(t, 1, s.Stats().AgentsConnected)
	p.call("UpdateStartup", &agentpb.UpdateStartupRequest{Startup: &agentpb.Startup{
		Version: "v9", ExpandedDirectory: "/x", Subsystems: []agentpb.Startup_Subsystem{agentpb.Startup_ENVBOX}}}, &agentpb.Startup{})
	p.is(agentpb.Lifecycle_STARTING)
	v = look(t, s, id)
	require.NotNil(t, v.StartedAt)
	require.Nil(t, v.ReadyAt)
	p.is(agentpb.Lifecycle_READY)
	v = look(t, s, id)
	require.Equal(t, "ready", v.LifecycleState)
	require.NotNil(t, v.ReadyAt)
	require.Equal(t, []any{"v9", "/x", "2.6", []string{"envbox"}}, []any{v.Version, v.ExpandedDirectory, v.APIVersion, v.Subsystems})
	require.True(t, v.Health.Healthy)
	for state, why := range map[agentpb.Lifecycle_State]string{agentpb.Lifecycle_START_ERROR: "exited with an error", agentpb.Lifecycle_SHUTTING_DOWN: "shutting down"} {
		p.is(state)
		require.Contains(t, look(t, s, id).Health.Reason, why)
	}
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	<-p.Done()
	becomes(t, s, id, "disconnected")
	v = look(t, s, id)
	require.NotNil(t, v.DisconnectedAt)
	require.Contains(t, v.Health.Reason, "lost connection")
	play(t, s, "admin/scaletest-0")
	becomes(t, s, id, "connected")
	require.ErrorContains(t, s.FreezeAgent("admin/scaletest-0"), "not played here")
}

func TestTheLastConnectionOfAnAgentCounts(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1})
	id := agentOf(s, "admin/scaletest-0").id
	first := play(t, s, "admin/scaletest-0")
	becomes(t, s, id, "connected")
	second := play(t, s, "admin/scaletest-0")
	second.is(agentpb.Lifecycle_READY)
	first.is(agentpb.Lifecycle_STARTING) // it is still heard
	_ = second.Close()
	becomes(t, s, id, "disconnected")
	token, err := s.AgentToken("admin/scaletest-0")
	require.NoError(t, err)
	watcher := join(t, s, "/api/v2/workspaceagents/me/rpc?version=2.0&role=logs", token)
	require.NoError(t, watcher.Call(t.Context(), agentService+"GetManifest", &agentpb.GetManifestRequest{}, &agentpb.Manifest{}))
	require.Equal(t, "disconnected", look(t, s, id).Status)
}

func TestAnAgentThatGivesNoSignOfLifeIsDropped(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1, PingInterval: 20 * time.Millisecond})
	id := agentOf(s, "admin/scaletest-0").id
	lives := play(t, s, "admin/scaletest-0")
	becomes(t, s, id, "connected")
	since := *look(t, s, id).LastConnectedAt
	until(t, "it answers pings", func() bool { return look(t, s, id).LastConnectedAt.After(since) })
	_ = lives.Close()
	becomes(t, s, id, "disconnected")
	token, err := s.AgentToken("admin/scaletest-0")
	require.NoError(t, err)
	mute, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+agentPath, http.Header{"Coder-Session-Token": {token}})
	require.NoError(t, err)
	defer mute.Close()
	for err == nil { // it reads, and answers nothing
		_, _, err = mute.ReadMessage()
	}
	becomes(t, s, id, "disconnected")
}

func TestAPlayedAgentIsTakenOverByWhoHasItsToken(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	id := agentOf(s, "admin/scaletest-0").id
	require.Equal(t, "connected", look(t, s, id).Status)
	app := mustOpenApp(t, s, "wsec")
	p := play(t, s, "admin/scaletest-0")
	ends(t, app)
	p.is(agentpb.Lifecycle_STARTING)
	require.Equal(t, "starting", look(t, s, id).LifecycleState)
	_ = p.Close()
	becomes(t, s, id, "disconnected")
}

func TestAnAgentIsToldWhoItIs(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1, RelayRegions: 1})
	p := play(t, s, "admin/scaletest-0")
	var m agentpb.Manifest
	p.call("GetManifest", &agentpb.GetManifestRequest{}, &m)
	require.Equal(t, p.id[:], m.AgentId)
	require.Equal(t, []string{"admin", "scaletest-0", "main"}, []string{m.OwnerUsername, m.WorkspaceName, m.AgentName})
	require.Len(t, m.DerpMap.Regions, 2)
	require.Len(t, m.Apps, 3)
	require.Equal(t, agentpb.WorkspaceApp_AUTHENTICATED, m.Apps[0].SharingLevel)
	require.Len(t, m.Metadata, 1)
	require.Equal(t, time.Duration(5), m.Metadata[0].Interval.AsDuration(), "seconds where nanoseconds belong")
	require.Nil(t, m.ParentId)
	for _, empty := range []string{"GetServiceBanner", "GetAnnouncementBanners", "ReportConnection", "ScriptCompleted"} {
		p.call(empty, &agentpb.GetManifestRequest{}, &agentpb.GetManifestRequest{})
	}
	require.ErrorContains(t, p.try("Nonsense", &agentpb.GetManifestRequest{}, &agentpb.Manifest{}), "unknown rpc")
	require.ErrorContains(t, p.try("UpdateStartup", &agentpb.UpdateStartupRequest{}, &agentpb.Startup{}), "there is none")
	for _, n := range []agentpb.Startup_Subsystem{0, 99} {
		bad := &agentpb.Startup{Subsystems: []agentpb.Startup_Subsystem{n}}
		require.ErrorContains(t, p.try("UpdateStartup", &agentpb.UpdateStartupRequest{Startup: bad}, &agentpb.Startup{}), "no subsystem")
	}
	for _, n := range []agentpb.Lifecycle_State{0, 99} {
		bad := &agentpb.Lifecycle{State: n}
		require.ErrorContains(t, p.try("UpdateLifecycle", &agentpb.UpdateLifecycleRequest{Lifecycle: bad}, &agentpb.Lifecycle{}), "no state")
	}
}

func TestAnAgentJoinsTheTailnetAsItself(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1})
	p := play(t, s, "admin/scaletest-0")
	p.coordinate()
	client := join(t, s, "/api/v2/tailnet", s.OwnerToken())
	client.coordinate()
	own := p.id
	copy(own[:], []byte{0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0})
	address := netipOf(own) + "/128"
	named := func(addresses ...string) *tailnetpb.CoordinateRequest {
		return &tailnetpb.CoordinateRequest{UpdateSelf: &tailnetpb.CoordinateRequest_UpdateSelf{
			Node: &tailnetpb.Node{Id: 1, Addresses: addresses, AllowedIps: addresses}}}
	}
	client.tells(named("fd7a:115c:a1e0::1/128"))
	client.tells(tunnelTo(p.id))
	up := p.hears(tailnetpb.CoordinateResponse_PeerUpdate_NODE)
	p.tells(named(address))
	require.Equal(t, []string{address}, client.hears(tailnetpb.CoordinateResponse_PeerUpdate_NODE).Node.Addresses)
	p.tells(&tailnetpb.CoordinateRequest{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: up.Id}}})
	require.Equal(t, p.id[:], client.hears(tailnetpb.CoordinateResponse_PeerUpdate_READY_FOR_HANDSHAKE).Id)
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	client.hears(tailnetpb.CoordinateResponse_PeerUpdate_LOST)
	back := play(t, s, "admin/scaletest-0")
	back.coordinate()
	require.Equal(t, up.Id, back.hears(tailnetpb.CoordinateResponse_PeerUpdate_NODE).Id)
	back.tells(named("fd7a:115c:a1e0::1/128"))
	back.isRefused("is not that of agent")
	maps, err := back.Stream(context.Background(), tailnetService+"StreamDERPMaps")
	require.NoError(t, err)
	defer maps.Close()
	require.NoError(t, maps.Send(&tailnetpb.StreamDERPMapsRequest{}))
	require.NoError(t, maps.Recv(&tailnetpb.DERPMap{}))
}
