package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"google.golang.org/protobuf/proto"
	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcmanager"
	"storj.io/drpc/drpcwire"
)

// Message is what is sent and received.
type Message = proto.Message

const (
	// maxMessage is the longest message that is taken, as on the server.
	maxMessage = 4 << 20
	// callTimeout bounds a call whose context does not.
	callTimeout = 30 * time.Second
	writeLimit  = 10 * time.Second
	// maxOpening is how many streams a session opens at the same time.
	maxOpening = 8
)

// Session is a connection on which calls are made. It is safe for use by many
// goroutines.
type Session struct {
	mux *yamux.Session

	mu     sync.Mutex // one call at a time
	unary  *yamux.Stream
	lastID uint64 // of a call on it
}

// Client begins a session on a connection and owns it from then on.
func Client(conn io.ReadWriteCloser) (*Session, error) {
	cfg := muxConfig()
	cfg.AcceptBacklog = maxOpening // no server opens streams
	mux, err := yamux.Client(&coalesced{ReadWriteCloser: conn}, cfg)
	if err != nil {
		_ = conn.Close() // there is no use for it
		return nil, err
	}
	return &Session{mux: mux}, nil
}

func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	c.EnableKeepAlive = false // the WebSocket's pings do that, and the server's own
	c.ConnectionWriteTimeout = writeLimit
	return c
}

// Rest closes the stream of calls, which the next call opens again. A session
// that calls seldom needs half a kilobyte less meanwhile, and one on the server's
// side much more.
func (s *Session) Rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropUnary()
}

func (s *Session) dropUnary() {
	if s.unary != nil {
		_ = s.unary.Close() // nobody waits for anything on it
		s.unary = nil
	}
}

// cause prefers the end of the context to what it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *Session) open() (*drpcconn.Conn, error) {
	stream, err := s.mux.Open()
	if err != nil {
		return nil, err
	}
	return drpcconn.NewWithOptions(stream, drpcconn.Options{Manager: managerOptions()}), nil
}

func managerOptions() drpcmanager.Options {
	return drpcmanager.Options{Reader: drpcwire.ReaderOptions{MaximumBufferSize: maxMessage}}
}

// Stream is a call that sends and receives any number of messages. One goroutine
// may send while another receives.
type Stream struct {
	drpc.Stream
	conn *drpcconn.Conn
}

// Stream begins a call on a stream of its own. It ends with its context.
func (s *Session) Stream(ctx context.Context, method string) (*Stream, error) {
	c, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	st, err := c.NewStream(ctx, method, Encoding{})
	if err != nil {
		_ = c.Close() // it has failed
		return nil, fmt.Errorf("%s: %w", method, cause(ctx, err))
	}
	return &Stream{Stream: st, conn: c}, nil
}

// Send sends a message.
func (s *Stream) Send(m Message) error { return s.MsgSend(m, Encoding{}) }

// Recv waits for a message. It is io.EOF when the other side has ended the call.
func (s *Stream) Recv(m Message) error { return s.MsgRecv(m, Encoding{}) }

// CloseSend says that no more is sent.
func (s *Stream) CloseSend() error { return s.Stream.CloseSend() }

// Close ends the call and its stream.
func (s *Stream) Close() error {
	if s.conn == nil {
		return s.Stream.Close()
	}
	return errors.Join(s.Stream.Close(), s.conn.Close())
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Ping asks the other side for a sign of life.
func (s *Session) Ping() (time.Duration, error) { return s.mux.Ping() }

// Close ends the session, its streams and its connection.
func (s *Session) Close() error { return s.mux.Close() }

// Encoding puts protobuf messages on the wire.
type Encoding struct{}

// Marshal implements drpc.Encoding.
func (Encoding) Marshal(m drpc.Message) ([]byte, error) { return proto.Marshal(m.(Message)) }

// MarshalAppend spares DRPC a buffer for each message.
func (Encoding) MarshalAppend(b []byte, m drpc.Message) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(b, m.(Message))
}

// Unmarshal implements drpc.Encoding.
func (Encoding) Unmarshal(b []byte, m drpc.Message) error { return proto.Unmarshal(b, m.(Message)) }
