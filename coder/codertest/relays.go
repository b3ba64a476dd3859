package codertest

import (
	"net"
	"net/http"

	"github.com/coderscale/scaletest/coder/codertest/internal/relay"
	"github.com/coderscale/scaletest/coder/internal/derp"
)

// relayRegion is a relay at an address of its own.
type relayRegion struct {
	*replica
	id   int
	mesh *relay.Mesh
}

// firstRegion is the ID of the first of them.
const firstRegion = 1001

func (s *Server) newRelays() error {
	for i := range s.cfg.RelayRegions {
		r, err := s.newReplica(-1, "127.0.0.1:0")
		if err != nil {
			return err
		}
		region := &relayRegion{replica: r, id: firstRegion + i, mesh: relay.New(derp.NewPrivateKey())}
		mux := http.NewServeMux()
		s.relayOn(mux, region.mesh)
		s.publicOn(mux, "/", func(*call) (int, any) { return http.StatusNotFound, msg("Route not found.") })
		r.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveOn(mux, w, r) })
		s.relays = append(s.relays, region)
	}
	return nil
}

// meshes are those of all regions.
func (s *Server) meshes() []*relay.Mesh {
	out := []*relay.Mesh{s.relay}
	for _, r := range s.relays {
		out = append(out, r.mesh)
	}
	return out
}

// DropRelays resets the connections of all clients of relays, in every region. It
// returns how many these were.
func (s *Server) DropRelays() int {
	dropped := 0
	for _, m := range s.meshes() {
		for _, c := range m.Conns() {
			if r, ok := c.(resetter); ok { // others are within the process
				r.reset()
				dropped++
			}
		}
	}
	return dropped
}

// resetter is a connection that can be taken away as if it had never been.
type resetter interface{ reset() }

// relayOn registers what relays answer.
func (s *Server) relayOn(mux *http.ServeMux, m *relay.Mesh) {
	s.publicOn(mux, "GET /derp", func(c *call) (int, any) { return c.openRelay(m) })
	s.publicOn(mux, "GET /derp/latency-check", func(*call) (int, any) { return http.StatusOK, nil })
}

// openRelay upgrades a request to DERP, or to a WebSocket with DERP in it. Nobody
// is asked for a token: who has a key may use it.
func (c *call) openRelay(m *relay.Mesh) (int, any) {
	h := c.r.Header
	upgrade := hasToken(h, "Connection", "upgrade")
	switch {
	case upgrade && hasToken(h, "Upgrade", "derp") && !c.s.cfg.RelayByWebSocket:
		conn, early, err := c.switchTo("DERP")
		if err != nil {
			return handled, nil
		}
		c.s.wg.Go(func() { _ = m.Serve(&earlyConn{conn.(*trackedConn), early}) }) // the end of a client is no news
	case upgrade && hasToken(h, "Upgrade", "websocket") && hasToken(h, "Sec-WebSocket-Protocol", "derp"):
		if !c.mayUpgrade() {
			return handled, nil
		}
		c.w.Header().Set("Sec-WebSocket-Protocol", "derp")
		sock := c.openSocket()
		if sock == nil {
			return handled, nil
		}
		c.s.wg.Go(func() { _ = m.Serve(sock) }) // as above
	default:
		return http.StatusUpgradeRequired, page{"text/plain; charset=utf-8", "DERP requires connection upgrade\n"}
	}
	return handled, nil
}

// earlyConn is a connection of which something has been read already.
type earlyConn struct {
	*trackedConn
	early []byte
}

func (c *earlyConn) Read(b []byte) (int, error) {
	if len(c.early) == 0 {
		return c.trackedConn.Read(b)
	}
	n := copy(b, c.early)
	c.early = c.early[n:]
	return n, nil
}

var _ net.Conn = (*earlyConn)(nil)
