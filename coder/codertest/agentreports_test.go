package codertest

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

func netipOf(id uuid.UUID) string { return netip.AddrFrom16(id).String() }

// external uploads a template without a machine, and makes a workspace of it.
func externalWorkspace(t testing.TB, s *Server, source, name string) string {
	t.Helper()
	var v versionJSON
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/organizations/default/templateversions",
		`{"storage_method":"file","provisioner":"terraform","file_id":"`+uploadTar(t, s, tarOf(t, source))+`"}`).into(t, http.StatusCreated, &v)
	until(t, "the import is done", func() bool {
		ask(t, s, s.OwnerToken(), "GET", "/api/v2/templateversions/"+v.ID.String(), "").into(t, http.StatusOK, &v)
		return v.Job.Status == "succeeded"
	})
	var tpl templateJSON
	ask(t, s, s.OwnerToken(), "POST", templatePath, `{"name":"`+name+`","template_version_id":"`+v.ID.String()+`"}`).into(t, http.StatusCreated, &tpl)
	a := ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"name":"`+name+`","template_id":"`+tpl.ID.String()+`"}`)
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	builtAs(t, s, "admin/"+name, "running")
	return "admin/" + name
}

func TestATemplateThatShowsItsTokenHasExternalAgents(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(time.Millisecond), Users: 1})
	for source, items := range map[string]int{
		`resource "x" { key = "agent_token" }`:                                      16,
		"key = \"agent_token\"\n dynamic \"metadata\" {\n for_each = range( 3 )\n}": 3,
	} {
		name := "ext-" + itoa(items)
		workspace := externalWorkspace(t, s, source, name)
		a := agentOf(s, workspace)
		require.Equal(t, "connecting", look(t, s, a.id).Status)
		var b buildJSON
		ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspacebuilds/"+a.build.id.String(), "").into(t, http.StatusOK, &b)
		require.Equal(t, []metadataJSON{{"agent_token", a.token.String(), true}}, b.Resources[0].Metadata)
		var state struct {
			Resources []struct {
				Type      string
				Instances []struct{ Attributes struct{ Token string } }
			}
		}
		at := "/api/v2/workspacebuilds/" + a.build.id.String() + "/state"
		ask(t, s, s.OwnerToken(), "GET", at, "").into(t, http.StatusOK, &state)
		require.Equal(t, "coder_agent", state.Resources[0].Type)
		require.Equal(t, a.token.String(), state.Resources[0].Instances[0].Attributes.Token)
		ask(t, s, memberToken(t, s, "scaletest-user-0"), "GET", at, "").says(t, 404, "")
		p := play(t, s, workspace)
		var m agentpb.Manifest
		p.call("GetManifest", &agentpb.GetManifestRequest{}, &m)
		require.Len(t, m.Metadata, items)
		require.Equal(t, "m00", m.Metadata[0].Key)
		require.Equal(t, time.Duration(1), m.Metadata[0].Interval.AsDuration())
		buildOf(t, s, workspace, "delete")
		<-p.Done()
	}
	played := externalWorkspace(t, s, `resource "coder_agent" "main" {}`, "usual")
	require.Equal(t, "connected", look(t, s, agentOf(s, played).id).Status)
}

func metadataOf(pairs ...string) *agentpb.BatchUpdateMetadataRequest {
	in := &agentpb.BatchUpdateMetadataRequest{}
	for i := 0; i+1 < len(pairs); i += 2 {
		in.Metadata = append(in.Metadata, &agentpb.Metadata{Key: pairs[i], Result: &agentpb.WorkspaceAgentMetadata_Result{Value: pairs[i+1]}})
	}
	return in
}

func (p *playing) reports(pairs ...string) error {
	return p.try("BatchUpdateMetadata", metadataOf(pairs...), &agentpb.BatchUpdateMetadataResponse{})
}

func TestMetadataIsCutAndShownToWhoWatches(t *testing.T) {
	for version, want := range map[string]string{"": "1", "v2.26.0": "1\n"} {
		s := Start(t, Config{Workspaces: 1, RateLimit: -1, MetadataFlush: time.Millisecond, Version: version})
		p := play(t, s, "admin/scaletest-0")
		p.is(agentpb.Lifecycle_READY)
		at := "/api/v2/workspaceagents/" + p.id.String() + "/watch-metadata-ws"
		ws, _, err := openApp(t, s.URL(), at, s.OwnerToken())
		require.NoError(t, err)
		next := func() metadataResultJSON {
			var e struct{ Data []agentMetadataJSON }
			require.NoError(t, ws.ReadJSON(&e))
			require.Len(t, e.Data, 1)
			return e.Data[0].Result
		}
		require.True(t, next().CollectedAt.IsZero())
		require.NoError(t, p.reports("0_cpu_usage", "1\n"))
		require.Equal(t, want, next().Value)
		require.NoError(t, p.reports("0_cpu_usage", strings.Repeat("x", 4096)))
		r := next()
		require.Len(t, r.Value, 2048)
		require.Equal(t, "value of 4096 bytes exceeded 2048 bytes", r.Error)
		require.ErrorContains(t, p.reports("0_cpu_usage", "2", "other", "3"), `does not declare the key "other"`)
		require.ErrorContains(t, p.reports(strings.Repeat("k", 6145), ""), "more than 6144 bytes")
		require.Equal(t, int64(4), s.Stats().MetadataCalls)
	}
}

func TestMetadataIsCollectedUntilABatchIsFull(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(time.Millisecond), MetadataFlush: time.Hour})
	workspace := externalWorkspace(t, s, "agent_token for_each = range(500)", "many")
	p := play(t, s, workspace)
	var pairs []string
	for _, d := range agentOf(s, workspace).declared() {
		pairs = append(pairs, d.Key, "v")
	}
	shown := func() int {
		s.state.mu.RLock()
		defer s.state.mu.RUnlock()
		return len(agentOf(s, workspace).live.metadata)
	}
	require.NoError(t, p.reports(pairs[2:]...))
	require.NoError(t, p.reports(pairs[2:]...)) // the same keys again are no more
	require.Zero(t, shown())
	require.NoError(t, p.reports(pairs[:2]...))
	require.Equal(t, 500, shown())
}

func TestStatisticsWithConnectionsAreActivity(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1, StatsInterval: 7 * time.Second})
	p := play(t, s, "admin/scaletest-0")
	used := func() time.Time {
		s.state.mu.RLock()
		defer s.state.mu.RUnlock()
		return s.state.byFullName["admin/scaletest-0"].lastUsed
	}
	before := used()
	var out agentpb.UpdateStatsResponse
	p.call("UpdateStats", &agentpb.UpdateStatsRequest{}, &out)
	require.Equal(t, 7*time.Second, out.ReportInterval.AsDuration())
	p.call("UpdateStats", &agentpb.UpdateStatsRequest{Stats: &agentpb.Stats{RxBytes: 1}}, &out)
	require.Equal(t, before, used())
	p.call("UpdateStats", &agentpb.UpdateStatsRequest{Stats: &agentpb.Stats{ConnectionCount: 1}}, &out)
	require.True(t, used().After(before))
	require.Equal(t, int64(3), s.Stats().StatsCalls)
}

func TestTheHealthOfAppsIsShown(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	p := play(t, s, "admin/scaletest-0")
	app := agentOf(s, "admin/scaletest-0").appID(0)
	update := func(id []byte, h agentpb.WorkspaceApp_Health) error {
		return p.try("BatchUpdateAppHealths", &agentpb.BatchUpdateAppHealthsRequest{
			Updates: []*agentpb.BatchUpdateAppHealthsRequest_HealthUpdate{{Id: id, Health: h}}}, &agentpb.BatchUpdateAppHealthsResponse{})
	}
	require.NoError(t, update(app[:], agentpb.WorkspaceApp_UNHEALTHY))
	require.Equal(t, "unhealthy", look(t, s, p.id).Apps[0].Health)
	require.Equal(t, "disabled", look(t, s, p.id).Apps[1].Health)
	require.ErrorContains(t, update(p.id[:], agentpb.WorkspaceApp_HEALTHY), "no such app")
	require.ErrorContains(t, update([]byte("x"), agentpb.WorkspaceApp_HEALTHY), "invalid UUID")
	require.ErrorContains(t, update(app[:], 99), "no health 99")
}

func TestTheLogOfAnAgentIsFollowedUntilItIsFull(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	p := play(t, s, "admin/scaletest-0")
	p.is(agentpb.Lifecycle_READY)
	ws, _, err := openApp(t, s.URL(), "/api/v2/workspaceagents/"+p.id.String()+"/logs?follow=true", s.OwnerToken())
	require.NoError(t, err)
	next := func() []agentLogJSON {
		var lines []agentLogJSON
		for len(lines) == 0 {
			require.NoError(t, ws.ReadJSON(&lines))
		}
		return lines
	}
	write := func(source []byte, lines ...*agentpb.Log) (*agentpb.BatchCreateLogsResponse, error) {
		out := &agentpb.BatchCreateLogsResponse{}
		return out, p.try("BatchCreateLogs", &agentpb.BatchCreateLogsRequest{LogSourceId: source, Logs: lines}, out)
	}
	at := time.Unix(1_700_000_000, 0).UTC()
	out, err := write(nil, &agentpb.Log{Output: "one", Level: agentpb.Log_WARN, CreatedAt: timestamppb.New(at)})
	require.NoError(t, err)
	require.False(t, out.LogLimitExceeded)
	line := next()[0]
	require.Equal(t, agentLogJSON{line.ID, at, "one", "warn", foreignSource}, line)
	source := agentOf(s, "admin/scaletest-0").sourceID
	_, err = write(source[:], &agentpb.Log{Output: strings.Repeat("x", 1<<20-6)}, &agentpb.Log{Output: "two", Level: 99})
	require.NoError(t, err)
	require.Equal(t, source, next()[0].SourceID)
	v := look(t, s, p.id)
	require.Equal(t, 1<<20, v.LogsLength)
	require.False(t, v.LogsOverflowed)
	require.Equal(t, "External", v.LogSources[1].DisplayName)
	out, err = write(nil, &agentpb.Log{Output: "x"})
	require.NoError(t, err)
	require.True(t, out.LogLimitExceeded)
	require.True(t, look(t, s, p.id).LogsOverflowed)
	_, err = write([]byte("x"))
	require.ErrorContains(t, err, "its source")
	_, err = write(p.id[:])
	require.ErrorContains(t, err, "no log source")
	require.Equal(t, int64(5), s.Stats().LogCalls)
}

func TestSubAgentsBelongToTheirParent(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	p := play(t, s, "admin/scaletest-0")
	create := func(name string) (*agentpb.SubAgent, error) {
		out := &agentpb.CreateSubAgentResponse{}
		err := p.try("CreateSubAgent", &agentpb.CreateSubAgentRequest{Name: name, Directory: "/d", Architecture: "arm64", OperatingSystem: "linux"}, out)
		return out.Agent, err
	}
	child, err := create("child")
	require.NoError(t, err)
	for name, why := range map[string]string{"child": "has an agent named", "main": "has an agent named", "": "is no name", "-": "is no name"} {
		_, err := create(name)
		require.ErrorContains(t, err, why, name)
	}
	id, token := uuid.UUID(child.Id), uuid.UUID(child.AuthToken)
	var w workspaceJSON
	at := "/api/v2/workspaces/" + agentOf(s, "admin/scaletest-0").build.workspace.id.String()
	ask(t, s, s.OwnerToken(), "GET", at, "").into(t, http.StatusOK, &w)
	agents := w.LatestBuild.Resources[0].Agents
	require.Len(t, agents, 2)
	require.Equal(t, p.id, *agents[1].ParentID)
	require.Equal(t, []string{"child", "connecting", "arm64", "/d"}, []string{agents[1].Name, agents[1].Status, agents[1].Architecture, agents[1].Directory})
	require.Empty(t, agents[1].Apps)
	require.Equal(t, []uuid.UUID{id}, w.Health.FailingAgents)
	sub := &playing{join(t, s, agentPath, token.String()), id}
	sub.is(agentpb.Lifecycle_READY)
	becomes(t, s, id, "connected")
	var m agentpb.Manifest
	sub.call("GetManifest", &agentpb.GetManifestRequest{}, &m)
	require.Equal(t, p.id[:], m.ParentId)
	require.Empty(t, m.Metadata)
	require.ErrorContains(t, sub.reports("0_cpu_usage", "1"), "does not declare")
	var list agentpb.ListSubAgentsResponse
	p.call("ListSubAgents", &agentpb.ListSubAgentsRequest{}, &list)
	require.Len(t, list.Agents, 1)
	require.Equal(t, child.AuthToken, list.Agents[0].AuthToken)
	remove := func(who *playing, id []byte) error {
		return who.try("DeleteSubAgent", &agentpb.DeleteSubAgentRequest{Id: id}, &agentpb.DeleteSubAgentResponse{})
	}
	require.Error(t, remove(p, []byte("x")))
	require.ErrorContains(t, remove(p, p.id[:]), "no such agent")
	require.ErrorContains(t, remove(sub, child.Id), "no such agent")
	require.NoError(t, remove(p, child.Id))
	<-sub.Done()
	require.Equal(t, 404, ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaceagents/"+id.String(), "").status)
	require.Equal(t, 401, refusedAgent(t, s, agentPath, token.String()).StatusCode)
	again, err := create("again")
	require.NoError(t, err)
	last := join(t, s, agentPath, uuid.UUID(again.AuthToken).String())
	buildOf(t, s, "admin/scaletest-0", "stop")
	<-last.Done() // it goes with its workspace
}

func FuzzAgentTemplate(f *testing.F) {
	f.Add([]byte(`agent_token for_each = range(7)`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, data := range [][]byte{b, tarOf(t, string(b))} {
			_, items := (&file{data: data}).agentTemplate()
			require.LessOrEqual(t, items, mostItems)
		}
	})
}
