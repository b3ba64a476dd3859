package rpc

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/yamux"
	"google.golang.org/protobuf/proto"
	"storj.io/drpc/drpcwire"
)

// Held is a call that is kept open and of which nobody wants to know what comes,
// as of an agent that is played. It has no goroutine: [Held.Drain] must be called
// from time to time.
type Held struct {
	stream *yamux.Stream
	skip   skipper
}

// Hold begins a call and keeps it open. With a message that is the only one which
// is sent; without, the call stays open for others that never come.
func (s *Session) Hold(method string, in Message) (*Held, error) {
	stream, err := s.mux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	var encode func([]byte) []byte
	if in != nil {
		encode = func(b []byte) []byte {
			b, err = proto.MarshalOptions{}.MarshalAppend(b, in)
			return b
		}
	}
	p := buffers.Get().(*[]byte)
	b, from := request(*p, 1, method, encode)
	if err == nil {
		err = writeChunks(stream, b[from:])
	}
	recycle(p, b)
	if err != nil {
		_ = stream.Close() // it has failed
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return &Held{stream: stream}, nil
}

// Drain drops what has come so far. It does not wait. The error is io.EOF when
// the other side has ended the call.
func (h *Held) Drain() error {
	if err := h.stream.SetReadDeadline(longAgo); err != nil {
		return err
	}
	p := buffers.Get().(*[]byte)
	defer buffers.Put(p)
	for {
		n, err := h.stream.Read((*p)[:cap(*p)])
		if skipErr := h.skip.take((*p)[:n]); skipErr != nil {
			return skipErr
		}
		switch {
		case errors.Is(err, yamux.ErrTimeout):
			h.stream.Shrink()
			return nil
		case err != nil:
			return err
		}
	}
}

// Close ends the call.
func (h *Held) Close() error { return h.stream.Close() }

// skipper goes over frames without keeping them, and finds the one that ends the
// call.
type skipper struct {
	left uint64          // of the payload that is being skipped
	head [maxHeader]byte // the beginning of a header
	n    int
}

// errHeader says that what comes is not DRPC.
var errHeader = errors.New("there is a frame whose header is too long")

// take goes over b. It is io.EOF when a frame in it ends the call.
func (s *skipper) take(b []byte) error {
	for len(b) > 0 {
		if s.left > 0 {
			n := min(s.left, uint64(len(b)))
			s.left -= n
			b = b[n:]
			continue
		}
		if s.n == len(s.head) {
			return errHeader
		}
		s.head[s.n] = b[0]
		s.n++
		b = b[1:]
		control := s.head[0]
		length, whole, err := payloadLength(s.head[1:s.n])
		if err != nil {
			return err
		}
		if !whole {
			continue
		}
		s.n, s.left = 0, length
		switch drpcwire.Kind(control & 0x7e >> 1) {
		case drpcwire.KindMessage, drpcwire.KindInvoke, drpcwire.KindInvokeMetadata:
		default:
			if control&0x80 == 0 { // what later versions add has this bit
				return io.EOF
			}
		}
	}
	return nil
}

// payloadLength reads the three numbers of a header: stream, message, length.
func payloadLength(b []byte) (length uint64, whole bool, err error) {
	for range 3 {
		if b, length, whole, err = drpcwire.ReadVarint(b); !whole || err != nil {
			return 0, false, err
		}
	}
	return length, true, nil
}
