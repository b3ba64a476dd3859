package coder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/internal/wsconn"
)

// PTYOptions configure a web terminal.
type PTYOptions struct {
	// Session is the terminal's identity: the same one attaches to the same
	// terminal again, for as long as its process lives. The zero value is a new
	// terminal.
	Session uuid.UUID
	// Width and Height are the window's size in characters; 0 means 80 by 25.
	Width, Height uint16
	// Command is run by the user's shell. Empty is the login shell itself.
	Command string
	// Backend is "buffered", "screen", or empty for the server's choice.
	// "screen" redraws what it shows, so its output can't be compared with its
	// input. Servers before 2.26 ignore the wish.
	Backend string
	// BaseURL is the URL of a workspace proxy to go through. Nil goes to the
	// deployment itself. The terminal is opened with a token that the deployment
	// signs for the proxy (it is valid for a minute), or with the client's own
	// where it signs none.
	BaseURL *url.URL
}

// PTY is an open web terminal: a client of the agent's reconnecting PTY. Read
// gives what the terminal shows, Write types. Somebody must read as long as it
// is open, or the server takes it for dead after 30 seconds.
type PTY struct {
	conn    *wsconn.Conn
	session uuid.UUID
}

// PTY opens a web terminal of an agent. The context bounds the opening only.
// An upgrade that is refused with 429 is repeated as a GET is.
//
// GET /api/v2/workspaceagents/{workspaceagent}/pty
func (c *Client) PTY(ctx context.Context, agent uuid.UUID, o PTYOptions) (*PTY, error) {
	action := "open terminal of agent " + agent.String()
	if o.Session == uuid.Nil {
		o.Session = uuid.New()
	}
	if o.Width == 0 {
		o.Width = 80
	}
	if o.Height == 0 {
		o.Height = 25
	}
	q := url.Values{
		"reconnect": {o.Session.String()},
		"width":     {strconv.Itoa(int(o.Width))},
		"height":    {strconv.Itoa(int(o.Height))},
	}
	if o.Command != "" {
		q.Set("command", o.Command)
	}
	if o.Backend != "" {
		q.Set("backend_type", o.Backend)
	}
	u, err := c.resolve([]string{"api", "v2", "workspaceagents", agent.String(), "pty"}, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	if o.BaseURL != nil {
		if u, err = c.proxyTerminal(ctx, o.BaseURL, agent, u.Query()); err != nil {
			return nil, fmt.Errorf("%s: %w", action, err)
		}
	}
	if err := c.SignIn(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	r := c.newRetrier(call{action: action, method: http.MethodGet, repeatable: true})
	for {
		conn, bypassed, err := c.upgrade(ctx, action, u)
		if err == nil {
			return &PTY{conn: conn, session: o.Session}, nil
		}
		if err = r.next(ctx, err, bypassed); err != nil {
			return nil, err
		}
	}
}

// upgrade opens a WebSocket for the hot path.
func (c *Client) upgrade(ctx context.Context, action string, u *url.URL) (conn *wsconn.Conn, bypassed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, false, c.at(u).transportError(action, err)
	}
	req.Header = c.shared.header.Clone()
	c.Inject(ctx, req.Header)
	bypassed = c.authorize(req.Header)
	conn, resp, err := wsconn.Dial(ctx, c.transport, req)
	switch {
	case err != nil:
		return nil, bypassed, c.at(u).transportError(action, err)
	case resp != nil:
		return nil, bypassed, c.responseError(action, resp)
	}
	return conn, bypassed, nil
}

// Session identifies the terminal, to attach to it again.
func (p *PTY) Session() uuid.UUID { return p.session }

// Read gives what the terminal shows. After the end it returns an error that
// [PTYEnded] explains.
func (p *PTY) Read(b []byte) (int, error) { return p.conn.Read(b) }

// Write types b. What is not UTF-8 can't be typed and becomes U+FFFD.
func (p *PTY) Write(b []byte) (int, error) {
	if _, err := p.conn.Write(AppendPTYInput(nil, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Resize changes the window's size, in characters. Neither may be 0.
func (p *PTY) Resize(width, height uint16) error {
	if width == 0 || height == 0 {
		return fmt.Errorf("resize terminal to %dx%d: the server ignores a size of 0", width, height)
	}
	msg := fmt.Appendf(nil, "{\"height\":%d,\"width\":%d}\n", height, width)
	_, err := p.conn.Write(wsconn.AppendFrame(nil, wsconn.Binary, ptyMask, msg))
	return err
}

// SetReadDeadline bounds the next reads.
func (p *PTY) SetReadDeadline(t time.Time) error { return p.conn.SetReadDeadline(t) }

// Stream is the terminal for a hot path: reading is as in [PTY.Read], and
// writing takes input that [AppendPTYInput] has framed before. It implements
// traffic's ScratchReader and, over plain TCP, its TryWriter. Use it or the
// PTY's own Read, not both.
func (p *PTY) Stream() io.ReadWriter { return p.conn.Stream() }

// Close leaves the terminal. Its process goes on, and can be attached to for
// another five minutes.
func (p *PTY) Close() error { return p.conn.Close() }

// ptyMask masks the frames that are made in advance.
const ptyMask = 0x5bd1e995

// AppendPTYInput appends the frame that types input: a binary WebSocket frame
// with the JSON object {"data":"..."} and a newline, as the official client
// sends it.
func AppendPTYInput(dst, input []byte) []byte {
	msg := make([]byte, 0, len(input)+16)
	msg = append(msg, `{"data":`...)
	msg = appendJSONString(msg, input)
	msg = append(msg, "}\n"...)
	return wsconn.AppendFrame(dst, wsconn.Binary, ptyMask, msg)
}

func appendJSONString(dst, s []byte) []byte {
	quoted, _ := json.Marshal(string(s)) // a string can't fail
	return append(dst, quoted...)
}

// PTYEnd is how a terminal's connection came to its end.
type PTYEnd int

// What [PTYEnded] tells apart.
const (
	// PTYLost is a connection that broke: attach to the same session again.
	PTYLost PTYEnd = iota
	// PTYExited is a process that ended, or input that was not JSON: the server
	// closes with 1000 for both.
	PTYExited
	// PTYDropped is a connection that ended without a close frame. Servers up
	// to 2.26 end a terminal whose process exited in this way, so attach again
	// only when the process should still be there.
	PTYDropped
	// PTYUnreachable is an agent that the server could not connect to.
	PTYUnreachable
)

// PTYEnded classifies what Read returned at the end.
func PTYEnded(err error) PTYEnd {
	if closed, ok := errors.AsType[*wsconn.CloseError](err); ok {
		switch closed.Code {
		case 1000:
			return PTYExited
		case 1011:
			return PTYUnreachable
		}
		return PTYLost // 1001: no answer to pings, or the server goes away
	}
	if errors.Is(err, io.EOF) {
		return PTYDropped
	}
	return PTYLost
}

// String names the end.
func (e PTYEnd) String() string {
	switch e {
	case PTYExited:
		return "the process ended"
	case PTYDropped:
		return "the server dropped the connection"
	case PTYUnreachable:
		return "the server could not reach the agent"
	}
	return "the connection was lost"
}
