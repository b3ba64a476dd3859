package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

func TestMain(m *testing.M) {
	if os.Getenv(asDeployment) != "" {
		runDeployment()
	}
	goleak.VerifyTestMain(m)
}

// bubble runs a test in fake time. yamux keeps timers in a pool, and those of one
// bubble must not get into the next: two collections empty it.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	runtime.GC()
	runtime.GC()
	synctest.Test(t, f)
}

// played starts a fleet, which is closed with the test.
func played(t *testing.T, cfg Config) *Fleet {
	t.Helper()
	f, err := Start(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

func TestAnAgentStartsAsRealOnesDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		f := played(t, Config{Client: d.serve(t), Agents: agents(1), Logs: Logs{Lines: 2, Bytes: 30}})
		require.NoError(t, f.WaitReady(t.Context()))
		synctest.Wait()
		var calls, streams []string
		for _, s := range d.said {
			if service, name := path.Split(s.method); service == "/coder.agent.v2.Agent/" {
				calls = append(calls, name)
			} else {
				streams = append(streams, name)
			}
		}
		assert.Equal(t, []string{"GetManifest", "UpdateStartup", "UpdateLifecycle", "BatchCreateLogs", "UpdateLifecycle", "UpdateStats"}, calls)
		assert.ElementsMatch(t, []string{"StreamDERPMaps", "Coordinate"}, streams)
		life := d.of(updateLifecycle)
		assert.Equal(t, agentpb.Lifecycle_STARTING, life[0].message.(*agentpb.UpdateLifecycleRequest).GetLifecycle().GetState())
		assert.Equal(t, agentpb.Lifecycle_READY, life[1].message.(*agentpb.UpdateLifecycleRequest).GetLifecycle().GetState())
		logs := d.of(createLogs)[0].message.(*agentpb.BatchCreateLogsRequest).GetLogs()
		require.Len(t, logs, 2)
		assert.Len(t, logs[1].GetOutput(), 30)
		assert.Equal(t, "v2.37.0", d.of(updateStartup)[0].message.(*agentpb.UpdateStartupRequest).GetStartup().GetVersion())
		s := f.Stats()
		assert.Equal(t, Count{Agents: 1, Connected: 1, Ready: 1}, s.Workspaces)
		assert.Zero(t, s.Failed())
		assert.Positive(t, s.BytesSent)
		assert.Positive(t, s.BytesReceived)
	})
}

func TestReportsComeAtTheirIntervals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.items, d.every = 3, 10*time.Second
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		require.NoError(t, f.WaitReady(t.Context()))
		time.Sleep(10 * time.Minute)
		// Fake time: it stands still while anything is done.
		assert.Len(t, d.of(updateMetadata), 60)
		assert.Len(t, d.of(updateStats), 1+20)
		first := d.of(updateMetadata)[0].message.(*agentpb.BatchUpdateMetadataRequest).GetMetadata()
		require.Len(t, first, 3)
		assert.Equal(t, "m01", first[1].GetKey())
		assert.Len(t, first[1].GetResult().GetValue(), defaultMetadataBytes)
		assert.Equal(t, d.of(updateMetadata)[0].at.Unix(), first[1].GetResult().GetCollectedAt().GetSeconds())
		for i, x := range d.of(updateMetadata)[1:] {
			require.Equal(t, 10*time.Second, x.at.Sub(d.of(updateMetadata)[i].at))
		}
		assert.Zero(t, f.Stats().Late)
		assert.Zero(t, f.Stats().Reconnects)
	})
}

func TestGreedyAgentsSendWhatWasAskedAndNoItemThatIsNotDeclared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.items, d.every = 20, time.Hour
		f := played(t, Config{Client: d.serve(t), Agents: agents(1), Metadata: Greedy})
		require.NoError(t, f.WaitReady(t.Context()))
		time.Sleep(5 * time.Second)
		got := d.of(updateMetadata)
		require.Len(t, got, 5)
		items := got[4].message.(*agentpb.BatchUpdateMetadataRequest).GetMetadata()
		require.Len(t, items, 16)
		for _, m := range items {
			require.Len(t, m.GetResult().GetValue(), 4<<10)
		}
		assert.NotEqual(t, items[0].GetResult().GetValue(), items[1].GetResult().GetValue())
		assert.Zero(t, f.Stats().ShortOfMetadata)
		require.NoError(t, f.Close(t.Context()))

		d.items = 3
		f = played(t, Config{Client: d.serve(t), Agents: agents(2), Metadata: Greedy, SubAgents: 1})
		require.NoError(t, f.WaitReady(t.Context()))
		assert.Equal(t, 2, f.Stats().ShortOfMetadata, "that there is less load than was asked for must be seen")
	})
}

func TestALostAgentComesBackAndReportsItsStartOnlyOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		require.NoError(t, f.WaitReady(t.Context()))
		began := time.Now()
		d.cut("token-0-secret")
		d.until(t, "a second connection", func() bool { return len(d.of(getManifest)) == 2 })
		assert.GreaterOrEqual(t, time.Since(began), firstPause)
		assert.LessOrEqual(t, time.Since(began), 2*firstPause)
		synctest.Wait()
		s := f.Stats()
		assert.Equal(t, int64(1), s.Reconnects)
		assert.Equal(t, int64(1), s.Lost)
		assert.Equal(t, 1, s.Workspaces.Ready)
		assert.Len(t, d.of(updateLifecycle), 2)
		assert.Len(t, d.of(createLogs), 1)
		assert.Contains(t, s.LastError, "agent main of admin/sim-0 lost its connection")
	})
}

func TestAStreamThatTheDeploymentEndsIsALostConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.fail[coordinate] = errors.New("the database is gone")
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		require.NoError(t, f.WaitReady(t.Context()))
		time.Sleep(time.Minute)
		assert.Positive(t, f.Stats().Lost)
		assert.Contains(t, f.Stats().LastError, "ended a stream of the tailnet")
	})
}

func TestARefusedCallIsCountedAndDoesNotEndTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.items = 1
		d.fail[updateMetadata.path()] = errors.New("no such key")
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		require.NoError(t, f.WaitReady(t.Context()))
		time.Sleep(10 * time.Second)
		s := f.Stats()
		assert.Equal(t, CallCount{Failed: 10}, s.Calls["BatchUpdateMetadata"])
		assert.Zero(t, s.Lost)
		assert.Contains(t, s.LastError, "no such key")
	})
}

func TestANewerBuildEndsTheAgentForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		f := played(t, Config{Client: d.serve(t), Agents: agents(2), SubAgents: 1})
		require.NoError(t, f.WaitReady(t.Context()))
		d.with(func() { d.refuse["token-0-secret"] = http.StatusUnauthorized })
		d.cut("token-0-secret")
		time.Sleep(time.Hour)
		s := f.Stats()
		assert.Equal(t, Count{Agents: 2, Connected: 1, Ready: 1, Ended: 1}, s.Workspaces)
		assert.Equal(t, 5, d.opened, "4 connections and one attempt")
		err := f.WaitReady(t.Context())
		require.ErrorContains(t, err, "1 of the agents can't be played")
		ended, ok := errors.AsType[*EndedError](err)
		require.True(t, ok)
		assert.Equal(t, "admin/sim-0", ended.Agent.Workspace)
		assert.ErrorContains(t, err, "the workspace has a newer build, or was stopped or deleted")
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", f.cfg.Agents, f.cfg.Agents), s.LastError, fmt.Sprintf("%v", ended)} {
			assert.NotContains(t, text, "secret")
		}
	})
}

func TestAnOldServerGetsALowerVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.maxMinor = 3
		f := played(t, Config{Client: d.serve(t), Agents: agents(3), Handshakes: 1, SubAgents: 2})
		err := f.WaitReady(t.Context())
		require.ErrorContains(t, err, "sub-agents came with 2.6")
		assert.Equal(t, []string{"2.9", "2.6", "2.4", "2.3", "2.3", "2.3"}, d.minors, "only the first agent may have to try")
		assert.Equal(t, 3, f.Stats().Workspaces.Ready)
		assert.Equal(t, Count{Ended: 6}, f.Stats().SubAgents)
		assert.Zero(t, f.Stats().Refused)
	})
}

func TestAnAgentThatIsRefusedTriesLessAndLess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.refuse["token-0-secret"] = http.StatusInternalServerError
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		err := f.WaitReady(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 are not ready")
		require.ErrorContains(t, err, "(500 from GET /api/v2/workspaceagents/me/rpc")
		assert.Less(t, d.opened, 10*60/8+5)
		assert.Greater(t, d.opened, 10*60/16-1)
		d.with(func() { delete(d.refuse, "token-0-secret") })
		require.NoError(t, f.WaitReady(t.Context()))
	})
}

func TestSubAgentsAreMadeOnceAndCountedApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		c := d.serve(t)
		f := played(t, Config{Client: c, Agents: agents(1), SubAgents: 3})
		require.NoError(t, f.WaitReady(t.Context()))
		s := f.Stats()
		assert.Equal(t, Count{Agents: 1, Connected: 1, Ready: 1}, s.Workspaces)
		assert.Equal(t, Count{Agents: 3, Connected: 3, Ready: 3}, s.SubAgents)
		require.NoError(t, f.Close(t.Context()))
		assert.Equal(t, 3, f.Stats().SubAgents.Ended)

		d.subs[1].AuthToken = nil // a server that doesn't tell
		f = played(t, Config{Client: c, Agents: agents(1), SubAgents: 4})
		require.NoError(t, f.WaitReady(t.Context()))
		assert.Len(t, d.of(createSubAgent), 3+2)
		assert.Len(t, d.of(deleteSubAgent), 1)
	})
}

func TestSubAgentsAreGoneOnWithAfterALostConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		block := make(chan struct{})
		d.block[createSubAgent.path()] = block
		f := played(t, Config{Client: d.serve(t), Agents: agents(1), SubAgents: 2})
		synctest.Wait()
		d.with(func() { delete(d.block, createSubAgent.path()) })
		d.cut("token-0-secret")
		require.NoError(t, f.WaitReady(t.Context()))
		assert.Equal(t, Count{Agents: 2, Connected: 2, Ready: 2}, f.Stats().SubAgents)
		assert.Equal(t, int64(1), f.Stats().Reconnects)
		close(block)
	})
}

func TestARefusedSubAgentIsNotWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.fail[createSubAgent.path()] = errors.New("no more of them")
		f := played(t, Config{Client: d.serve(t), Agents: agents(1), SubAgents: 2})
		require.ErrorContains(t, f.WaitReady(t.Context()), "has 0 sub-agents, 2 more were wanted: /coder.agent.v2.Agent/CreateSubAgent: no more of them")
		assert.Equal(t, 1, f.Stats().Workspaces.Ready)
	})
}

func TestAppsBecomeHealthyAfterOneCheck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		check := &agentpb.WorkspaceApp_Healthcheck{Url: "http://localhost:8080/healthz", Interval: nil}
		d.apps = []*agentpb.WorkspaceApp{
			{Id: []byte("checked"), Healthcheck: check, Health: agentpb.WorkspaceApp_INITIALIZING},
			{Id: []byte("unchecked"), Health: agentpb.WorkspaceApp_DISABLED},
			{Id: []byte("elsewhere"), Healthcheck: check, External: true},
		}
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		require.NoError(t, f.WaitReady(t.Context()))
		time.Sleep(time.Minute)
		var seen []agentpb.WorkspaceApp_Health
		for _, x := range d.of(updateAppHealths) {
			for _, u := range x.message.(*agentpb.BatchUpdateAppHealthsRequest).GetUpdates() {
				assert.Equal(t, "checked", string(u.GetId()))
				seen = append(seen, u.GetHealth())
			}
		}
		assert.Equal(t, []agentpb.WorkspaceApp_Health{agentpb.WorkspaceApp_INITIALIZING, agentpb.WorkspaceApp_HEALTHY}, seen)
	})
}

func TestClosingReportsTheEndOnlyIfAskedTo(t *testing.T) {
	for _, report := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			d := newDeployment()
			f := played(t, Config{Client: d.serve(t), Agents: agents(3), ReportOff: report})
			require.NoError(t, f.WaitReady(t.Context()))
			require.NoError(t, f.Close(t.Context()))
			var off int
			for _, x := range d.of(updateLifecycle) {
				if x.message.(*agentpb.UpdateLifecycleRequest).GetLifecycle().GetState() == agentpb.Lifecycle_OFF {
					off++
				}
			}
			assert.Equal(t, 3*btoi(report), off)
			assert.Equal(t, Count{Agents: 3, Ended: 3}, f.Stats().Workspaces)
			require.ErrorIs(t, f.WaitReady(t.Context()), ErrClosed)
		})
	}
}

func TestACallThatIsGivenUpAtTheEndHasNotFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.items = 1
		f := played(t, Config{Client: d.serve(t), Agents: agents(1)})
		require.NoError(t, f.WaitReady(t.Context()))
		block := make(chan struct{})
		defer close(block)
		d.with(func() { d.block[updateMetadata.path()] = block })
		time.Sleep(2 * time.Second)
		require.NoError(t, f.Close(t.Context()))
		assert.Zero(t, f.Stats().Failed())
		assert.Empty(t, f.Stats().LastError)
	})
}

func TestASlowDeploymentMakesMetadataLateAndIsNotFlooded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.items = 1
		f := played(t, Config{Client: d.serve(t), Agents: agents(1), Metadata: Metadata{Interval: time.Second}})
		require.NoError(t, f.WaitReady(t.Context()))
		block := make(chan struct{})
		d.with(func() { d.block[updateMetadata.path()] = block })
		time.Sleep(10500 * time.Millisecond)
		d.with(func() { delete(d.block, updateMetadata.path()) })
		close(block)
		time.Sleep(5 * time.Second)
		assert.InDelta(t, 6, len(d.of(updateMetadata)), 1, "what was due meanwhile is not sent after all")
		assert.Equal(t, int64(1), f.Stats().Late)
	})
}

func TestOnlySoManyAgentsConnectAtTheSameTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		block := make(chan struct{})
		d.block[getManifest.path()] = block
		f := played(t, Config{Client: d.serve(t), Agents: agents(20), Handshakes: 5})
		synctest.Wait()
		assert.Equal(t, 5, f.Stats().Workspaces.Connected)
		d.with(func() { delete(d.block, getManifest.path()) })
		close(block)
		require.NoError(t, f.WaitReady(t.Context()))
		assert.Equal(t, 20, f.Stats().Workspaces.Ready)
	})
}

func TestTheEndOfTheContextEndsTheFleet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		ctx, cancel := context.WithCancel(t.Context())
		f, err := Start(ctx, Config{Client: d.serve(t), Agents: agents(3)})
		require.NoError(t, err)
		require.NoError(t, f.WaitReady(ctx))
		cancel()
		synctest.Wait()
		assert.Equal(t, 3, f.Stats().Workspaces.Ended)
	})
}

func TestConfigurationMistakesAreAllNamed(t *testing.T) {
	_, err := Start(t.Context(), Config{
		Agents: []Agent{{Workspace: "a/b", Name: "main"}}, Serving: 2, SubAgents: -1, Handshakes: -1,
		Metadata: Metadata{Items: -1, Bytes: 1 << 20, Interval: time.Millisecond}, Logs: Logs{Lines: -2, Bytes: -1},
	})
	for _, part := range []string{
		"Client is nil", "Agents[0], agent main of a/b, has no token", "Serving is 2", "SubAgents is -1", "Handshakes is -1",
		"Metadata.Items is -1", "Metadata.Bytes is 1048576", "Metadata.Interval is 1ms", "Logs.Lines is -2", "Logs.Bytes is -1",
	} {
		assert.ErrorContains(t, err, part)
	}
	_, err = Connect(t.Context(), Config{}, Events{})
	assert.ErrorContains(t, err, "Agents has 0, want the one")
}
