package trafficapps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// stall is how long a client may take no bytes.
const stall = 30 * time.Second

// frames are buffers of connections, while they write.
var frames = &sync.Pool{}

// Handler serves an app.
type Handler struct {
	cfg Config

	mu      sync.Mutex
	leaving bool
	conns   map[*websocket.Conn]struct{}
	wg      sync.WaitGroup // of conns
}

// New makes an app. A negative rate is none.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg, conns: map[*websocket.Conn]struct{}{}}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	leaving := h.leaving
	h.mu.Unlock()
	switch {
	case leaving:
		http.Error(w, "the app is ending", http.StatusServiceUnavailable)
	case websocket.IsWebSocketUpgrade(r):
		h.upgrade(w, r)
	case r.URL.Path == "/healthz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // a client that has gone needs no answer
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		n, _ := io.Copy(io.Discard, r.Body) // a client that stops sending gets its answer all the same
		_, _ = fmt.Fprintf(w, "%s %s %q, %d bytes\n", h.cfg.Slug, r.Method, r.URL.Path, n)
	}
}

func (h *Handler) upgrade(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: frames,
		CheckOrigin: func(*http.Request) bool { return true }, // the deployment has checked it
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	if !h.enter(conn) {
		goAway(conn)
		_ = conn.Close() // it has just begun
		return
	}
	defer h.leave(conn)
	switch h.cfg.Slug {
	case Random:
		var sending sync.WaitGroup
		gone := make(chan struct{})
		sending.Go(func() { flood(conn, h.cfg.Rate, gone) })
		drop(conn)
		close(gone)
		_ = conn.Close() // so that it does not wait for a client that takes nothing
		sending.Wait()
	case Discard:
		drop(conn)
	default:
		if errors.Is(echo(conn), websocket.ErrCloseSent) {
			drop(conn) // until the client has said goodbye, too
		}
	}
}

func (h *Handler) enter(conn *websocket.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaving {
		return false
	}
	h.conns[conn] = struct{}{}
	h.wg.Add(1)
	return true
}

func (h *Handler) leave(conn *websocket.Conn) {
	_ = conn.Close() // whatever it has to say, nobody is there any more
	h.mu.Lock()
	delete(h.conns, conn)
	h.mu.Unlock()
	h.wg.Done()
}

// GoAway ends all connections and takes no more. Clients are told by close code 1001
// and may answer until ctx is done; then their connections are closed.
func (h *Handler) GoAway(ctx context.Context) {
	h.mu.Lock()
	h.leaving = true
	conns := make([]*websocket.Conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	var telling sync.WaitGroup
	for _, c := range conns {
		telling.Go(func() { goAway(c) }) // a message that is on its way holds one up
	}
	gone := make(chan struct{})
	go func() {
		h.wg.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		for _, c := range conns {
			_ = c.Close() // it had its time
		}
	}
	telling.Wait()
	<-gone
}

func goAway(conn *websocket.Conn) {
	reason := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the app is ending")
	_ = conn.WriteControl(websocket.CloseMessage, reason, time.Now().Add(time.Second)) // or it has gone already
}

// drop reads until the client has gone.
func drop(conn *websocket.Conn) {
	for {
		_, r, err := conn.NextReader()
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return
		}
	}
}

// echo sends back what comes, until the client has gone.
func echo(conn *websocket.Conn) error {
	in := &patient{conn: conn}
	for {
		kind, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		w, err := conn.NextWriter(kind)
		if err != nil {
			return err
		}
		in.Reader = r
		if _, err := io.Copy(w, in); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// patient gives the client its time anew with all that it sends: a message may be
// longer than what can be sent back in one piece.
type patient struct {
	io.Reader
	conn *websocket.Conn
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	_ = p.conn.SetWriteDeadline(time.Now().Add(stall)) // never fails
	return n, err
}
