package coder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// streamIdle is after how long without a message or ping a stream counts
	// as lost. Servers ping every 15 seconds as long as they are answered.
	streamIdle = 75 * time.Second
	// streamLimit bounds one message. The largest are workspaces.
	streamLimit = 32 << 20
	// farewell is how long the close frame may take.
	farewell = time.Second
)

// stream is a connection on which the server talks and we listen.
type stream struct {
	*mailbox
	close func() // ends the connection and waits for its reader
}

// openStream opens a WebSocket with the repeats and waits that a GET has.
func (c *Client) openStream(ctx context.Context, action string, path []string, query url.Values, limit int) (*stream, error) {
	u, err := c.resolve(path, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	if err := c.SignIn(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	r := c.newRetrier(call{action: action, method: http.MethodGet, repeatable: true})
	for {
		conn, bypassed, err := c.dial(ctx, action, u)
		if err == nil {
			return c.listen(ctx, action, conn, limit), nil
		}
		if err = r.next(ctx, err, bypassed); err != nil {
			return nil, err
		}
	}
}

func (c *Client) dial(ctx context.Context, action string, u *url.URL) (conn *websocket.Conn, bypassed bool, err error) {
	header := c.shared.header.Clone()
	c.Inject(ctx, header)
	bypassed = c.authorize(header)
	conn, resp, err := Handshake(ctx, c.Dialer(), u.String(), header)
	if err == nil {
		return conn, bypassed, nil
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, bypassed, c.responseError(action, resp)
	}
	return nil, bypassed, c.transportError(action, err)
}

// listen starts the reader. A WebSocket always needs one, because that is
// what answers pings.
func (c *Client) listen(ctx context.Context, action string, conn *websocket.Conn, limit int) *stream {
	box := newMailbox(limit)
	conn.SetReadLimit(streamLimit)
	alive := func() { _ = conn.SetReadDeadline(time.Now().Add(streamIdle)) } // fails only on a closed connection
	conn.SetPingHandler(func(text string) error {
		alive()
		err := conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(farewell))
		if errors.Is(err, websocket.ErrCloseSent) || isTimeout(err) {
			return nil
		}
		return err
	})
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			alive()
			_, data, err := conn.ReadMessage()
			if err != nil {
				box.end(c.streamEnd(action, err))
				return
			}
			box.put(message{data: data})
		}
	}()
	return &stream{mailbox: box, close: func() {
		stop()
		bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(farewell)) // polite, no more
		_ = conn.Close()
		<-gone
	}}
}

// streamEnd turns the error of a reader into io.EOF for a regular end, or
// else into an error that says how the stream broke.
func (c *Client) streamEnd(action string, err error) error {
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || closed.Code == websocket.CloseAbnormalClosure {
		return c.transportError(action, err)
	}
	if closed.Code == websocket.CloseNormalClosure {
		return io.EOF
	}
	reason := "the server closed the stream with code " + strconv.Itoa(closed.Code)
	if closed.Text != "" {
		reason += " (" + scrub(printable(closed.Text, 123), c.reveal()) + ")"
	}
	return &TransportError{Action: action, Host: c.base.Scheme + "://" + c.base.Host, Reason: reason, Err: closed}
}

// Stream yields the messages of any WebSocket of the deployment on which only
// the server talks, such as the dashboard's inbox. The path begins at the
// access URL and may have a query. When the consumer is slow, the oldest of
// more than 256 waiting messages are dropped. The sequence ends when the
// server closes regularly; an error is the last thing that it yields. It does
// not reconnect.
//
// GET {path} (WebSocket)
func (c *Client) Stream(ctx context.Context, path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		action := "listen on " + redactURL(path)
		segments, query, err := splitPath(path)
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", action, err))
			return
		}
		s, err := c.openStream(ctx, action, segments, query, 256)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.close()
		for {
			m, err := s.take(ctx, 0)
			switch {
			case isEnd(err):
				return
			case err != nil:
				yield(nil, withAction(ctx, action, err))
				return
			case !yield(m.data, nil):
				return
			}
		}
	}
}

// isEnd tells the regular end of a stream from a lost connection, whose cause
// can be a wrapped io.EOF.
func isEnd(err error) bool { return err == io.EOF }

// withAction names the action of a context's error.
func withAction(ctx context.Context, action string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, action, nil)
	}
	return err
}
