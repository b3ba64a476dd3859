package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"google.golang.org/protobuf/proto"
	"storj.io/drpc/drpcwire"
)

// Calls are framed here and not by drpcconn, which keeps two goroutines and 12 KiB
// of buffers for each connection, and as much again as the longest message had.
// Ten thousand sessions that call once in a while must not pay for that: what is
// here has neither between calls.

// Call makes a call and waits for its answer. Calls of a session are made one
// after the other, on one stream.
func (s *Session) Call(ctx context.Context, method string, in, out Message) error {
	var failed error
	err := s.CallWith(ctx, method, func(b []byte) []byte {
		b, failed = proto.MarshalOptions{}.MarshalAppend(b, in)
		return b
	}, out)
	if failed != nil {
		return fmt.Errorf("%s: %w", method, failed)
	}
	return err
}

// CallWith is Call with a request that encode appends to the buffer which is
// sent: for messages that are sent often and are mostly known before.
func (s *Session) CallWith(ctx context.Context, method string, encode func([]byte) []byte, out Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.unaryStream()
	if err == nil {
		err = s.call(ctx, method, encode, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method, cause(ctx, err))
	}
	return nil
}

func (s *Session) unaryStream() error {
	if s.unary != nil {
		return nil
	}
	stream, err := s.mux.OpenStream()
	if err != nil {
		return err
	}
	s.unary, s.lastID = stream, 0
	return nil
}

// call makes a call on the stream of calls. A stream on which something went
// wrong, other than what the server answered, is not used again.
func (s *Session) call(ctx context.Context, method string, encode func([]byte) []byte, out Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.unary.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return err
	}
	stream := s.unary
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(longAgo) }) // it never fails
	s.lastID++
	err := exchange(stream, s.lastID, method, encode, out)
	_, answered := errors.AsType[*Refusal](err)
	if !stop() || err != nil && !answered { // the deadline of the next call would be set as well
		s.dropUnary()
	}
	return err
}

// Refusal is an error that the other side answered with.
type Refusal struct {
	Text string
	Code uint64
}

// Error is the text of the other side.
func (e *Refusal) Error() string { return e.Text }

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// buffers are for messages on their way. Those that an unusual message has made
// large are dropped.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

const (
	maxPooled = 256 << 10
	// chunk is what is handed to yamux at a time. It keeps a buffer of the
	// largest piece for each session.
	chunk = 16 << 10
	// maxHeader is the longest header of a DRPC frame.
	maxHeader = 1 + 10 + 10 + 10
)

func recycle(p *[]byte, b []byte) {
	if cap(b) <= maxPooled {
		*p = b[:0]
		buffers.Put(p)
	}
}

// exchange sends a request and reads until its answer has ended.
func exchange(stream net.Conn, id uint64, method string, encode func([]byte) []byte, out Message) error {
	p := buffers.Get().(*[]byte)
	b, from := request(*p, id, method, encode)
	err := writeChunks(stream, b[from:])
	if err == nil {
		b, err = answer(stream, b[:0], id, out)
	}
	recycle(p, b)
	return err
}

// request puts the frames of a call with one message into a buffer, or with a nil
// encode those of a call that stays open. The message is encoded in place, behind
// room for a header of which the length is not known before; so they begin
// somewhere in the buffer.
func request(b []byte, id uint64, method string, encode func([]byte) []byte) (buf []byte, from int) {
	b = drpcwire.AppendFrame(b[:0], drpcwire.Frame{
		ID: drpcwire.ID{Stream: id, Message: 1}, Kind: drpcwire.KindInvoke, Done: true, Data: []byte(method),
	})
	if encode == nil {
		return b, 0
	}
	start := len(b)
	b = append(b, make([]byte, maxHeader)...)
	b = encode(b)
	size := len(b) - start - maxHeader
	var head [maxHeader]byte
	h := append(head[:0], byte(drpcwire.KindMessage)<<1|1) // and this is all of it
	h = drpcwire.AppendVarint(h, id)
	h = drpcwire.AppendVarint(h, 2)
	h = drpcwire.AppendVarint(h, uint64(size))
	// What comes before is short: it moves up to the message.
	gap := maxHeader - len(h)
	copy(b[gap:], b[:start])
	copy(b[start+gap:], h)
	b = drpcwire.AppendFrame(b, drpcwire.Frame{ID: drpcwire.ID{Stream: id, Message: 3}, Kind: drpcwire.KindCloseSend, Done: true})
	return b, gap
}

func writeChunks(w io.Writer, b []byte) error {
	for part := range slices.Chunk(b, chunk) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

var (
	errTrailing = errors.New("there is more after the end of an answer")
	errTooLong  = errors.New("the answer is too long")
	errNoAnswer = errors.New("the call ended without an answer")
)

// answer reads the answer of a call to its end. It may use and grow the buffer,
// which it returns.
func answer(r io.Reader, buf []byte, id uint64, out Message) ([]byte, error) {
	var message []byte
	have := false
	rest := buf[:0]
	for {
		remaining, fr, ok, err := drpcwire.ParseFrame(rest)
		if err != nil {
			return buf, err
		}
		if !ok {
			if buf, err = more(r, buf, rest); err != nil {
				return buf, err
			}
			rest = buf
			continue
		}
		rest = remaining
		if fr.ID.Stream != id || fr.Control {
			continue // of a call that was given up, or of a later version
		}
		switch fr.Kind {
		case drpcwire.KindMessage:
			if len(message)+len(fr.Data) > maxMessage {
				return buf, errTooLong
			}
			if fr.Done && message == nil {
				err = proto.Unmarshal(fr.Data, out)
			} else if message = append(message, fr.Data...); fr.Done {
				err = proto.Unmarshal(message, out)
			}
			have = have || fr.Done
		case drpcwire.KindError:
			if len(fr.Data) < 8 {
				return buf, &Refusal{Text: string(fr.Data)}
			}
			r := &Refusal{Text: string(fr.Data[8:])}
			for _, b := range fr.Data[:8] {
				r.Code = r.Code<<8 | uint64(b)
			}
			return buf, r
		case drpcwire.KindClose, drpcwire.KindCloseSend, drpcwire.KindCancel:
			switch {
			case !have:
				return buf, errNoAnswer
			case len(rest) > 0:
				return buf, errTrailing
			}
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// more reads behind the rest, which it moves to the beginning of the buffer.
func more(r io.Reader, buf, rest []byte) ([]byte, error) {
	n := copy(buf[:cap(buf)], rest)
	if n > maxMessage {
		return buf, errTooLong
	}
	buf = slices.Grow(buf[:n], 1024)
	m, err := r.Read(buf[n:cap(buf)])
	if errors.Is(err, yamux.ErrTimeout) {
		err = fmt.Errorf("no answer within %v", callTimeout)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return buf[:n+m], err
}
