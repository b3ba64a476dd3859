package codertest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
)

// proxyApp hands a request to the app, as a reverse proxy does.
func (c *call) proxyApp(home *agentHome, mode AppMode, q appRequest) (int, any) {
	stats := &c.s.apps
	if c.r.Header.Get("Coder-Session-Token") != "" {
		stats.tokens.Add(1)
	}
	stats.requests.Add(1)
	if hasToken(c.r.Header, "Connection", "upgrade") && hasToken(c.r.Header, "Upgrade", "websocket") {
		return c.openAppSocket(home, mode)
	}
	if !home.pass(c.r.Context().Done()) {
		return handled, nil // nobody waits any more
	}
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if mode == AppEcho && c.r.ContentLength != 0 {
		return c.echoBody()
	}
	n, _ := io.Copy(io.Discard, c.r.Body) // a client that stops sending gets its answer all the same
	stats.received.Add(n)
	written, _ := io.WriteString(c.w, c.tell(mode, q)) // the client may be gone
	stats.sent.Add(int64(written))
	return handled, nil
}

// echoBody sends the body back while it comes.
func (c *call) echoBody() (int, any) {
	if t := c.r.Header.Get("Content-Type"); t != "" {
		c.w.Header().Set("Content-Type", t)
	}
	if c.r.ContentLength > 0 {
		c.w.Header().Set("Content-Length", fmt.Sprint(c.r.ContentLength))
	}
	_ = http.NewResponseController(c.w).EnableFullDuplex() // HTTP/2 needs no asking
	n, _ := io.Copy(c.w, c.r.Body)                         // either side may end it
	c.s.apps.received.Add(n)
	c.s.apps.sent.Add(n)
	return handled, nil
}

// tell is what the app says of a request without a body: what arrived of it,
// with the headers that the proxy has a hand in.
func (c *call) tell(mode AppMode, q appRequest) string {
	var b strings.Builder
	uri := q.rest
	if c.r.URL.RawQuery != "" {
		uri += "?" + c.r.URL.RawQuery
	}
	fmt.Fprintf(&b, "%s %s %s host=%s\n", mode, c.r.Method, uri, c.r.Host)
	from, _, _ := net.SplitHostPort(c.r.RemoteAddr)
	if via := c.r.Header.Get("X-Forwarded-For"); via != "" {
		from = via + ", " + from
	}
	fmt.Fprintf(&b, "X-Forwarded-For: %s\nX-Forwarded-Proto: http\n", from)
	if t := c.r.Header.Get("Coder-Session-Token"); t != "" {
		fmt.Fprintf(&b, "Coder-Session-Token: %s\n", t)
	}
	if c.r.Header.Get("Cookie") != "" {
		var kept []string
		for _, k := range c.r.Cookies() {
			if !ownCookie(k.Name) {
				kept = append(kept, k.String())
			}
		}
		fmt.Fprintf(&b, "Cookie: %s\n", strings.Join(kept, "; "))
	}
	return b.String()
}

func (c *call) openAppSocket(home *agentHome, mode AppMode) (int, any) {
	if c.r.Header.Get("Sec-WebSocket-Version") != "13" || c.r.Header.Get("Sec-WebSocket-Key") == "" {
		return http.StatusBadRequest, page{"text/plain; charset=utf-8", "Bad Request\n"}
	}
	if !home.pass(c.r.Context().Done()) {
		return handled, nil
	}
	conn, early, err := c.hijack()
	if err != nil {
		return handled, nil
	}
	ac := &appConn{input: input{conn: conn.(*trackedConn)}, hub: &c.s.apps, home: home, mode: mode}
	if !home.add(ac) {
		_ = conn.Close() // the agent has gone in the meantime
		return handled, nil
	}
	c.s.apps.add(ac)
	c.s.wg.Go(func() { ac.serve(early) })
	return handled, nil
}

// appHub counts what apps do.
type appHub struct {
	server           *Server
	requests, tokens atomic.Int64
	received, sent   atomic.Int64 // of HTTP, and of sockets that are gone
	open, opened     atomic.Int64
	mu               sync.Mutex
	conns            map[*appConn]struct{}
	once             sync.Once
	random           []byte
}

func (h *appHub) add(c *appConn) {
	h.open.Add(1)
	h.opened.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns == nil {
		h.conns = map[*appConn]struct{}{}
	}
	h.conns[c] = struct{}{}
}

func (h *appHub) remove(c *appConn) {
	h.open.Add(-1)
	h.mu.Lock()
	delete(h.conns, c)
	h.received.Add(c.received.Load())
	h.sent.Add(c.sent.Load())
	h.mu.Unlock()
	c.home.remove(c)
}

// traffic is what apps were sent and sent back, by HTTP and by sockets.
func (h *appHub) traffic() (received, sent int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	received, sent = h.received.Load(), h.sent.Load()
	for c := range h.conns {
		received += c.received.Load()
		sent += c.sent.Load()
	}
	return received, sent
}

const (
	floodMessage = 512
	floodFrames  = 32
	floodBytes   = floodMessage * floodFrames // of payload in one write
)

// frames are what an app that floods sends at a time.
func (h *appHub) frames() []byte {
	h.once.Do(func() {
		rng := rand.New(rand.NewPCG(h.server.cfg.Seed, 0x666c6f6f64))
		for range floodFrames {
			h.random = wsframe.AppendHeader(h.random, 0x80|wsframe.Binary, floodMessage)
			for range floodMessage {
				h.random = append(h.random, byte(rng.Uint32()))
			}
		}
	})
	return h.random
}

// AppSawSessionToken is how many requests handed a Coder session token to an app
// in the header Coder-Session-Token, which Coder forwards. Templates and their
// apps are not trusted with it, so a client should leave it out: a signed cookie
// or the session cookie is enough.
func (s *Server) AppSawSessionToken() int64 { return s.apps.tokens.Load() }
