package rpc

import (
	"errors"
	"fmt"

	"github.com/hashicorp/yamux"
	"google.golang.org/protobuf/proto"
)

// Held is a call that is kept open and of which nobody wants to know what comes,
// as of an agent that is played. It has no goroutine: [Held.Drain] must be called
// from time to time.
type Held struct{ stream *yamux.Stream }

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
	return &Held{stream}, nil
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
		_, err := h.stream.Read((*p)[:cap(*p)])
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
