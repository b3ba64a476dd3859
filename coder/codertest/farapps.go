package codertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// countedFar counts what goes through.
type countedFar struct {
	io.ReadWriter
	messages, bytes *atomic.Int64
}

func (c countedFar) Read(b []byte) (int, error) {
	n, err := c.ReadWriter.Read(b)
	c.add(n)
	return n, err
}

func (c countedFar) Write(b []byte) (int, error) {
	n, err := c.ReadWriter.Write(b)
	c.add(n)
	return n, err
}

func (c countedFar) add(n int) {
	if n > 0 {
		c.messages.Add(1)
		c.bytes.Add(int64(n))
	}
}

const (
	idleToApp     = 6 // connections that are kept for another request
	idleToAppTime = 10 * time.Minute
)

// farApps reaches the apps of agents that are not played here. The host of a
// request is the agent's ID, and the port that of the app.
func (s *Server) farApps() *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: idleToApp, IdleConnTimeout: idleToAppTime, DisableCompression: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			id, err := uuid.Parse(host)
			if err != nil {
				return nil, err
			}
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, err
			}
			n, err := s.node()
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, farDialTime)
			defer cancel()
			return n.Dial(ctx, id, uint16(number))
		},
	}
}

// port is where the app of a request listens.
func (q appRequest) port(mode AppMode) string {
	if isPort(q.slug) {
		return strings.TrimSuffix(q.slug, "s")
	}
	return itoa(firstAppPort + int(mode))
}

// proxyFarApp hands a request to an app in the tailnet.
func (c *call) proxyFarApp(id uuid.UUID, mode AppMode, q appRequest) (int, any) {
	stats := &c.s.apps
	if c.r.Header.Get("Coder-Session-Token") != "" {
		stats.tokens.Add(1)
	}
	stats.requests.Add(1)
	proxy := &httputil.ReverseProxy{
		Transport: c.s.toApps,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.Path, r.Out.URL.RawPath = "http", net.JoinHostPort(id.String(), q.port(mode)), q.rest, ""
			r.Out.URL.RawQuery = r.In.URL.RawQuery // Rewrite has taken out what can't be parsed
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Host = r.In.Host
			withoutCookies(r.Out)
			if r.Out.Body != nil {
				r.Out.Body = readCounted{r.Out.Body, &stats.received}
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode == http.StatusSwitchingProtocols {
				c.w.(*countedWriter).count(resp.StatusCode)
				stats.open.Add(1)
				stats.opened.Add(1)
				resp.Body = &farSocket{ReadWriteCloser: resp.Body.(io.ReadWriteCloser), hub: stats}
				return nil
			}
			resp.Body = readCounted{resp.Body, &stats.sent}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			status, body := appProblem(http.StatusBadGateway, "Bad Gateway", fmt.Sprintf("Failed to proxy request to application: %v", err))
			write(w, status, body)
		},
		ErrorLog: silent,
	}
	proxy.ServeHTTP(c.w, c.r)
	return handled, nil
}

// withoutCookies takes Coder's own away.
func withoutCookies(r *http.Request) {
	all := r.Cookies()
	r.Header.Del("Cookie")
	for _, k := range all {
		if ownCookie(k.Name) {
			continue
		}
		r.AddCookie(k)
	}
}

func ownCookie(name string) bool { return strings.HasPrefix(name, "coder_") || name == "csrf_token" }

// readCounted counts what is read of a body.
type readCounted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (r readCounted) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.n.Add(int64(n))
	return n, err
}

// farSocket is a WebSocket of an app in the tailnet. What goes through counts
// with the headers of its frames.
type farSocket struct {
	io.ReadWriteCloser
	hub  *appHub
	gone atomic.Bool
}

func (f *farSocket) Read(b []byte) (int, error) {
	n, err := f.ReadWriteCloser.Read(b)
	f.hub.sent.Add(int64(n))
	return n, err
}

func (f *farSocket) Write(b []byte) (int, error) {
	n, err := f.ReadWriteCloser.Write(b)
	f.hub.received.Add(int64(n))
	return n, err
}

func (f *farSocket) Close() error {
	if !f.gone.Swap(true) {
		f.hub.open.Add(-1)
	}
	return f.ReadWriteCloser.Close()
}
