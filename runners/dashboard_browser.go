package runners

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// browser makes the calls of one person over connections that stay open, as
// browsers do. net/http reads and writes the messages; but its transport keeps
// two goroutines and two buffers with each idle connection, ten times what the
// connection itself takes, and people at the dashboard are mostly idle.
type browser struct {
	transport *http.Transport // how to get there
	host      string          // of the deployment
	slots     chan struct{}

	mu     sync.Mutex
	idle   []net.Conn
	closed bool
}

func newBrowser(t *http.Transport, base *url.URL, connections int) *browser {
	return &browser{transport: t, host: base.Scheme + "://" + base.Host, slots: make(chan struct{}, connections)}
}

var (
	requestBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 1<<10) }}
	answerBuffers  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	unzippers      = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

// errStale is a connection that the server has closed while it was idle.
var errStale = errors.New("the server has closed the connection")

// do sends a request and reads all of the answer's body into buf, which is also
// the body of what it returns. A connection that was closed while it was idle is
// replaced.
func (b *browser) do(req *http.Request, buf *bytes.Buffer) (*http.Response, error) {
	ctx := req.Context()
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.transport.Proxy != nil {
		if proxy, err := b.transport.Proxy(req); err != nil || proxy != nil {
			return b.byTransport(req, buf)
		}
	}
	req.Header.Set("Accept-Encoding", "gzip")
	for {
		conn, used, err := b.take(ctx, req.URL)
		if err != nil {
			return nil, err
		}
		resp, keep, err := converse(ctx, conn, req, buf)
		if err == nil {
			b.put(conn, req.URL, keep)
			return resp, nil
		}
		_ = conn.Close()
		if !used || !errors.Is(err, errStale) || ctx.Err() != nil {
			return nil, err
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// byTransport is for what goes by a proxy.
func (b *browser) byTransport(req *http.Request, buf *bytes.Buffer) (*http.Response, error) {
	resp, err := b.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	_, err = buf.ReadFrom(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(buf.Bytes()))
	return resp, err
}

// take returns an idle connection, or a new one.
func (b *browser) take(ctx context.Context, u *url.URL) (conn net.Conn, used bool, err error) {
	if u.Scheme+"://"+u.Host == b.host {
		b.mu.Lock()
		if n := len(b.idle); n > 0 {
			conn, b.idle = b.idle[n-1], b.idle[:n-1]
			b.mu.Unlock()
			return conn, true, nil
		}
		b.mu.Unlock()
	}
	conn, err = b.dial(ctx, u)
	return conn, false, err
}

// put keeps a connection to the deployment for the next call.
func (b *browser) put(conn net.Conn, u *url.URL, keep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !keep || b.closed || u.Scheme+"://"+u.Host != b.host {
		_ = conn.Close()
		return
	}
	b.idle = append(b.idle, conn)
}

// close closes the connections.
func (b *browser) close() {
	b.mu.Lock()
	idle := b.idle
	b.idle, b.closed = nil, true
	b.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
}

// dial connects as the transport would.
func (b *browser) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	t := b.transport
	secure := u.Scheme == "https"
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[secure]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if secure && t.DialTLSContext != nil {
		return t.DialTLSContext(ctx, "tcp", address)
	}
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil || !secure {
		return conn, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	config.NextProtos = []string{"http/1.1"}
	if t.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
	}
	over := tls.Client(conn, config)
	if err := over.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", u.Host, err)
	}
	return over, nil
}

// converse sends a request and reads the answer. Keep is whether the connection
// can be used again.
func converse(ctx context.Context, conn net.Conn, req *http.Request, buf *bytes.Buffer) (resp *http.Response, keep bool, err error) {
	undisturbed := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !undisturbed() {
			keep = false
			if err != nil {
				err = ctx.Err()
			}
		}
	}()
	w := requestBuffers.Get().(*bufio.Writer)
	w.Reset(conn)
	defer func() {
		w.Reset(nil)
		requestBuffers.Put(w)
	}()
	if err := req.Write(w); err != nil {
		return nil, false, fmt.Errorf("%w: %w", errStale, err)
	}
	if err := w.Flush(); err != nil {
		return nil, false, fmt.Errorf("%w: %w", errStale, err)
	}
	r := answerBuffers.Get().(*bufio.Reader)
	r.Reset(conn)
	defer func() {
		r.Reset(nil)
		answerBuffers.Put(r)
	}()
	if _, err := r.Peek(1); err != nil {
		return nil, false, fmt.Errorf("%w: %w", errStale, err)
	}
	for {
		if resp, err = http.ReadResponse(r, req); err != nil {
			return nil, false, err
		}
		if resp.StatusCode >= http.StatusOK {
			break
		}
	}
	if err := readBody(resp, buf); err != nil {
		return nil, false, err
	}
	return resp, !resp.Close && r.Buffered() == 0, nil
}

// readBody reads all of a body.
func readBody(resp *http.Response, buf *bytes.Buffer) error {
	defer func() { resp.Body = io.NopCloser(bytes.NewReader(buf.Bytes())) }()
	if resp.Header.Get("Content-Encoding") != "gzip" {
		_, err := buf.ReadFrom(resp.Body)
		return err
	}
	unzip := unzippers.Get().(*gzip.Reader)
	defer unzippers.Put(unzip)
	if err := unzip.Reset(resp.Body); err != nil {
		return err
	}
	if _, err := buf.ReadFrom(unzip); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, resp.Body) // to the end of the message
	return err
}
