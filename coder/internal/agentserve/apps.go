package agentserve

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/internal/trafficapps"
)

// App is a web app that the agent serves.
type App struct {
	// Slug says what it does with WebSockets, see package trafficapps. wsra sends as
	// fast as it is read.
	Slug string
	Port uint16
}

// PortOf takes the port out of an app's URL, as the agent sees it. It is 0 for
// what is not served by the agent itself.
func PortOf(raw string) uint16 {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return 0
	}
	if h := u.Hostname(); h != "localhost" && !net.ParseIP(h).IsLoopback() {
		return 0
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// handoff is a listener for connections that are accepted elsewhere.
type handoff struct {
	conns chan net.Conn
	done  <-chan struct{}
}

// Accept implements net.Listener.
func (h handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It ends with the server.
func (handoff) Close() error { return nil }

// Addr implements net.Listener.
func (handoff) Addr() net.Addr { return &net.TCPAddr{} }

// noticed says when a connection has been closed by whoever has it.
type noticed struct {
	net.Conn
	once sync.Once
	gone chan struct{}
}

// Close implements io.Closer.
func (n *noticed) Close() error {
	n.once.Do(func() { close(n.gone) })
	return n.Conn.Close()
}

// appServer serves the connections of an app, plain HTTP and WebSockets.
func (s *Server) appServer(app App) func(net.Conn) {
	h := handoff{conns: make(chan net.Conn), done: s.ctx.Done()}
	srv := &http.Server{
		Handler:           trafficapps.New(trafficapps.Config{Slug: app.Slug}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	s.wg.Go(func() {
		_ = srv.Serve(h) // until the server ends
		_ = srv.Close()  // its connections are closed with the others
	})
	return func(c net.Conn) {
		defer s.opened(func(c *Counters) *atomic.Int64 { return &c.Apps })()
		n := &noticed{Conn: c, gone: make(chan struct{})}
		select {
		case h.conns <- n:
		case <-s.ctx.Done():
			return
		}
		<-n.gone
	}
}
