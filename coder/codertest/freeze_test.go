package codertest

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestAFrozenDeploymentAnswersNobodyAndCanBeClosed(t *testing.T) {
	s := Start(t, Config{})
	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := try(ctx, s, "", "GET", "/healthz", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Close()
}

func TestAFreezeKeepsTerminalsAndTheirInput(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	c.send(`{"data":"a"}`)
	c.expect("a")
	s.Freeze()
	c.send(`{"data":"b"}`)
	var thawed atomic.Bool
	early := make(chan bool, 1)
	go func() {
		_, _, err := c.ws.ReadMessage()
		early <- err != nil || !thawed.Load()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := try(ctx, s, "", "GET", "/healthz", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	thawed.Store(true)
	s.Thaw()
	require.False(t, <-early, "the echo came before the thaw")
	require.Equal(t, http.StatusOK, ask(t, s, "", "GET", "/healthz", "").status)
}

func TestAStallEndsByItself(t *testing.T) {
	const d = 50 * time.Millisecond
	s := Start(t, Config{})
	ended := make(chan time.Duration, 1)
	began := time.Now()
	go func() {
		s.Stall(d)
		ended <- time.Since(began)
	}()
	until(t, "the stall", s.faults.gate.shut.Load)
	require.Equal(t, http.StatusOK, ask(t, s, "", "GET", "/healthz", "").status)
	require.GreaterOrEqual(t, time.Since(began), d)
	require.GreaterOrEqual(t, <-ended, d)
}

func TestAStallDoesNotOutliveTheDeployment(t *testing.T) {
	s := Start(t, Config{})
	ended := make(chan struct{})
	go func() {
		s.Stall(time.Hour)
		close(ended)
	}()
	until(t, "the stall", s.faults.gate.shut.Load)
	s.Close()
	<-ended
}

// lost reads until the end, which must not be an orderly one.
func (c *tty) lost() {
	c.t.Helper()
	require.NoError(c.t, c.ws.SetReadDeadline(time.Now().Add(20*time.Second)))
	for {
		_, _, err := c.ws.ReadMessage()
		if err == nil {
			continue
		}
		require.False(c.t, websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway), "%v", err)
		require.NotContains(c.t, err.Error(), "timeout")
		return
	}
}

// agentStatus is what the API says of a workspace's agent.
func agentStatus(t testing.TB, s *Server, workspace string) string {
	var a struct{ Status string }
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaceagents/"+agentOf(s, workspace).id.String(), "").into(t, http.StatusOK, &a)
	return a.Status
}

func TestFaultsOfAgentsThatDoNotExistAreErrors(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	for _, f := range []func(string) error{s.KillAgent, s.FreezeAgent, s.ThawAgent} {
		require.ErrorContains(t, f("admin/nothing"), `workspace "admin/nothing" does not exist`)
		require.ErrorContains(t, f("scaletest-0"), "does not exist")
	}
}

func TestAKilledAgentTakesItsTerminalsAlong(t *testing.T) {
	s := Start(t, Config{Workspaces: 2})
	mine := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	other := openTTY(t, s, "admin/scaletest-1", uuid.New(), dd)
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	require.NoError(t, s.KillAgent("admin/scaletest-0"), "twice is the same as once")
	mine.lost()
	require.Equal(t, "disconnected", agentStatus(t, s, "admin/scaletest-0"))
	_, resp, err := dialTTY(s, agentOf(s, "admin/scaletest-0").id, url.Values{"reconnect": {uuid.NewString()}})
	require.Error(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	other.send(`{"data":"x"}`)
	other.expect("x")
}

func TestAFrozenAgentIsMissedAfterTheTimeoutAndComesBack(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, AgentTimeout: time.Nanosecond})
	const name = "admin/scaletest-0"
	c := openTTY(t, s, name, uuid.New(), dd)
	require.NoError(t, s.FreezeAgent(name))
	until(t, "the agent is missed", func() bool { return agentStatus(t, s, name) == "disconnected" })
	require.NoError(t, s.ThawAgent(name))
	require.Equal(t, "connected", agentStatus(t, s, name))
	c.send(`{"data":"y"}`)
	c.expect("y") // the terminal was open all the time
}

func TestAFrozenAgentIsConnectedUntilTheTimeout(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, AgentTimeout: time.Hour})
	require.NoError(t, s.FreezeAgent("admin/scaletest-0"))
	require.Equal(t, "connected", agentStatus(t, s, "admin/scaletest-0"))
}
