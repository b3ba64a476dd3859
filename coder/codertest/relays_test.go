package codertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

// relayed is a client of a relay.
type relayed struct {
	t    testing.TB
	conn net.Conn
	r    *derp.Reader
	key  derp.Key
}

// upgradeTo asks for a protocol by hand.
func upgradeTo(t testing.TB, url, protocol string) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /derp HTTP/1.1\r\nHost: x\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n", protocol)
	require.NoError(t, err)
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	early, err := br.Peek(br.Buffered())
	require.NoError(t, err)
	return &joinedConn{Conn: conn, r: io.MultiReader(strings.NewReader(string(early)), conn)}, resp
}

type joinedConn struct {
	net.Conn
	r io.Reader
}

func (c *joinedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

func joinRelay(t testing.TB, url string) *relayed {
	t.Helper()
	conn, resp := upgradeTo(t, url, "DERP")
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, "DERP", resp.Header.Get("Upgrade"))
	return greetRelay(t, conn)
}

func greetRelay(t testing.TB, conn net.Conn) *relayed {
	t.Helper()
	private := derp.NewPrivateKey()
	c := &relayed{t, conn, derp.NewReader(conn, 1<<10), private.Public()}
	require.NoError(t, derp.Greet(conn, c.r, private, true))
	c.ask() // it is there
	return c
}

// ask waits for an answer of the relay.
func (c *relayed) ask() {
	c.t.Helper()
	_, err := c.conn.Write(derp.AppendFrame(nil, derp.Ping, []byte("12345678")))
	require.NoError(c.t, err)
	got, _, err := c.r.Next()
	require.NoError(c.t, err)
	require.Equal(c.t, derp.Pong, got)
}

func (c *relayed) send(to derp.Key, packet string) {
	c.t.Helper()
	_, err := c.conn.Write(derp.AppendFrame(nil, derp.SendPacket, to[:], []byte(packet)))
	require.NoError(c.t, err)
}

func (c *relayed) sees(t derp.Type, key derp.Key, rest string) {
	c.t.Helper()
	got, body, err := c.r.Next()
	require.NoError(c.t, err)
	require.Equal(c.t, t, got)
	require.Equal(c.t, string(key[:])+rest, string(body))
}

// bytesOf is a WebSocket as a stream of bytes.
type bytesOf struct {
	*websocket.Conn
	rest io.Reader
}

func (c *bytesOf) Read(b []byte) (int, error) {
	for {
		if c.rest == nil {
			_, r, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			c.rest = r
		}
		n, err := c.rest.Read(b)
		if err == io.EOF {
			c.rest = nil
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}

func (c *bytesOf) Write(b []byte) (int, error) {
	return len(b), c.WriteMessage(websocket.BinaryMessage, b)
}

func (c *bytesOf) SetDeadline(t time.Time) error { return c.NetConn().SetDeadline(t) }

func relayBySocket(t testing.TB, url string) *relayed {
	t.Helper()
	ws, resp, err := (&websocket.Dialer{Subprotocols: []string{"derp"}}).Dial("ws"+strings.TrimPrefix(url, "http")+"/derp", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	require.Equal(t, "derp", ws.Subprotocol())
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return greetRelay(t, &bytesOf{Conn: ws})
}

func TestReplicasShareOneRelayByEitherUpgrade(t *testing.T) {
	s := Start(t, Config{Replicas: 2, RateLimit: -1})
	a, b := joinRelay(t, "http://"+s.replicas[0].listener.Addr().String()), relayBySocket(t, "http://"+s.replicas[1].listener.Addr().String())
	a.send(b.key, "there")
	b.sees(derp.RecvPacket, a.key, "there")
	b.send(a.key, "and back")
	a.sees(derp.RecvPacket, b.key, "and back")
	st := s.Stats()
	require.Equal(t, 2, st.RelayClients)
	require.Equal(t, int64(2), st.RelayPackets)
	require.Equal(t, int64(len("there"+"and back")), st.RelayBytes)
	require.Zero(t, st.RelayDropped)
	require.NoError(t, s.StopReplica(1))
	a.sees(derp.PeerGone, b.key, "\x00")
}

func TestRelayClientsCanBeDropped(t *testing.T) {
	s := Start(t, Config{RelayRegions: 1, RateLimit: -1})
	joined := []*relayed{joinRelay(t, s.URL()), relayBySocket(t, s.URL()), joinRelay(t, "http://"+s.relays[0].listener.Addr().String())}
	require.Equal(t, 3, s.DropRelays())
	for _, c := range joined {
		_, _, err := c.r.Next()
		require.Error(t, err)
	}
	until(t, "the clients are forgotten", func() bool { return s.Stats().RelayClients == 0 })
	require.Zero(t, s.DropRelays())
	again := joinRelay(t, s.URL())
	require.Equal(t, 1, s.DropConnections(1))
	_, _, err := again.r.Next()
	require.Error(t, err)
}

func TestRegionsDoNotKnowOfEachOther(t *testing.T) {
	s := Start(t, Config{RelayRegions: 2, Workspaces: 1, RateLimit: -1})
	var seen struct {
		Map derpMapJSON `json:"derp_map"`
	}
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaceagents/connection", "").into(t, http.StatusOK, &seen)
	require.Equal(t, s.derpMap(), seen.Map)
	require.Len(t, seen.Map.Regions, 3)
	require.True(t, seen.Map.Regions["999"].EmbeddedRelay)
	var clients []*relayed
	for _, id := range []string{"999", "1001", "1002"} {
		node := seen.Map.Regions[id].Nodes[0]
		require.True(t, node.ForceHTTP)
		require.Equal(t, id, itoa(node.RegionID))
		clients = append(clients, joinRelay(t, fmt.Sprintf("http://%s:%d", node.HostName, node.DERPPort)))
	}
	for i, c := range clients {
		c.send(clients[(i+1)%3].key, "x")
		c.sees(derp.PeerGone, clients[(i+1)%3].key, "\x01")
	}
	message := s.derpMapMessage()
	require.Len(t, message.Regions, 3)
	require.Equal(t, int32(seen.Map.Regions["1002"].Nodes[0].DERPPort), message.Regions[1002].Nodes[0].DerpPort)
	require.Error(t, Config{RelayRegions: -1}.Validate())
}

func TestARelayIsNoPageAndMayRefuseItsOwnUpgrade(t *testing.T) {
	s := Start(t, Config{RelayByWebSocket: true, RateLimit: -1})
	ask(t, s, "", "GET", "/derp", "").says(t, http.StatusUpgradeRequired, "DERP requires connection upgrade")
	require.Equal(t, http.StatusOK, ask(t, s, "", "GET", "/derp/latency-check", "").status)
	_, resp := upgradeTo(t, s.URL(), "DERP")
	require.Equal(t, http.StatusUpgradeRequired, resp.StatusCode)
	_, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+"/derp", nil)
	require.Error(t, err)
	require.Equal(t, http.StatusUpgradeRequired, resp.StatusCode, "a WebSocket without the subprotocol")
	relayBySocket(t, s.URL())
}

func TestAFreezeHoldsPacketsBackAndLosesNone(t *testing.T) {
	s := Start(t, Config{RateLimit: -1})
	a, b := joinRelay(t, s.URL()), joinRelay(t, s.URL())
	s.Freeze()
	a.send(b.key, "x")
	require.Zero(t, s.Stats().RelayPackets)
	s.Thaw()
	b.sees(derp.RecvPacket, a.key, "x")
}

func TestAStreamOfBytesIsNoPlaceForText(t *testing.T) {
	s := Start(t, Config{RateLimit: -1})
	for what, send := range map[string]func(ws *websocket.Conn) error{
		"unexpected frame type": func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, []byte("x")) },
		"violation": func(ws *websocket.Conn) error {
			_, err := ws.NetConn().Write([]byte{0xf2, 0x80, 0, 0, 0, 0})
			return err
		},
	} {
		c := relayBySocket(t, s.URL())
		ws := c.conn.(*bytesOf).Conn
		require.NoError(t, ws.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Minute)))
		require.NoError(t, send(ws))
		_, _, err := ws.ReadMessage()
		require.ErrorContains(t, err, what)
	}
}
