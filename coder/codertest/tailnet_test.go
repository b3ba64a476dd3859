package codertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

func TestAVersionOfTheTailnetIsRefusedThatTheServerDoesNotSpeak(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"2.0": "", "2.11": "", "1.0": "no longer supported", "2.12": "behind requested minor version 2.12",
		"3.0": "behind requested major version 3.0", "": "invalid version string", "2": "invalid", "2.x": "invalid",
	} {
		got := unsupportedVersion(version, "2.11")
		if want == "" {
			require.Empty(t, got, version)
		}
		require.Contains(t, got, want, version)
	}
}

func TestWhoMayNotJoinTheTailnetIsTold(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, Users: 2, RateLimit: -1})
	at := "/api/v2/workspaceagents/" + agentOf(s, "scaletest-user-0/scaletest-0").id.String() + "/coordinate"
	ask(t, s, "", "GET", at, "").says(t, 401, "signed out")
	ask(t, s, s.OwnerToken(), "GET", at, "").says(t, 400, "no longer supported")
	ask(t, s, s.OwnerToken(), "GET", at+"?version=2.0", "").says(t, 426, "Upgrade")
	ask(t, s, memberToken(t, s, "scaletest-user-1"), "GET", at+"?version=2.0", "").says(t, 404, "")
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/tailnet?version=2.99", "").says(t, 400, "behind requested minor version")
	for _, token := range []string{"x", "%", "aGVsbG8", s.tailnet.resumeToken(uuid.New(), now().Add(-time.Second))} {
		for _, path := range []string{"/api/v2/tailnet?version=2.0", at + "?version=2.0"} {
			a := ask(t, s, s.OwnerToken(), "GET", path+"&resume_token="+url.QueryEscape(token), "")
			a.says(t, 401, `"field":"resume_token"`)
		}
	}
}

// joined is a client that speaks with the tailnet's API.
type joined struct {
	t testing.TB
	*rpc.Session
	peers *rpc.Stream
}

func join(t testing.TB, s *Server, path, token string) *joined {
	t.Helper()
	header := http.Header{"Coder-Session-Token": {token}}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+path, header)
	require.NoError(t, err)
	session, err := rpc.Client(&bytesOf{Conn: ws})
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return &joined{t: t, Session: session}
}

// coordinate begins the call.
func (j *joined) coordinate() {
	j.t.Helper()
	var err error
	j.peers, err = j.Stream(context.Background(), tailnetService+"Coordinate")
	require.NoError(j.t, err)
	j.t.Cleanup(func() { _ = j.peers.Close() })
}

func (j *joined) tells(r *tailnetpb.CoordinateRequest) {
	j.t.Helper()
	require.NoError(j.t, j.peers.Send(r))
}

// hears waits for the next update.
func (j *joined) hears(k tailnetpb.CoordinateResponse_PeerUpdate_Kind) *tailnetpb.CoordinateResponse_PeerUpdate {
	j.t.Helper()
	var r tailnetpb.CoordinateResponse
	require.NoError(j.t, j.peers.Recv(&r))
	require.Len(j.t, r.PeerUpdates, 1, "%v", &r)
	require.Equal(j.t, k, r.PeerUpdates[0].Kind)
	return r.PeerUpdates[0]
}

// isRefused waits for a last response and the end.
func (j *joined) isRefused(why string) {
	j.t.Helper()
	var r tailnetpb.CoordinateResponse
	for r.Error == "" { // an agent may have been introduced before
		r.Reset()
		require.NoError(j.t, j.peers.Recv(&r))
	}
	require.Contains(j.t, r.Error, why)
	require.Error(j.t, j.peers.Recv(&r))
}

func tunnelTo(id uuid.UUID) *tailnetpb.CoordinateRequest {
	return &tailnetpb.CoordinateRequest{AddTunnel: &tailnetpb.CoordinateRequest_Tunnel{Id: id[:]}}
}

func TestATunnelToAnAgentThatIsNotYoursEndsTheCall(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, Users: 2, RateLimit: -1})
	mine, yours := agentOf(s, "scaletest-user-0/scaletest-0").id, agentOf(s, "scaletest-user-1/scaletest-1").id
	member := memberToken(t, s, "scaletest-user-0")
	all, one := "/api/v2/tailnet?version=2.0", "/api/v2/workspaceagents/"+mine.String()+"/coordinate?version=2.0"
	for _, x := range []struct {
		path, token string
		to          uuid.UUID
		ok          bool
	}{
		{all, member, mine, true}, {all, member, yours, false}, {all, s.OwnerToken(), yours, true},
		{all, s.OwnerToken(), uuid.New(), false}, {one, member, mine, true}, {one, s.OwnerToken(), yours, false},
	} {
		j := join(t, s, x.path, x.token)
		j.coordinate()
		j.tells(tunnelTo(x.to))
		if !x.ok {
			j.isRefused("add a tunnel")
			continue
		}
		j.tells(&tailnetpb.CoordinateRequest{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: mine[:]}}})
		j.isRefused("only agents")
	}
	until(t, "only the two agents are left", func() bool { return s.tailnet.Peers() == 2 })
}

func TestAClientIsToldWhereRelaysAreAndComesBackAsTheSamePeer(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RelayRegions: 1, RateLimit: -1})
	j := join(t, s, "/api/v2/tailnet", s.OwnerToken())
	ctx, cancel := context.WithCancel(t.Context())
	maps, err := j.Stream(ctx, tailnetService+"StreamDERPMaps")
	require.NoError(t, err)
	require.NoError(t, maps.Send(&tailnetpb.StreamDERPMapsRequest{}))
	var m tailnetpb.DERPMap
	require.NoError(t, maps.Recv(&m))
	require.True(t, proto.Equal(s.derpMapMessage(), &m))
	cancel()
	_ = maps.Close()
	require.NoError(t, j.Call(t.Context(), tailnetService+"PostTelemetry", &emptypb.Empty{}, &emptypb.Empty{}))
	require.ErrorContains(t, j.Call(t.Context(), "/x/y", &emptypb.Empty{}, &emptypb.Empty{}), "unknown rpc")
	var token tailnetpb.RefreshResumeTokenResponse
	require.NoError(t, j.Call(t.Context(), tailnetService+"RefreshResumeToken", &tailnetpb.RefreshResumeTokenRequest{}, &token))
	require.WithinDuration(t, time.Now().Add(resumeTime), token.ExpiresAt.AsTime(), time.Minute)
	id, err := s.tailnet.resumed(token.Token, now())
	require.NoError(t, err)
	require.Equal(t, 1, s.DropCoordination())
	<-j.Done()
	again := join(t, s, "/api/v2/tailnet?version=2.0&resume_token="+token.Token, s.OwnerToken())
	require.NoError(t, again.Call(t.Context(), tailnetService+"RefreshResumeToken", &tailnetpb.RefreshResumeTokenRequest{}, &token))
	same, err := s.tailnet.resumed(token.Token, now())
	require.NoError(t, err)
	require.Equal(t, id, same)
}

func TestAClientThatDoesNotAnswerIsHungUpOn(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, PingInterval: 20 * time.Millisecond})
	header := http.Header{"Coder-Session-Token": {s.OwnerToken()}}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+"/api/v2/tailnet", header)
	require.NoError(t, err)
	defer ws.Close()
	ws.SetPingHandler(func(string) error { return nil })
	_, _, err = ws.ReadMessage()
	require.ErrorContains(t, err, "liveness probe failed")
}

func FuzzResumeToken(f *testing.F) {
	var h tailnetHub
	h.init()
	id := uuid.New()
	f.Add(h.resumeToken(id, time.Unix(0, 0)))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := h.resumed(token, time.Unix(1, 0))
		require.Error(t, err)
	})
}

func FuzzTailnetSocket(f *testing.F) {
	f.Add([]byte{0x82, 0x81, 0, 0, 0, 0, 'x'})
	f.Add([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xe8})
	f.Fuzz(func(t *testing.T, b []byte) {
		near, far := tcpPair(t)
		set := newConnSet()
		c := &socketConn{conn: &trackedConn{TCPConn: far, set: set, faults: &faults{}}, early: b, over: make(chan struct{})}
		require.NoError(t, near.Close())
		n, _ := io.Copy(io.Discard, c) // whatever it ends with
		require.LessOrEqual(t, int(n), len(b))
		_ = c.Close()
	})
}

func tcpPair(t testing.TB) (near, far *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	a, err := l.Accept()
	require.NoError(t, err)
	return c.(*net.TCPConn), a.(*net.TCPConn)
}
