package agentfleet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/internal/agentserve"
	"github.com/coderscale/scaletest/coder/tailnet"
)

// inTime bounds a wait, however slow the machine is.
func inTime(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestServingAgentsAreReachedAsRealOnesAre(t *testing.T) {
	s, c := embedded(t, codertest.Config{StatsInterval: 100 * time.Millisecond})
	ctx := inTime(t)
	list, err := Pool{Client: c, Count: 2}.Ensure(ctx)
	require.NoError(t, err)
	f, err := Start(t.Context(), Config{Client: c, Agents: list, Serving: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close(context.Background())) }()
	require.NoError(t, f.WaitReady(ctx))
	agent, err := c.Agent(ctx, list[0].ID)
	require.NoError(t, err)
	assert.True(t, agent.Ready(), "%s %s", agent.Status, agent.LifecycleState)

	net, err := tailnet.Open(ctx, tailnet.Config{Client: c})
	require.NoError(t, err)
	defer net.Close()
	conn, err := net.Dial(ctx, list[0].ID, tailnet.PortSSH)
	require.NoError(t, err)
	sc, channels, requests, err := ssh.NewClientConn(conn, "agent", &ssh.ClientConfig{User: "coder", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	require.NoError(t, err)
	client := ssh.NewClient(sc, channels, requests)
	x, err := client.NewSession()
	require.NoError(t, err)
	x.Stdin = strings.NewReader(strings.Repeat("x", 300<<10))
	out, err := x.Output("wc -c")
	require.NoError(t, err)
	assert.Equal(t, "307200\n", string(out))
	held, err := client.NewSession()
	require.NoError(t, err)
	_, err = held.StdinPipe() // or there is none, and cat ends
	require.NoError(t, err)
	require.NoError(t, held.Start("cat"))
	require.Eventually(t, func() bool { return f.Stats().Served.SSH == 1 }, time.Minute, time.Millisecond)

	pty, err := c.PTY(ctx, list[0].ID, coder.PTYOptions{Session: uuid.New()})
	require.NoError(t, err)
	_, err = pty.Write([]byte("echo hello from afar\r"))
	require.NoError(t, err)
	require.NoError(t, pty.SetReadDeadline(time.Now().Add(time.Minute)))
	var seen bytes.Buffer
	buf := make([]byte, 4<<10)
	for !strings.Contains(seen.String(), "\rhello from afar") {
		n, err := pty.Read(buf)
		require.NoError(t, err, seen.String())
		seen.Write(buf[:n])
	}
	for a := range f.agents {
		if a.serves {
			stats := a.server.report()
			assert.Equal(t, int64(1), stats.GetSessionCountSsh())
			assert.Equal(t, int64(1), stats.GetSessionCountReconnectingPty())
			assert.Equal(t, map[string]int64{"ssh": 1, "reconnecting_pty": 1}, stats.GetSessionCounts())
			assert.Equal(t, int64(2), stats.GetConnectionCount())
			assert.Equal(t, map[string]int64{"TCP": 2}, stats.GetConnectionsByProto())
		}
	}
	assert.Positive(t, f.Stats().Served.BytesReceived, "what is served here goes through here")
	require.Eventually(t, func() bool { return s.Stats().StatsCalls > 3 }, time.Minute, time.Millisecond)
	require.NoError(t, pty.Close())
	_ = client.Close()

	_, err = net.Dial(ctx, list[0].ID, 12345)
	require.Error(t, err)
}

func TestAServingAgentKeepsItsSessionsThroughALostConnection(t *testing.T) {
	_, c := embedded(t, codertest.Config{})
	ctx := inTime(t)
	list, err := Pool{Client: c, Count: 1}.Ensure(ctx)
	require.NoError(t, err)
	f, err := Start(t.Context(), Config{Client: c, Agents: list, Serving: All})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close(context.Background())) }()
	require.NoError(t, f.WaitReady(ctx))
	net, err := tailnet.Open(ctx, tailnet.Config{Client: c})
	require.NoError(t, err)
	defer net.Close()
	agent, err := c.Agent(ctx, list[0].ID)
	require.NoError(t, err)
	app, ok := agent.App("wsec")
	require.True(t, ok)
	conn, err := net.Dial(ctx, list[0].ID, agentserve.PortOf(app.URL))
	require.NoError(t, err)
	defer conn.Close()
	ask := func() {
		_, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: app\r\n\r\n")
		require.NoError(t, err)
		buf := make([]byte, 4<<10)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		require.Contains(t, string(buf[:n]), `wsec GET "/x", 0 bytes`)
	}
	ask()
	var l *link
	f.mu.Lock()
	for a := range f.agents {
		l = a.link
	}
	f.mu.Unlock()
	l.end(errors.New("pulled the plug"))
	require.Eventually(t, func() bool { s := f.Stats(); return s.Reconnects == 1 && s.Workspaces.Ready == 1 }, time.Minute, time.Millisecond)
	assert.Contains(t, f.Stats().LastError, "pulled the plug")
	ask()
}

func TestOneAgentCanBeMeasured(t *testing.T) {
	_, c := embedded(t, codertest.Config{})
	ctx := inTime(t)
	list, err := Pool{Client: c, Count: 2}.Ensure(ctx)
	require.NoError(t, err)
	var connected, ready int
	lost := make(chan error, 10)
	on := Events{
		Connected: func(time.Duration) { connected++ },
		Ready:     func(took time.Duration) { ready++; assert.Positive(t, took) },
		Lost:      func(why error) { lost <- why },
	}
	conn, err := Connect(ctx, Config{Client: c, Agents: list[:1]}, on)
	require.NoError(t, err)
	assert.Equal(t, 1, connected)
	assert.Equal(t, 1, ready)
	require.NoError(t, conn.Err())
	agent, err := c.Agent(ctx, list[0].ID)
	require.NoError(t, err)
	assert.True(t, agent.Ready())
	require.NoError(t, conn.Close(ctx))
	<-conn.Done()
	require.ErrorIs(t, conn.Err(), ErrClosed)

	f, err := Start(ctx, Config{Client: c})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close(context.Background())) }()
	conn, err = f.Connect(ctx, list[1], Events{Lost: func(why error) { lost <- why }})
	require.NoError(t, err)
	w, err := c.WorkspaceByOwnerAndName(ctx, coder.Me, "scaletest-sim-1")
	require.NoError(t, err)
	_, err = c.CreateBuild(ctx, w.ID, coder.CreateBuildRequest{Transition: coder.TransitionStart})
	require.NoError(t, err)
	select {
	case <-conn.Done():
	case <-ctx.Done():
		t.Fatal("a newer build does not end the agent")
	}
	_, ended := errors.AsType[*EndedError](conn.Err())
	require.True(t, ended, "%v", conn.Err())
	_, err = f.Connect(ctx, list[1], Events{})
	require.ErrorContains(t, err, "the workspace has a newer build")
	assert.NotContains(t, err.Error(), list[1].Token.reveal())

	again, err := Pool{Client: c, Count: 2}.Agents(ctx)
	require.NoError(t, err)
	conn, err = f.Connect(ctx, again[1], Events{})
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
	require.Equal(t, 0, f.Stats().Workspaces.Connected)
	require.NoError(t, f.Close(ctx))
	_, err = f.Connect(ctx, again[1], Events{})
	require.ErrorIs(t, err, ErrClosed)
}

func TestConnectGivesUpWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDeployment()
		d.refuse["token-0-secret"] = 500
		f := played(t, Config{Client: d.serve(t)})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := f.Connect(ctx, agents(1)[0], Events{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "did not become ready")
		require.ErrorContains(t, err, "(500 from GET")
		opened := d.opened
		time.Sleep(time.Hour)
		assert.Equal(t, opened, d.opened, "it goes on trying though nobody waits")
	})
}

func TestAFleetOfTheEmbeddedDeploymentReportsWhatItAccepts(t *testing.T) {
	for _, version := range []string{"", "v2.26.0"} {
		s, c := embedded(t, codertest.Config{Version: version})
		ctx := inTime(t)
		list, err := Pool{Client: c, Count: 3}.Ensure(ctx)
		require.NoError(t, err)
		f, err := Start(t.Context(), Config{Client: c, Agents: list, Metadata: Metadata{Interval: 50 * time.Millisecond}, SubAgents: 2, ReportOff: true})
		require.NoError(t, err)
		require.NoError(t, f.WaitReady(ctx))
		require.Eventually(t, func() bool { return s.Stats().MetadataCalls > 10 }, time.Minute, time.Millisecond)
		got := f.Stats()
		assert.Equal(t, Count{Agents: 3, Connected: 3, Ready: 3}, got.Workspaces, version)
		assert.Equal(t, Count{Agents: 6, Connected: 6, Ready: 6}, got.SubAgents, version)
		assert.Zero(t, got.Failed(), got.LastError)
		assert.Zero(t, got.Lost, got.LastError)
		w, err := c.WorkspaceByOwnerAndName(ctx, coder.Me, "scaletest-sim-0")
		require.NoError(t, err)
		assert.Len(t, w.Agents(), 3)
		logs, err := c.AgentLogs(ctx, list[0].ID, 0)
		require.NoError(t, err)
		assert.NotEmpty(t, logs)
		require.NoError(t, f.Close(ctx))
		require.Eventually(t, func() bool {
			a, err := c.Agent(ctx, list[0].ID)
			return err == nil && a.LifecycleState == coder.LifecycleOff
		}, time.Minute, time.Millisecond)
	}
}
