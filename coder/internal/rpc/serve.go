package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/hashicorp/yamux"
	"storj.io/drpc"
	"storj.io/drpc/drpcserver"
)

// Handler answers calls: it receives from the stream, sends to it, and returns.
// An error ends the call with its text.
type Handler func(method string, s *Stream) error

// Peer is the server's side of a session.
type Peer struct{ mux *yamux.Session }

// Serve answers the calls of a session until it ends, and returns when all
// handlers have. It owns the connection. With ready it tells of the session when
// that has begun.
func Serve(ctx context.Context, conn io.ReadWriteCloser, h Handler, ready func(*Peer)) error {
	mux, err := yamux.Server(&coalesced{ReadWriteCloser: conn}, muxConfig())
	if err != nil {
		_ = conn.Close() // there is no use for it
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = mux.Close() })
	defer stop()
	if ready != nil {
		ready(&Peer{mux})
	}
	server := drpcserver.NewWithOptions(handler{h}, drpcserver.Options{Manager: managerOptions()})
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		stream, err := mux.AcceptStream()
		if err != nil {
			cancel()
			for _, end := range []error{io.EOF, yamux.ErrSessionShutdown, net.ErrClosed, io.ErrClosedPipe} {
				if errors.Is(err, end) {
					return nil
				}
			}
			return err
		}
		wg.Go(func() {
			_ = server.ServeOne(ctx, stream) // the client has ended it, or the session is over
		})
	}
}

// Ping asks the client for a sign of life.
func (p *Peer) Ping() error {
	_, err := p.mux.Ping()
	return err
}

// Close ends the session.
func (p *Peer) Close() error { return p.mux.Close() }

type handler struct{ handle Handler }

func (h handler) HandleRPC(s drpc.Stream, method string) error {
	return h.handle(method, &Stream{Stream: s})
}
