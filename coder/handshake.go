package coder

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// Handshake opens a WebSocket with a dialer, such as that of [Client.Dialer], and
// gives up as soon as ctx is done. The dialer's own DialContext heeds the deadline
// of a context and not its end: a server that does not answer the upgrade holds it
// for as long as a handshake may take. The context bounds the handshake only.
func Handshake(ctx context.Context, d *websocket.Dialer, url string, header http.Header) (*websocket.Conn, *http.Response, error) {
	var stops []func() bool
	guard := func(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
		return func(dctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(dctx, network, address)
			if err == nil {
				stops = append(stops, context.AfterFunc(ctx, func() { _ = conn.Close() }))
			}
			return conn, err
		}
	}
	own := *d
	if own.NetDialContext == nil {
		own.NetDialContext = new(net.Dialer).DialContext
	}
	own.NetDialContext = guard(own.NetDialContext)
	if own.NetDialTLSContext != nil {
		own.NetDialTLSContext = guard(own.NetDialTLSContext)
	}
	conn, resp, err := own.DialContext(ctx, url, header)
	for _, stop := range stops {
		stop()
	}
	if err == nil && ctx.Err() != nil { // the connection may be closed already
		_ = conn.Close()
		return nil, nil, context.Cause(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return conn, resp, err
}
