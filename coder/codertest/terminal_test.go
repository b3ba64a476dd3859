package codertest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// tty is a client of a terminal.
type tty struct {
	t  testing.TB
	ws *websocket.Conn
}

func agentOf(s *Server, workspace string) *agent {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	return s.state.byFullName[workspace].latest().agent
}

func openTTY(t testing.TB, s *Server, workspace string, session uuid.UUID, command string) *tty {
	t.Helper()
	ws, _, err := dialTTY(s, agentOf(s, workspace).id, url.Values{
		"reconnect": {session.String()}, "width": {"80"}, "height": {"25"}, "command": {command},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	return &tty{t, ws}
}

func dialTTY(s *Server, agent uuid.UUID, q url.Values) (*websocket.Conn, *http.Response, error) {
	u := "ws" + strings.TrimPrefix(s.URL(), "http") + "/api/v2/workspaceagents/" + agent.String() + "/pty?" + q.Encode()
	return websocket.DefaultDialer.Dial(u, http.Header{"Coder-Session-Token": {s.OwnerToken()}})
}

func (c *tty) send(json string) {
	c.t.Helper()
	require.NoError(c.t, c.ws.WriteMessage(websocket.BinaryMessage, []byte(json)))
}

// expect reads until the output is what it should be.
func (c *tty) expect(want string) {
	c.t.Helper()
	require.NoError(c.t, c.ws.SetReadDeadline(time.Now().Add(10*time.Second)))
	got := ""
	for len(got) < len(want) {
		_, b, err := c.ws.ReadMessage()
		require.NoError(c.t, err, "after %q", got)
		got += string(b)
	}
	require.Equal(c.t, want, got)
}

func (c *tty) expectClose(code int) {
	c.t.Helper()
	require.NoError(c.t, c.ws.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, b, err := c.ws.ReadMessage()
	require.Truef(c.t, websocket.IsCloseError(err, code), "got %v, %q", err, b)
}

const dd = "dd if=/dev/stdin of=/dev/null bs=4096 status=none"

func TestATextFrameIsRefused(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	require.NoError(t, c.ws.WriteMessage(websocket.TextMessage, []byte(`{"data":"x"}`)))
	c.expectClose(1003)
}

func TestTypedBytesComeBackOnce(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	line := strings.Repeat("x", 4095)
	c.send(`{"data":"` + line + `\n"}` + "\n")
	c.expect(line + "\r\n")
	c.send(`{"data":"a`)
	c.send(`bc\u007fd"}{"data":"\u0003"}`)
	c.expect("abc\b \bd^C")
	c.expectClose(1000)
}

func TestAReattachedTerminalRepeatsItsLastBytes(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	id := uuid.New()
	a := openTTY(t, s, "admin/scaletest-0", id, "cat")
	long := strings.Repeat("0123456789", 100)
	all := ""
	for range 40 {
		a.send(`{"data":"` + long + `\n"}`)
		all += long + "\r\n" + long + "\r\n"
	}
	a.expect(all)
	b := openTTY(t, s, "admin/scaletest-0", id, "")
	b.expect(all[len(all)-64<<10:])
	a.send(`{"data":"both\n"}`)
	a.expect("both\r\nboth\r\n")
	b.expect("both\r\nboth\r\n")
}

func TestOnlyTheBytesAskedForAreRepeated(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, ReplayBytes: 5})
	id := uuid.New()
	a := openTTY(t, s, "admin/scaletest-0", id, dd)
	a.send(`{"data":"abc"}`)
	a.expect("abc")
	openTTY(t, s, "admin/scaletest-0", id, "").expect("abc")
	a.send(`{"data":"defg"}`)
	a.expect("defg")
	openTTY(t, s, "admin/scaletest-0", id, "").expect("cdefg")
}

func TestASilentClientIsDropped(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, PingInterval: 20 * time.Millisecond})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	c.ws.SetPingHandler(func(string) error { return nil })
	c.expectClose(1001)
}
