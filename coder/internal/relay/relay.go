// Package relay opens connections to the DERP relays of a deployment: to its own
// at its URL, with the client's proxies, TLS settings and headers, and to those of
// other regions at the addresses that its map has.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
	"github.com/coderscale/scaletest/internal/wsconn"
)

// dialTimeout bounds an attempt at one relay.
const dialTimeout = 15 * time.Second

// Dialer opens connections to relays. It is safe for use by many goroutines.
type Dialer struct {
	client *coder.Client // without a token: relays ask for none

	mu      sync.Mutex
	regions map[int]coder.DERPRegion
	noDERP  map[int]bool // regions behind something that passes WebSockets only
}

// New reads the map from the deployment, with the client's token.
func New(ctx context.Context, client *coder.Client) (*Dialer, error) {
	info, err := client.AgentConnectionInfo(ctx, uuid.Nil)
	if err != nil {
		return nil, err
	}
	return FromInfo(client, info)
}

// FromInfo takes the map from an answer of the deployment.
func FromInfo(client *coder.Client, info coder.ConnectionInfo) (*Dialer, error) {
	d := &Dialer{client: client.WithToken(""), regions: map[int]coder.DERPRegion{}, noDERP: map[int]bool{}}
	for id, r := range info.DERPMap.Regions {
		if r.EmbeddedRelay || len(relays(r)) > 0 {
			d.regions[id] = r
			d.noDERP[id] = info.DERPForceWebSockets
		}
	}
	if len(d.regions) == 0 {
		return nil, errors.New("the deployment has no relay: its DERP map is empty, so that agents can only be reached directly, which this client does not do; enable the built-in DERP server (CODER_DERP_SERVER_ENABLE)")
	}
	return d, nil
}

// FromProto takes the map from an agent's manifest.
func FromProto(client *coder.Client, m *tailnetpb.DERPMap, forceWebSockets bool) (*Dialer, error) {
	return FromInfo(client, coder.ConnectionInfo{DERPForceWebSockets: forceWebSockets, DERPMap: coder.DERPMap{Regions: regionsOf(m)}})
}

// Update takes a new map. One without relays is not taken: it would be the end of
// everything.
func (d *Dialer) Update(m *tailnetpb.DERPMap) {
	regions := regionsOf(m)
	for id, r := range regions {
		if !r.EmbeddedRelay && len(relays(r)) == 0 {
			delete(regions, id)
		}
	}
	if len(regions) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.regions = regions
}

// maxRegions and maxRelays bound what is taken of a map.
const (
	maxRegions = 1000
	maxRelays  = 100
)

func regionsOf(m *tailnetpb.DERPMap) map[int]coder.DERPRegion {
	out := map[int]coder.DERPRegion{}
	for id, r := range m.GetRegions() {
		if len(out) == maxRegions {
			break
		}
		region := coder.DERPRegion{
			RegionID: int(id), RegionCode: r.GetRegionCode(), RegionName: r.GetRegionName(), Avoid: r.GetAvoid(), EmbeddedRelay: r.GetEmbeddedRelay(),
		}
		for _, n := range r.GetNodes()[:min(len(r.GetNodes()), maxRelays)] {
			region.Nodes = append(region.Nodes, coder.DERPNode{
				Name: n.GetName(), RegionID: int(n.GetRegionId()), HostName: n.GetHostName(), CertName: n.GetCertName(),
				IPv4: n.GetIpv4(), IPv6: n.GetIpv6(), STUNPort: int(n.GetStunPort()), STUNOnly: n.GetStunOnly(),
				DERPPort: int(n.GetDerpPort()), ForceHTTP: n.GetForceHttp(), InsecureForTests: n.GetInsecureForTests(),
			})
		}
		out[int(id)] = region
	}
	return out
}

// relays are the nodes that relay.
func relays(r coder.DERPRegion) []coder.DERPNode {
	var out []coder.DERPNode
	for _, n := range r.Nodes {
		if !n.STUNOnly && n.HostName != "" {
			out = append(out, n)
		}
	}
	return out
}

// Home is the region to be at home in: the deployment's own, else the one with
// the lowest number that is not to be avoided.
func (d *Dialer) Home() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	home, avoided := 0, 0
	for id, r := range d.regions {
		switch {
		case r.EmbeddedRelay:
			return id
		case r.Avoid:
			if avoided == 0 || id < avoided {
				avoided = id
			}
		case home == 0 || id < home:
			home = id
		}
	}
	if home == 0 {
		return avoided
	}
	return home
}

// Has reports whether there is such a region.
func (d *Dialer) Has(region int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.regions[region]
	return ok
}

// Name is a region's code, such as "coder", or its number.
func (d *Dialer) Name(region int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.regions[region]; ok && r.RegionCode != "" {
		return r.RegionCode
	}
	return strconv.Itoa(region)
}

// Dial opens a connection to the relay of a region. The protocol begins on it. It
// is asked for by `Upgrade: DERP`, and by a WebSocket where something in between
// refuses that.
func (d *Dialer) Dial(ctx context.Context, region int) (io.ReadWriteCloser, error) {
	d.mu.Lock()
	r, ok := d.regions[region]
	d.mu.Unlock()
	fail := func(err error) (io.ReadWriteCloser, error) {
		return nil, fmt.Errorf("connect to the relay of region %d: %w", region, err)
	}
	if !ok {
		return fail(errors.New("the deployment's map does not have it"))
	}
	if r.EmbeddedRelay {
		if err := d.client.SignIn(ctx); err != nil {
			return fail(err)
		}
		header := http.Header{}
		d.client.AuthHeader(header)
		c, err := d.open(ctx, region, d.client.Transport(), d.client.URL().JoinPath("derp"), header)
		if err != nil {
			return fail(err)
		}
		return c, nil
	}
	var errs []error
	for _, n := range relays(r) { // any one of them serves the region
		c, err := d.open(ctx, region, d.transport(n), nodeURL(n), http.Header{})
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fail(errors.Join(errs...))
}

func nodeURL(n coder.DERPNode) *url.URL {
	u := &url.URL{Scheme: "https", Host: n.HostName, Path: "/derp"}
	if n.ForceHTTP {
		u.Scheme = "http"
	}
	if n.DERPPort > 0 {
		u.Host = net.JoinHostPort(n.HostName, strconv.Itoa(n.DERPPort))
	}
	return u
}

// transport is the client's, with what the map says of the certificate.
func (d *Dialer) transport(n coder.DERPNode) *http.Transport {
	t := d.client.Transport()
	if n.CertName == "" && !n.InsecureForTests {
		return t
	}
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if n.CertName != "" {
		t.TLSClientConfig.ServerName = n.CertName
	}
	t.TLSClientConfig.InsecureSkipVerify = n.InsecureForTests
	return t
}

// open tries both ways, beginning with the one that has worked.
func (d *Dialer) open(ctx context.Context, region int, rt http.RoundTripper, u *url.URL, header http.Header) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d.mu.Lock()
	webSocket := d.noDERP[region]
	d.mu.Unlock()
	if !webSocket {
		c, refused, err := upgrade(ctx, rt, u, header)
		if !refused {
			return c, err
		}
	}
	c, err := dialWebSocket(ctx, rt, u, header)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.noDERP[region] = true
	d.mu.Unlock()
	return c, nil
}

// upgrade reports refused where an answer came that was not the relay's.
func upgrade(ctx context.Context, rt http.RoundTripper, u *url.URL, header http.Header) (c io.ReadWriteCloser, refused bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, false, err
	}
	req.Header = header.Clone()
	conn, pre, resp, err := wsconn.Upgrade(ctx, rt, req, "DERP", nil)
	switch {
	case err != nil:
		return nil, false, err
	case resp != nil:
		_ = resp.Body.Close() // the status says it all
		if resp.StatusCode >= http.StatusInternalServerError {
			return nil, false, fmt.Errorf("%s answered %s", u.Redacted(), resp.Status)
		}
		return nil, true, nil
	}
	return &early{Conn: conn, pre: pre}, false, nil
}

func dialWebSocket(ctx context.Context, rt http.RoundTripper, u *url.URL, header http.Header) (io.ReadWriteCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	req.Header.Set("Sec-WebSocket-Protocol", "derp")
	conn, resp, err := wsconn.Dial(ctx, rt, req)
	if err != nil {
		return nil, err
	}
	if resp != nil {
		_ = resp.Body.Close() // the status says it all
		return nil, fmt.Errorf("%s answered %s to an upgrade to DERP and to a WebSocket: there is no relay, or a proxy in between lets neither through", u.Redacted(), resp.Status)
	}
	return conn.Bytes(0), nil
}

// early gives what came with the handshake first.
type early struct {
	net.Conn
	pre []byte
}

func (c *early) Read(b []byte) (int, error) {
	if len(c.pre) > 0 {
		n := copy(b, c.pre)
		if c.pre = c.pre[n:]; len(c.pre) == 0 {
			c.pre = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}
