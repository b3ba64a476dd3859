package codertest

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/node"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// inTailnet is a member of the tailnet that a test plays, by what is on the wire
// only.
func inTailnet(t testing.TB, s *Server, id uuid.UUID, j *joined) *node.Node {
	t.Helper()
	n, err := node.New(t.Context(), node.Config{ID: id, Agent: id != uuid.Nil, Home: embeddedRegion,
		Relay: func(context.Context, int) (io.ReadWriteCloser, error) {
			conn, resp := upgradeTo(t, s.URL(), "DERP")
			if resp.StatusCode != http.StatusSwitchingProtocols {
				return nil, fmt.Errorf("the relay answers %s", resp.Status)
			}
			return conn, nil
		}})
	require.NoError(t, err)
	stream, err := j.Stream(context.Background(), tailnetService+"Coordinate")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { _ = n.Coordinate(context.Background(), stream) })
	t.Cleanup(func() {
		_ = n.Close()
		wg.Wait()
	})
	return n
}

// serving is an agent that a test plays, with its ports.
func serving(t testing.TB, s *Server, workspace string, ports map[uint16]func(net.Conn)) *playing {
	t.Helper()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // after the node's end
	p := play(t, s, workspace)
	n := inTailnet(t, s, p.id, p.joined)
	for port, serve := range ports {
		l, err := n.Listen(port)
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { serve(c) })
			}
		})
	}
	p.is(agentpb.Lifecycle_READY)
	becomes(t, s, p.id, "connected")
	return p
}

// terminalOf says what it was asked for, and then repeats what it gets.
func terminalOf(c net.Conn) {
	defer c.Close()
	in, err := readTerminalJSON(c)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(c, "%s %dx%d\n", in.Command, in.Width, in.Height)
	if in.Command != "exit" {
		_, _ = io.Copy(c, c)
	}
}

func terminalPath(id uuid.UUID, command string) string {
	return "/api/v2/workspaceagents/" + id.String() + "/pty?width=90&height=30&reconnect=" + uuid.NewString() + "&command=" + command
}

func TestATerminalOfAnExternalAgentGoesThroughTheTailnet(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1})
	p := serving(t, s, "admin/scaletest-0", map[uint16]func(net.Conn){terminalPort: terminalOf})
	ws, _, err := openApp(t, s.URL(), terminalPath(p.id, "cat"), s.OwnerToken())
	require.NoError(t, err)
	out := bufio.NewReader(&bytesOf{Conn: ws})
	line := func() string {
		v, err := out.ReadString('\n')
		require.NoError(t, err)
		return v
	}
	require.Equal(t, "cat 90x30\n", line())
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte("{\"data\":\"x\"}\n")))
	require.Equal(t, "{\"data\":\"x\"}\n", line())
	st := s.Stats()
	require.Equal(t, []int64{1, 1, 13}, []int64{st.Terminals, st.TerminalsOpened, st.BytesIn})
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("{}")))
	_, _, err = ws.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 1003), "%v", err)
	until(t, "the terminal is forgotten", func() bool { return s.Stats().Terminals == 0 })
	for version, code := range map[string]int{"": 1000, "v2.26.0": websocket.CloseAbnormalClosure} {
		s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1, Version: version})
		p := serving(t, s, "admin/scaletest-0", map[uint16]func(net.Conn){terminalPort: terminalOf})
		ws, _, err := openApp(t, s.URL(), terminalPath(p.id, "exit"), s.OwnerToken())
		require.NoError(t, err)
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
		require.True(t, websocket.IsCloseError(err, code), "%v", err)
	}
}

func TestATerminalOfAnAgentThatHasNoneIsClosedWithTheReason(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1})
	id := agentOf(s, "admin/scaletest-0").id
	_, resp, err := openApp(t, s.URL(), terminalPath(id, ""), s.OwnerToken())
	require.Error(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "nobody plays it yet")
	serving(t, s, "admin/scaletest-0", nil)
	ws, _, err := openApp(t, s.URL(), terminalPath(id, ""), s.OwnerToken())
	require.NoError(t, err)
	_, _, err = ws.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 1011), "%v", err)
	require.ErrorContains(t, err, "dial workspace agent")
	_, err = s.DialAgent(t.Context(), id, 4711)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// appOf is a workspace app that says what it sees, and whose WebSocket repeats.
func appOf(c net.Conn) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s host=%s cookies=%d token=%t from=%t %s", r.Method, r.URL.RequestURI(), r.Host,
				len(r.Cookies()), r.Header.Get("Coder-Session-Token") != "", r.Header.Get("X-Forwarded-For") != "", body)
			return
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			kind, b, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, b) != nil {
				return
			}
		}
	})
	_ = http.Serve(&oneConn{conn: c, done: make(chan struct{})}, h)
}

// oneConn is a listener with one connection, and ends with it.
type oneConn struct {
	conn net.Conn
	done chan struct{}
	once sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return &closing{c, l}, nil
	}
	<-l.done
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

type closing struct {
	net.Conn
	l *oneConn
}

func (c *closing) Close() error {
	c.l.once.Do(func() { close(c.l.done) })
	return c.Conn.Close()
}

func TestAnAppOfAnExternalAgentGoesThroughTheTailnet(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ExternalAgents: true, RateLimit: -1})
	serving(t, s, "admin/scaletest-0", map[uint16]func(net.Conn){firstAppPort: appOf})
	const at = "/@admin/scaletest-0/apps/wsec/"
	req, err := http.NewRequest("POST", s.URL()+at+"a/b?c=d", strings.NewReader("body"))
	require.NoError(t, err)
	req.Close = true
	req.Header.Set("Coder-Session-Token", s.OwnerToken())
	req.Header.Set("Cookie", "coder_x=1; mine=2; csrf_token=3")
	a, err := send(req)
	require.NoError(t, err)
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "POST /a/b?c=d host="+strings.TrimPrefix(s.URL(), "http://")+" cookies=1 token=true from=true body", string(a.body))
	require.Equal(t, int64(1), s.AppSawSessionToken())
	ws, _, err := openApp(t, s.URL(), at, s.OwnerToken())
	require.NoError(t, err)
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, b, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	st := s.Stats()
	require.Equal(t, []int64{1, 1, 2}, []int64{st.AppSockets, st.AppSocketsOpened, st.AppRequests})
	_ = ws.Close()
	until(t, "the socket is forgotten", func() bool { return s.Stats().AppSockets == 0 })
	ask(t, s, s.OwnerToken(), "GET", "/@admin/scaletest-0/apps/wsdi/", "").says(t, http.StatusBadGateway, "connection refused")
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	becomes(t, s, agentOf(s, "admin/scaletest-0").id, "disconnected")
	ask(t, s, s.OwnerToken(), "GET", at, "").says(t, http.StatusNotFound, "Application Unavailable")
}

func TestAPlayedAgentIsReachedByWhoOpensATunnel(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, RateLimit: -1})
	id, other := agentOf(s, "admin/scaletest-0").id, agentOf(s, "admin/scaletest-1").id
	client := inTailnet(t, s, uuid.Nil, join(t, s, "/api/v2/tailnet?version=2.0", s.OwnerToken()))
	for _, port := range []uint16{sshPort, standardSSHPort} {
		c, err := client.Dial(t.Context(), id, port)
		require.NoError(t, err)
		greeting, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, greeting, "SSH-2.0")
		require.NoError(t, c.Close())
	}
	_, err := client.Dial(t.Context(), id, 4)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	c, err := client.Dial(t.Context(), other, terminalPort)
	require.NoError(t, err)
	defer c.Close()
	asked, err := json.Marshal(terminalJSON{ID: uuid.New(), Width: 80, Height: 24, Command: "cat"})
	require.NoError(t, err)
	_, err = c.Write(append(binary.LittleEndian.AppendUint16(nil, uint16(len(asked))), asked...))
	require.NoError(t, err)
	_, err = c.Write([]byte(`{"data":"hello\r"}`))
	require.NoError(t, err)
	out := bufio.NewReader(c)
	for range 2 { // the echo, and what cat says
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "hello\r\n", line)
	}
	require.NoError(t, s.KillAgent("admin/scaletest-1"))
	require.NoError(t, c.SetReadDeadline(time.Now())) // what is there already can be read
	_, err = io.Copy(io.Discard, out)
	var slow net.Error
	require.ErrorAs(t, err, &slow)
	require.True(t, slow.Timeout(), "nothing says that it has gone: %v", err)
	require.Equal(t, int64(0), s.Stats().Terminals)
	require.NotZero(t, s.Stats().RelayPackets)
}

func TestAPlayedAgentSaysGoodbyeWhenItsWorkspaceStopsAndNotWhenItIsKilled(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, RateLimit: -1, BuildTime: Fixed(1)})
	for i, end := range []func(workspace string){
		func(w string) { buildOf(t, s, w, "stop") },
		func(w string) { require.NoError(t, s.KillAgent(w)) },
	} {
		workspace := "admin/scaletest-" + itoa(i)
		client := join(t, s, "/api/v2/tailnet?version=2.0", s.OwnerToken())
		client.coordinate()
		client.tells(tunnelTo(agentOf(s, workspace).id))
		client.hears(tailnetpb.CoordinateResponse_PeerUpdate_NODE)
		end(workspace)
		client.hears([]tailnetpb.CoordinateResponse_PeerUpdate_Kind{
			tailnetpb.CoordinateResponse_PeerUpdate_DISCONNECTED, tailnetpb.CoordinateResponse_PeerUpdate_LOST}[i])
	}
}

func TestAPlayedAgentThatConnectsLaterIsFoundByWhoWaits(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1, BuildTime: Fixed(1)})
	s.state.mu.Lock()
	s.cfg.AgentTime = Fixed(1)
	held := s.state.byFullName["admin/scaletest-0"].latest().agent
	held.firstConnected = nil
	s.state.mu.Unlock()
	client := join(t, s, "/api/v2/tailnet?version=2.0", s.OwnerToken())
	client.coordinate()
	client.tells(tunnelTo(held.id))
	until(t, "the tunnel is open", func() bool { return s.tailnet.Wanted(held.id) })
	s.state.mu.Lock()
	s.connected(held)
	s.state.mu.Unlock()
	client.hears(tailnetpb.CoordinateResponse_PeerUpdate_NODE)
}

func FuzzTerminalJSON(f *testing.F) {
	f.Add([]byte("\x02\x00{}"))
	f.Add([]byte("\xff\xff{"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = readTerminalJSON(strings.NewReader(string(b)))
	})
}
