package codertest

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestAVersionIsReadAsOldOrNew(t *testing.T) {
	t.Parallel()
	for version, old := range map[string]bool{
		"v2.26.0": true, "v2.17.3": true, "2.31.9": true, "v2.26.0-devel+abc": true,
		"v2.32.0": false, "v2.37.0": false, "v0.0.0-devel": false, "v3.1.0": false, "": false, "v2": false, "v2.x.1": false,
	} {
		require.Equal(t, old, behavioursOf(version).old, version)
	}
}

func TestATerminalOfAnOldVersionEndsWithoutACloseFrame(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, Version: "v2.26.0"})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), "echo out")
	c.expect("out\r\n")
	ends(t, c.ws)
}

func TestTerminalsOfAStoppedWorkspaceEndOrHangInAnOldVersion(t *testing.T) {
	const all = 40
	s := Start(t, Config{Workspaces: all, Version: "v2.26.0", BuildTime: Fixed(time.Millisecond), Provisioners: all, RateLimit: -1})
	ended := make(chan error, all)
	for i := range all {
		agent := agentOf(s, "admin/scaletest-"+itoa(i))
		ws, _, err := dialTTY(s, agent.id, url.Values{"reconnect": {uuid.NewString()}, "command": {"cat"}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = ws.Close() })
		go func() {
			_, _, err := ws.ReadMessage() // it answers pings
			ended <- err
		}()
		id := agent.build.workspace.id.String()
		ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+id+"/builds", `{"transition":"stop"}`).into(t, 201, &struct{}{})
	}
	until(t, "all are stopped", func() bool {
		s.state.mu.RLock()
		defer s.state.mu.RUnlock()
		for _, w := range s.state.workspaceList {
			if w.latest().workspaceStatus() != "stopped" {
				return false
			}
		}
		return true
	})
	gone := 0
	until(t, "some have ended", func() bool {
		select {
		case err := <-ended:
			gone++
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				require.Equal(t, websocket.CloseAbnormalClosure, closed.Code)
			}
		default:
		}
		return gone >= all/5 && int(s.Stats().Terminals) == all-gone
	})
	require.GreaterOrEqual(t, all-gone, all/5, "the others hang")
	_, resp, err := dialTTY(s, firstAgent(s, "admin/scaletest-0"), url.Values{"reconnect": {uuid.NewString()}})
	require.Error(t, err)
	require.Equal(t, 502, resp.StatusCode)
}

// firstAgent is the agent of the first build of a workspace.
func firstAgent(s *Server, workspace string) uuid.UUID {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	return s.state.byFullName[workspace].builds[0].agent.id
}

func TestABuildThatWasCanceledWhilePendingRunsAllTheSameInAnOldVersion(t *testing.T) {
	for version, runs := range map[string]bool{"v2.26.0": true, "v2.37.0": false} {
		s := Start(t, Config{Version: version, Provisioners: 1, BuildTime: Fixed(20 * time.Millisecond), RateLimit: -1})
		template := s.state.templates
		var id string
		for k := range template {
			id = k.String()
		}
		create := func(name string) (build string) {
			var w struct {
				LatestBuild struct{ ID string } `json:"latest_build"`
			}
			ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"template_id":"`+id+`","name":"`+name+`"}`).into(t, 201, &w)
			return w.LatestBuild.ID
		}
		create("first")
		second := create("second")
		ask(t, s, s.OwnerToken(), "PATCH", "/api/v2/workspacebuilds/"+second+"/cancel?expect_status=pending", "").says(t, 200, "canceled")
		create("third")
		until(t, "the third is running", func() bool {
			s.state.mu.RLock()
			defer s.state.mu.RUnlock()
			return s.state.byFullName["admin/third"].latest().running()
		})
		var b buildJSON
		ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspacebuilds/"+second, "").into(t, 200, &b)
		require.Equal(t, "canceled", b.Status)
		require.Equal(t, runs, len(b.Resources) == 1, version)
		if !runs {
			continue
		}
		require.Equal(t, "connected", b.Resources[0].Agents[0].Status)
		conn, err := s.DialAgent(t.Context(), b.Resources[0].Agents[0].ID, 22)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
}
