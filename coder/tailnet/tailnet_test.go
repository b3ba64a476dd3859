package tailnet_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/tailnet"
)

// roundTrip sends what it wants to have back.
func roundTrip(t *testing.T, c net.Conn, n int) {
	t.Helper()
	out, in := make([]byte, n), make([]byte, n)
	_, _ = rand.Read(out)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = c.Write(out) })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err := io.ReadFull(c, in)
	require.NoError(t, err)
	wg.Wait()
	require.Equal(t, out, in)
}

func TestManyAgentsAreReachedThroughOneNodeOnBothVersions(t *testing.T) {
	for _, version := range []string{"v2.37.0", "v2.26.0"} {
		t.Run(version, func(t *testing.T) {
			server, client := deploy(t, codertest.Config{Workspaces: 5, Version: version})
			n := open(t, tailnet.Config{Client: client})
			var wg sync.WaitGroup
			for i := range 5 {
				a := startAgent(t, server, client, fmt.Sprintf("admin/scaletest-%d", i), 0)
				a.serve(t, 7, echo)
				wg.Go(func() {
					c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					roundTrip(t, c, 100_000)
				})
				took, err := n.Ping(within(t, 20*time.Second), a.id)
				require.NoError(t, err)
				require.Positive(t, took)
			}
			wg.Wait()
			s := n.Stats()
			require.Equal(t, 5, s.Agents)
			require.Zero(t, s.Connections)
			require.EqualValues(t, 1, s.Coordinations)
			require.Len(t, s.Relays, 1)
			require.Equal(t, "coder", s.Relays[0].Name)
			require.Greater(t, s.Relays[0].BytesSent, int64(500_000))
			require.Greater(t, s.Relays[0].BytesReceived, int64(500_000))
		})
	}
}

func TestAgentsAreSharedByNodes(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 8})
	n := open(t, tailnet.Config{Client: client, Nodes: 3})
	for i := range 8 {
		a := startAgent(t, server, client, fmt.Sprintf("admin/scaletest-%d", i), 0)
		a.serve(t, 7, echo)
		c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
		require.NoError(t, err)
		roundTrip(t, c, 1000)
	}
	s := n.Stats()
	require.Equal(t, 8, s.Agents)
	require.Equal(t, 8, s.Connections)
	require.EqualValues(t, 3, s.Coordinations)
	require.Equal(t, 4+7, server.Stats().RelayClients-0, "three nodes and eight agents")
}

func TestConnectionsSurviveTheLossOfRelaysAndOfTheCoordination(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 1})
	a := startAgent(t, server, client, "admin/scaletest-0", 0)
	a.serve(t, 7, echo)
	n := open(t, tailnet.Config{Client: client})
	c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
	require.Positive(t, server.DropRelays())
	roundTrip(t, c, 100_000)
	require.Positive(t, server.DropCoordination())
	roundTrip(t, c, 100_000)
	require.Eventually(t, func() bool { return n.Stats().Coordinations >= 2 }, 20*time.Second, time.Millisecond)
	again, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	roundTrip(t, again, 1000)
	require.EqualValues(t, 1, n.Stats().Relays[0].Reconnects)
}

func TestARestartedAgentIsBackAsSoonAsItsProcessIs(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 1})
	first := startAgent(t, server, client, "admin/scaletest-0", 0)
	first.serve(t, 7, echo)
	n := open(t, tailnet.Config{Client: client})
	c, err := n.Dial(within(t, 20*time.Second), first.id, 7)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
	first.kill()
	second := startAgent(t, server, client, "admin/scaletest-0", 0)
	second.serve(t, 7, echo)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorContains(t, err, "the agent has restarted")
	again, err := n.Dial(within(t, 20*time.Second), first.id, 7)
	require.NoError(t, err)
	roundTrip(t, again, 1000)
	require.EqualValues(t, 1, n.Stats().AgentRestarts)
}

func TestAnAgentThatSaysGoodbyeEndsItsConnections(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 1})
	a := startAgent(t, server, client, "admin/scaletest-0", 0)
	a.serve(t, 7, echo)
	n := open(t, tailnet.Config{Client: client})
	c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
	a.stop()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestAgentsOfOtherRegionsAreReachedThere(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 2, RelayRegions: 1})
	n := open(t, tailnet.Config{Client: client})
	for i, home := range []int{999, 1001} {
		a := startAgent(t, server, client, fmt.Sprintf("admin/scaletest-%d", i), home)
		a.serve(t, 7, echo)
		c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
		require.NoError(t, err)
		roundTrip(t, c, 10_000)
	}
	require.Len(t, n.Stats().Relays, 2)
}

func TestReplicasAreOneTailnet(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 4, Replicas: 3})
	n := open(t, tailnet.Config{Client: client, Nodes: 2})
	var conns []net.Conn
	for i := range 4 {
		a := startAgent(t, server, client, fmt.Sprintf("admin/scaletest-%d", i), 0)
		a.serve(t, 7, echo)
		c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
		require.NoError(t, err)
		roundTrip(t, c, 1000)
		conns = append(conns, c)
	}
	require.NoError(t, server.StopReplica(1))
	for _, c := range conns { // whatever went through it goes through another
		roundTrip(t, c, 50_000)
	}
}

func TestTheTailnetIsReachedOverTLSBelowAPath(t *testing.T) {
	server, inside := deploy(t, codertest.Config{Workspaces: 1})
	to, err := url.Parse(server.URL())
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	transport := &http.Transport{}
	proxy.Transport = transport
	front := httptest.NewTLSServer(http.StripPrefix("/coder", proxy))
	defer transport.CloseIdleConnections()
	defer front.Close()
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	client, err := coder.New(coder.Config{URL: front.URL + "/coder", Token: server.OwnerToken(), TLS: &tls.Config{RootCAs: roots}})
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	a := startAgent(t, server, inside, "admin/scaletest-0", 0)
	a.serve(t, 7, echo)
	n, err := tailnet.Open(t.Context(), tailnet.Config{Client: client})
	require.NoError(t, err)
	defer n.Close()
	c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	roundTrip(t, c, 100_000)
}

func TestAPortWhereNothingListensRefuses(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 1})
	a := startAgent(t, server, client, "admin/scaletest-0", 0)
	n := open(t, tailnet.Config{Client: client})
	_, err := n.Dial(within(t, 20*time.Second), a.id, 9)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "dial port 9 of agent "+a.id.String())
}

func TestAnAgentThatMayNotBeReachedIsNamed(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 2, Users: 2})
	users, err := client.Users(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	var member *coder.Client
	for _, u := range users.Users {
		if u.Username == "scaletest-user-0" {
			token, err := client.CreateSessionKey(t.Context(), u.Username)
			require.NoError(t, err)
			member = client.WithToken(token)
		}
	}
	other := startAgent(t, server, client, "scaletest-user-1/scaletest-1", 0)
	other.serve(t, 7, echo)
	own := startAgent(t, server, client, "scaletest-user-0/scaletest-0", 0)
	own.serve(t, 7, echo)
	n := open(t, tailnet.Config{Client: member})
	_, err = n.Dial(within(t, 20*time.Second), other.id, 7)
	require.ErrorContains(t, err, "dial port 7 of agent "+other.id.String()+": the coordination refuses: ")
	c, err := n.Dial(within(t, 20*time.Second), own.id, 7)
	require.NoError(t, err)
	roundTrip(t, c, 100)
}

func TestATailnetThatCannotBeJoinedSaysWhy(t *testing.T) {
	_, client := deploy(t, codertest.Config{})
	_, err := tailnet.Open(t.Context(), tailnet.Config{Client: client.WithToken("0123456789-0123456789012345678901")})
	require.ErrorContains(t, err, "join the tailnet: ")
	require.True(t, coder.IsUnauthorized(err))
	_, err = tailnet.Open(t.Context(), tailnet.Config{Nodes: -1, Queue: -1})
	require.ErrorContains(t, err, "Client is not set")
	require.ErrorContains(t, err, "Nodes is -1, want 0 (one) to 256")
	require.ErrorContains(t, err, "Queue is -1")
}

func TestAClosedTailnetRefuses(t *testing.T) {
	_, client := deploy(t, codertest.Config{})
	n := open(t, tailnet.Config{Client: client})
	require.NoError(t, n.Close())
	require.NoError(t, n.Close())
	_, err := n.Dial(within(t, time.Second), uuid.New(), 1)
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = n.Ping(within(t, time.Second), uuid.New())
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestEventsTellOfLossesAndHoldNoKeys(t *testing.T) {
	server, client := deploy(t, codertest.Config{Workspaces: 1})
	var mu sync.Mutex
	var events []string
	var lost atomic.Bool
	a := startAgent(t, server, client, "admin/scaletest-0", 0)
	a.serve(t, 7, echo)
	n := open(t, tailnet.Config{Client: client, OnEvent: func(text string) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, text)
		lost.Store(true)
	}})
	c, err := n.Dial(within(t, 20*time.Second), a.id, 7)
	require.NoError(t, err)
	server.DropRelays()
	roundTrip(t, c, 10_000)
	server.DropCoordination()
	require.Eventually(t, func() bool { return n.Stats().Coordinations >= 2 }, 20*time.Second, time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	all := fmt.Sprint(events)
	require.Contains(t, all, "relay of region 999 lost")
	require.Contains(t, all, "coordination: ")
	require.NotRegexp(t, `[0-9a-f]{40}|[A-Za-z0-9+/]{43}=`, all)
}
