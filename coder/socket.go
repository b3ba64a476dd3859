package coder

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coderscale/scaletest/internal/wsconn"
)

// Socket is a WebSocket whose binary messages are a stream of bytes, as those of
// the tailnet's and the agents' RPC are. One goroutine may read while others
// write. Somebody must read as long as it is open, or the server takes it for
// dead after 30 seconds.
type Socket struct{ conn *wsconn.Bytes }

// Socket opens a WebSocket at a path below the access URL, which may have a
// query: "/api/v2/tailnet?version=2.0". The action is for errors: what is
// attempted, such as "join the tailnet". The context bounds the opening only. An
// upgrade that is refused is repeated as a GET is.
//
// GET {path}
func (c *Client) Socket(ctx context.Context, action, path string) (*Socket, error) {
	segments, query, err := splitPath(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	u, err := c.resolve(segments, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	r := c.newRetrier(call{action: action, method: http.MethodGet, repeatable: true})
	for {
		conn, bypassed, err := c.upgrade(ctx, action, u)
		if err == nil {
			return &Socket{conn: conn.Bytes(streamIdle)}, nil
		}
		if err = r.next(ctx, err, bypassed); err != nil {
			return nil, err
		}
	}
}

// Read gives the payload of messages. It fails when nothing has come for 75 s:
// servers ping every 15.
func (s *Socket) Read(b []byte) (int, error) { return s.conn.Read(b) }

// Write sends b in a message.
func (s *Socket) Write(b []byte) (int, error) { return s.conn.Write(b) }

// Close says goodbye, if the server listens, and ends the connection.
func (s *Socket) Close() error { return s.conn.Close() }
