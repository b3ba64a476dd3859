package runners

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

var (
	socketOpen   = harness.NewAction("socket_open")
	socketReopen = harness.NewAction("socket_reopen")
	socketsLost  = harness.NewCounter("sockets_lost")
)

const (
	// socketSilence is after how long without a message or ping a socket counts
	// as lost: servers ping every 15 s.
	socketSilence = 75 * time.Second
	// socketLimit bounds one message. The largest are workspaces.
	socketLimit = 32 << 20
	// shortSocket is a socket that the server has not wanted to have.
	shortSocket = 250 * time.Millisecond
	// socketFarewell is how long control frames may take.
	socketFarewell = time.Second
)

// source is a connection on which only the server talks.
type source interface {
	// next waits for a message and hands it over. It returns io.EOF after a
	// regular end.
	next(told func(data []byte)) error
	Close() error
}

// socket is one that is open as long as its page is.
type socket struct {
	v    *visit
	name string // for the log
	ends bool   // the server ends it when there is no more to tell
	dial func(ctx context.Context) (source, error)
	told func(data []byte) // nil drops it
	// opened is where its opening is counted.
	opened harness.Action

	ctx    context.Context
	cancel context.CancelFunc
	held   *harness.Connection // nil before it was open
	mu     sync.Mutex
	conn   source
}

// socketSet are sockets that are closed together.
type socketSet struct {
	mu     sync.Mutex
	closed bool
	all    []*socket
	names  map[string]bool
}

// add returns false when the set is closed or has one of that name.
func (s *socketSet) add(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.names[k.name] {
		return false
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[k.name] = true
	s.all = append(s.all, k)
	return true
}

func (s *socketSet) close() {
	s.mu.Lock()
	all := s.all
	s.closed, s.all = true, nil
	s.mu.Unlock()
	for _, k := range all {
		k.close()
	}
}

// open opens a socket in the background. One of the same name is opened once.
func (v *visit) open(set *socketSet, k *socket) {
	if v.group.cfg.NoSockets || v.over.Load() {
		return
	}
	k.v = v
	k.ctx, k.cancel = context.WithCancel(v.ctx)
	if !set.add(k) {
		k.cancel()
		return
	}
	if k.opened == (harness.Action{}) {
		k.opened = socketOpen
	}
	wanted := time.Now()
	v.work.Go(func() { k.connect(wanted, k.opened, 0) })
}

// close ends the socket.
func (k *socket) close() {
	k.cancel()
	k.mu.Lock()
	conn := k.conn
	k.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // nothing more is wanted from it
	}
}

// connect opens the connection, and goes on trying until the page is left.
func (k *socket) connect(wanted time.Time, as harness.Action, inVain int) {
	for ; ; inVain++ {
		start := time.Now()
		conn, err := k.dial(k.ctx)
		end := time.Now()
		if k.ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			k.held.Close()
			return
		}
		switch {
		case coder.IsRateLimited(err):
			k.v.rec.Add(dashboardRateLimited, 1)
			k.v.putOff(err)
		case coder.IsUnauthorized(err):
			k.v.signedOut(err)
		case err != nil && absent(err):
			k.v.rec.Add(dashboardAbsent, 1)
			k.held.Close()
			return
		}
		k.v.rec.Record(as, end.Sub(wanted), end.Sub(start), err)
		if err == nil {
			if k.held == nil {
				k.held = k.v.rec.Connected()
			}
			k.held.Restored()
			k.mu.Lock()
			k.conn = conn
			k.mu.Unlock()
			if k.ctx.Err() != nil { // closed in between
				_ = conn.Close()
			}
			// A goroutine of its own: the stack of this one has grown.
			k.v.work.Go(func() { k.read(conn) })
			return
		}
		k.v.rec.Logf("%s: %v", k.name, err)
		if !k.pause(inVain) {
			k.held.Close()
			return
		}
	}
}

// pause waits before another attempt, and for as long as the server has asked.
func (k *socket) pause(inVain int) bool {
	wait := min(250*time.Millisecond<<min(inVain, 6), 10*time.Second)
	k.v.mu.Lock()
	wait = max(wait, time.Until(k.v.notBefore))
	k.v.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-k.ctx.Done():
		return false
	}
}

// read takes what the server tells until the connection ends.
func (k *socket) read(conn source) {
	opened := time.Now()
	for {
		err := conn.next(k.told)
		if err == nil {
			continue
		}
		_ = conn.Close()
		if k.ctx.Err() != nil || errors.Is(err, io.EOF) && k.ends {
			k.held.Close()
			return
		}
		k.held.Lost()
		k.v.rec.Add(socketsLost, 1)
		k.v.rec.Logf("%s: lost: %v", k.name, err)
		lost := time.Now()
		inVain := 0
		if lost.Sub(opened) < shortSocket {
			inVain = 3 // a server that hangs up at once need not be hurried
		}
		if k.pause(inVain) {
			k.v.work.Go(func() { k.connect(lost, socketReopen, 1) })
		} else {
			k.held.Close()
		}
		return
	}
}

// writeBuffers are shared by all sockets: they write nothing but control frames.
var writeBuffers sync.Pool

// webSocket opens a WebSocket.
func (v *visit) webSocket(ctx context.Context, path string) (source, error) {
	d := v.client.Dialer()
	d.ReadBufferSize, d.WriteBufferSize, d.WriteBufferPool = 1<<10, 1<<10, &writeBuffers
	header := v.header.Clone()
	v.client.Inject(ctx, header)
	header.Del("Accept")
	conn, resp, err := coder.Handshake(ctx, d, "ws"+strings.TrimPrefix(v.base, "http")+path, header)
	what := "open " + strings.SplitN(path, "?", 2)[0]
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, v.client.ResponseError(what, resp)
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	conn.SetReadLimit(socketLimit)
	_ = conn.SetReadDeadline(time.Now().Add(socketSilence)) // fails only on a closed connection
	conn.SetPingHandler(func(text string) error {
		_ = conn.SetReadDeadline(time.Now().Add(socketSilence))
		// If it can't be sent the read fails soon.
		_ = conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(socketFarewell))
		return nil
	})
	return wsSource{conn}, nil
}

type wsSource struct{ *websocket.Conn }

func (s wsSource) next(told func([]byte)) error {
	_, r, err := s.NextReader() // without a buffer while it waits
	if err != nil {
		if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			return io.EOF
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	_ = s.SetReadDeadline(time.Now().Add(socketSilence))
	return take(r, told)
}

// take reads one message.
func take(r io.Reader, told func([]byte)) error {
	if told == nil {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	buf := bodies.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= largestBody {
			buf.Reset()
			bodies.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(r); err != nil {
		return err
	}
	told(buf.Bytes())
	return nil
}

// Close says goodbye and hangs up.
func (s wsSource) Close() error {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.WriteControl(websocket.CloseMessage, bye, time.Now().Add(socketFarewell)) // polite, no more
	return s.Conn.Close()
}

// watch opens a watch by WebSocket, or as server-sent events on servers without.
func (v *visit) watch(ctx context.Context, socket, events string) (source, error) {
	if v.group.noSockets.Load() {
		return v.events(ctx, events)
	}
	s, err := v.webSocket(ctx, socket)
	if err == nil || !coder.IsUnsupported(err) {
		return s, err
	}
	if s, fallback := v.events(ctx, events); fallback == nil {
		v.group.noSockets.Store(true)
		return s, nil
	}
	return nil, err
}

// events opens a stream of server-sent events.
func (v *visit) events(ctx context.Context, path string) (source, error) {
	req, err := v.request(ctx, http.MethodGet, path, "")
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := v.client.Transport().RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	resp.Request = req
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return nil, v.client.ResponseError("open "+path, resp)
	}
	return &eventSource{body: resp.Body, r: bufio.NewReader(resp.Body)}, nil
}

type eventSource struct {
	body io.ReadCloser
	r    *bufio.Reader
}

// next takes one line: a server writes the data of an event in one.
func (s *eventSource) next(told func([]byte)) error {
	if _, err := s.r.Peek(1); err != nil { // without a buffer while it waits
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF // these have no regular end
		}
		return err
	}
	return take(&lineReader{r: s.r}, func(line []byte) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok && told != nil {
			told(bytes.TrimSpace(data))
		}
	})
}

func (s *eventSource) Close() error { return s.body.Close() }

// lineReader reads to the end of a line.
type lineReader struct {
	r    *bufio.Reader
	done bool
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.done {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		b, err := l.r.ReadByte()
		if err != nil {
			return n, err
		}
		if b == '\n' {
			l.done = true
			break
		}
		p[n] = b
		n++
	}
	return n, nil
}

// terminal opens a web terminal and reads what it shows.
func (v *visit) terminal(ctx context.Context, agent uuid.UUID) (source, error) {
	pty, err := v.client.PTY(ctx, agent, coder.PTYOptions{})
	if err != nil {
		return nil, err
	}
	return &ptySource{PTY: pty}, nil
}

type ptySource struct {
	*coder.PTY
	buf [512]byte
}

func (s *ptySource) next(func([]byte)) error {
	_, err := s.Read(s.buf[:])
	return err
}
