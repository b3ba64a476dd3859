package coder_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// pipeListener accepts in-memory connections, so that a real HTTP server can
// run in a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipeClient is a client of a handler over in-memory connections.
func pipeClient(t testing.TB, cfg coder.Config, h http.Handler) *coder.Client {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{ErrorLog: discardLog(), Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Coder-Build-Version", "v2.37.0")
		h.ServeHTTP(w, req)
	})}
	go func() { _ = server.Serve(l) }()
	cfg.URL, cfg.Token, cfg.DialContext = "http://coder.test", testToken, l.dial
	cfg.Proxy = noProxy
	c, err := coder.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		c.CloseIdleConnections()
		_ = server.Close()
	})
	return c
}

// socket is a handler that upgrades, answers pings, and talks.
func socket(t testing.TB, talk func(req *http.Request, conn *websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Coder-Session-Token") != testToken {
			t.Error("no token on the upgrade")
		}
		conn, err := (&websocket.Upgrader{}).Upgrade(w, req, nil)
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			for {
				if _, _, err := conn.NextReader(); err != nil {
					return
				}
			}
		}()
		talk(req, conn)
		_ = conn.Close()
	}
}

// write sends a text message. A client that has hung up is no failure.
func write(conn *websocket.Conn, text string) {
	_ = conn.WriteMessage(websocket.TextMessage, []byte(text))
}

func bye(conn *websocket.Conn, code int, text string) {
	_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, text))
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
