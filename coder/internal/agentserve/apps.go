package agentserve

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// App is a web app that the agent serves.
type App struct {
	// Slug says what it does with WebSockets, as in Coder's templates for load
	// tests: wsec sends back what comes, wsra sends random bytes and drops what
	// comes, wsdi drops it. All others send back.
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

const (
	floodMessage = 512
	// stall is how long a client may take no bytes.
	stall = 30 * time.Second
)

// random is what wsra sends.
var random = sync.OnceValue(func() []byte {
	b := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{'w', 's', 'r', 'a'}).Read(b) // never fails
	return b
})

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
		Handler:           appHandler{app.Slug},
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

type appHandler struct{ slug string }

// ServeHTTP implements http.Handler.
func (h appHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		n, _ := io.Copy(io.Discard, r.Body) // a client that stops sending gets its answer all the same
		_, _ = fmt.Fprintf(w, "%s %s %q, %d bytes\n", h.slug, r.Method, r.URL.Path, n)
		return
	}
	up := websocket.Upgrader{
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: frames,
		CheckOrigin: func(*http.Request) bool { return true }, // the deployment has checked it
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.Close()
	switch h.slug {
	case "wsra":
		done := make(chan struct{})
		go func() {
			flood(conn)
			close(done)
		}()
		_ = drop(conn) // until the client has gone
		_ = conn.Close()
		<-done
	case "wsdi":
		_ = drop(conn) // as above
	default:
		_ = echo(conn) // as above
	}
}

var frames = &sync.Pool{}

func drop(conn *websocket.Conn) error {
	for {
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
	}
}

func echo(conn *websocket.Conn) error {
	for {
		kind, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		w, err := conn.NextWriter(kind)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		if err := errors.Join(err, conn.SetWriteDeadline(time.Now().Add(stall)), w.Close()); err != nil {
			return err
		}
	}
}

// flood sends as fast as the client takes it.
func flood(conn *websocket.Conn) {
	defer conn.Close()
	text := random()
	for at := 0; ; at = (at + floodMessage) % len(text) {
		if conn.SetWriteDeadline(time.Now().Add(stall)) != nil || conn.WriteMessage(websocket.BinaryMessage, text[at:at+floodMessage]) != nil {
			return
		}
	}
}
