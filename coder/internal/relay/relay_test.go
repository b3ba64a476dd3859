package relay_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/internal/derp"
	"github.com/coderscale/scaletest/coder/internal/relay"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, cfg coder.Config) *coder.Client {
	c, err := coder.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// talk sends a packet from one connection to another.
func talk(t *testing.T, dial func() (io.ReadWriteCloser, error)) {
	t.Helper()
	var keys []derp.Key
	var readers []*derp.Reader
	var conns []io.ReadWriteCloser
	for range 2 {
		c, err := dial()
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		r, k := derp.NewReader(c, 4096), derp.NewPrivateKey()
		require.NoError(t, derp.Greet(c, r, k, true))
		keys, readers, conns = append(keys, k.Public()), append(readers, r), append(conns, c)
	}
	packet := []byte(strings.Repeat("packet", 1000))
	_, err := conns[0].Write(derp.AppendFrame(nil, derp.SendPacket, keys[1][:], packet))
	require.NoError(t, err)
	for {
		typ, body, err := readers[1].Next()
		require.NoError(t, err)
		if typ == derp.RecvPacket {
			require.Equal(t, keys[0][:], body[:32])
			require.Equal(t, packet, body[32:])
			return
		}
	}
}

// front is a reverse proxy that speaks TLS, below a path.
func front(t *testing.T, target, path string) *httptest.Server {
	to, err := url.Parse(target)
	require.NoError(t, err)
	p := httputil.NewSingleHostReverseProxy(to)
	transport := &http.Transport{}
	p.Transport = transport
	s := httptest.NewTLSServer(http.StripPrefix(path, p))
	t.Cleanup(func() {
		s.Close()
		transport.CloseIdleConnections()
	})
	return s
}

func trust(s *httptest.Server) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{RootCAs: roots}
}

func TestTheDeploymentsRelayIsReached(t *testing.T) {
	for name, byWebSocket := range map[string]bool{"by an upgrade": false, "by a WebSocket where the upgrade is refused": true} {
		t.Run(name, func(t *testing.T) {
			server := codertest.Start(t, codertest.Config{RelayByWebSocket: byWebSocket})
			d, err := relay.New(t.Context(), newClient(t, coder.Config{URL: server.URL(), Token: server.OwnerToken()}))
			require.NoError(t, err)
			require.Equal(t, 999, d.Home())
			require.True(t, d.Has(999))
			require.Equal(t, "coder", d.Name(999))
			talk(t, func() (io.ReadWriteCloser, error) { return d.Dial(t.Context(), 999) })
		})
	}
}

func TestTheDeploymentsRelayIsReachedOverTLSBelowAPathAndThroughAProxy(t *testing.T) {
	for name, byWebSocket := range map[string]bool{"upgrade": false, "WebSocket": true} {
		t.Run(name, func(t *testing.T) {
			server := codertest.Start(t, codertest.Config{RelayByWebSocket: byWebSocket})
			tlsServer := front(t, server.URL(), "/coder")
			proxy, tunnels := connectProxy(t)
			client := newClient(t, coder.Config{
				URL: tlsServer.URL + "/coder", Token: server.OwnerToken(), TLS: trust(tlsServer),
				Proxy: func(*http.Request) (*url.URL, error) { return proxy, nil },
			})
			d, err := relay.New(t.Context(), client)
			require.NoError(t, err)
			before := tunnels.Load()
			talk(t, func() (io.ReadWriteCloser, error) { return d.Dial(t.Context(), 999) })
			require.Greater(t, tunnels.Load(), before)
		})
	}
}

// connectProxy is a proxy for TLS. It counts its tunnels.
func connectProxy(t *testing.T) (*url.URL, *atomic.Int64) {
	var tunnels atomic.Int64
	var wg sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		tunnels.Add(1)
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n\r\n")
		_ = rw.Flush()
		for _, p := range [][2]net.Conn{{up, c}, {c, up}} {
			wg.Go(func() {
				_, _ = io.Copy(p[0], p[1])
				_ = up.Close()
				_ = c.Close()
			})
		}
	}))
	t.Cleanup(func() {
		s.Close()
		wg.Wait()
	})
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u, &tunnels
}

func TestOtherRegionsAreReachedWithoutTheToken(t *testing.T) {
	server := codertest.Start(t, codertest.Config{RelayRegions: 2})
	d, err := relay.New(t.Context(), newClient(t, coder.Config{URL: server.URL(), Token: server.OwnerToken()}))
	require.NoError(t, err)
	for _, region := range []int{999, 1001, 1002} {
		require.True(t, d.Has(region))
		talk(t, func() (io.ReadWriteCloser, error) { return d.Dial(t.Context(), region) })
	}
}

func TestNeitherTheDeploymentsRelayNorAnotherSeesTheToken(t *testing.T) {
	var seen atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, values := range r.Header {
			for _, v := range values {
				if strings.Contains(v, "s3cr3tTokn") {
					seen.Add(1)
				}
			}
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s.Close()
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	port := u.Port()
	client := newClient(t, coder.Config{URL: s.URL, Token: "s3cr3tTokn-s3cr3tTokns3cr3tToknxx"})
	n, err := net.LookupPort("tcp", port)
	require.NoError(t, err)
	d, err := relay.FromInfo(client, coder.ConnectionInfo{DERPMap: coder.DERPMap{Regions: map[int]coder.DERPRegion{
		999: {EmbeddedRelay: true}, 5: {RegionID: 5, Nodes: []coder.DERPNode{{HostName: u.Hostname(), DERPPort: n, ForceHTTP: true}}},
	}}})
	require.NoError(t, err)
	for _, region := range []int{999, 5} {
		_, err = d.Dial(t.Context(), region)
		require.ErrorContains(t, err, "403 Forbidden")
	}
	require.Zero(t, seen.Load())
}

func TestWhatCannotBeReachedIsNamed(t *testing.T) {
	client := newClient(t, coder.Config{URL: "http://127.0.0.1:1", Token: "x"})
	_, err := relay.FromInfo(client, coder.ConnectionInfo{})
	require.ErrorContains(t, err, "the deployment has no relay")
	d, err := relay.FromInfo(client, coder.ConnectionInfo{DERPMap: coder.DERPMap{Regions: map[int]coder.DERPRegion{
		7: {RegionID: 7, Nodes: []coder.DERPNode{{HostName: "stun.example.com", STUNOnly: true}}},
		8: {RegionID: 8, Avoid: true, Nodes: []coder.DERPNode{{HostName: "127.0.0.1", DERPPort: 1, ForceHTTP: true}}},
		9: {RegionID: 9, Nodes: []coder.DERPNode{{HostName: "127.0.0.1", DERPPort: 1, ForceHTTP: true}}},
	}}})
	require.NoError(t, err)
	require.Equal(t, 9, d.Home())
	require.False(t, d.Has(7))
	require.Equal(t, "8", d.Name(8))
	for region, want := range map[int]string{7: "the deployment's map does not have it", 9: "connection refused"} {
		_, err := d.Dial(t.Context(), region)
		require.ErrorContains(t, err, want)
	}
}

func TestAnUpdateWithoutRelaysIsNotTaken(t *testing.T) {
	client := newClient(t, coder.Config{URL: "http://127.0.0.1:1", Token: "x"})
	d, err := relay.FromProto(client, &tailnetpb.DERPMap{Regions: map[int64]*tailnetpb.DERPMap_Region{999: {EmbeddedRelay: true, RegionCode: "coder"}}}, false)
	require.NoError(t, err)
	d.Update(&tailnetpb.DERPMap{})
	require.True(t, d.Has(999))
	d.Update(&tailnetpb.DERPMap{Regions: map[int64]*tailnetpb.DERPMap_Region{5: {Nodes: []*tailnetpb.DERPMap_Region_Node{{HostName: "a"}}}}})
	require.True(t, d.Has(5))
	require.False(t, d.Has(999))
}

func TestARelayThatDoesNotAnswerIsNotWaitedForBeyondTheContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client := newClient(t, coder.Config{URL: "http://" + l.Addr().String(), Token: "x"})
	d, err := relay.FromInfo(client, coder.ConnectionInfo{DERPMap: coder.DERPMap{Regions: map[int]coder.DERPRegion{999: {EmbeddedRelay: true}}}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("enough"))
	defer cancel()
	_, err = d.Dial(ctx, 999)
	require.ErrorContains(t, err, "enough")
}

func FuzzMap(f *testing.F) {
	seed, err := proto.Marshal(&tailnetpb.DERPMap{Regions: map[int64]*tailnetpb.DERPMap_Region{
		999: {EmbeddedRelay: true, RegionCode: "coder"},
		7:   {RegionId: 7, Avoid: true, Nodes: []*tailnetpb.DERPMap_Region_Node{{HostName: "relay.example.com", DerpPort: 8443}}},
	}})
	require.NoError(f, err)
	f.Add(seed)
	client, err := coder.New(coder.Config{URL: "http://127.0.0.1:1"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m tailnetpb.DERPMap
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		d, err := relay.FromProto(client, &m, false)
		if err != nil {
			return
		}
		require.True(t, d.Has(d.Home()))
		d.Update(&m)
		require.True(t, d.Has(d.Home()))
	})
}
