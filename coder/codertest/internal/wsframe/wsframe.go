// Package wsframe reads the frames of WebSocket clients (RFC 6455) from bytes
// that come in any pieces, and makes the headers of a server's frames. It does
// no I/O, copies no payload, and keeps a few bytes for a connection.
package wsframe

import (
	"encoding/binary"
	"errors"

	"github.com/coderscale/scaletest/internal/wsconn"
)

// The opcodes.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xa
)

// ErrProtocol says that the client broke the rules. The answer is close 1002.
var ErrProtocol = errors.New("websocket protocol violation")

// Reader is the state between two pieces. The zero value is ready.
type Reader struct {
	header    [14]byte
	have      int
	inPayload bool
	length    uint64 // of the frame
	remaining uint64
	mask      uint32
	inMessage bool // a fragmented message goes on
	control   []byte
}

// Handler gets what the client sends.
type Handler interface {
	// Payload is a piece of a data message, unmasked, and empty for an empty
	// frame. The opcode is that of the frame. An error ends the reading.
	Payload(opcode byte, b []byte) error
	// Control is a whole control frame.
	Control(opcode byte, b []byte) error
}

// Feed processes a piece. It unmasks in place.
func (r *Reader) Feed(b []byte, h Handler) error {
	for len(b) > 0 || r.inPayload && r.remaining == 0 {
		if !r.inPayload {
			n, err := r.readHeader(b)
			if err != nil {
				return err
			}
			b = b[n:]
			if !r.inPayload || len(b) == 0 && r.remaining > 0 {
				return nil
			}
		}
		part := b
		if uint64(len(part)) > r.remaining {
			part = part[:r.remaining]
		}
		wsconn.Mask(part, r.mask)
		r.mask = rotate(r.mask, len(part))
		r.remaining -= uint64(len(part))
		b = b[len(part):]
		if err := r.deliver(part, h); err != nil {
			return err
		}
		if r.remaining > 0 {
			return nil
		}
		r.inPayload, r.have = false, 0
	}
	return nil
}

// Frame tells, during Handler.Payload, of which frame the piece is: its first
// byte and its length, and whether it begins with this piece.
func (r *Reader) Frame(piece []byte) (first byte, length uint64, begins bool) {
	return r.header[0], r.length, r.remaining+uint64(len(piece)) == r.length
}

func (r *Reader) opcode() byte { return r.header[0] & 0x0f }

func (r *Reader) deliver(part []byte, h Handler) error {
	op := r.opcode()
	if op < Close {
		return h.Payload(op, part)
	}
	if r.remaining > 0 || len(r.control) > 0 {
		r.control = append(r.control, part...)
		part = r.control
	}
	if r.remaining > 0 {
		return nil
	}
	err := h.Control(op, part)
	r.control = nil
	return err
}

// readHeader takes header bytes until the header is whole.
func (r *Reader) readHeader(b []byte) (n int, err error) {
	for {
		want := 2
		if r.have >= 2 {
			want = headerSize(r.header[1])
		}
		if r.have >= want && r.have >= 2 {
			break
		}
		if n == len(b) {
			return n, nil
		}
		m := copy(r.header[r.have:want], b[n:])
		r.have += m
		n += m
	}
	return n, r.begin()
}

// begin checks the header and goes on to the payload.
func (r *Reader) begin() error {
	h := r.header[:r.have]
	fin, op := h[0]&0x80 != 0, h[0]&0x0f
	length := uint64(h[1] & 0x7f)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		length = binary.BigEndian.Uint64(h[2:])
	}
	switch {
	case h[0]&0x70 != 0, h[1]&0x80 == 0, length>>63 != 0:
		return ErrProtocol
	case op >= Close && (op > Pong || !fin || length > 125):
		return ErrProtocol
	case op < Close && (op > Binary || (op == Continuation) != r.inMessage):
		return ErrProtocol
	}
	if op < Close {
		r.inMessage = !fin
	}
	r.length, r.remaining = length, length
	r.mask = binary.BigEndian.Uint32(h[len(h)-4:])
	r.inPayload = true
	return nil
}

// headerSize is the size of a whole header with a mask, by its second byte.
func headerSize(b byte) int {
	size := 2
	switch b & 0x7f {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if b&0x80 != 0 {
		size += 4
	}
	return size
}

// rotate moves the mask on by n bytes.
func rotate(mask uint32, n int) uint32 {
	bits := 8 * (n & 3)
	return mask<<bits | mask>>(32-bits)
}

// MaxHeader is the size of a server's longest header.
const MaxHeader = 10

// AppendHeader appends the header of a frame whose payload follows. The first
// byte has the opcode and whether the message ends here.
func AppendHeader(dst []byte, first byte, length uint64) []byte {
	switch {
	case length < 126:
		return append(dst, first, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, 127), length)
}

// PutHeader writes the header of a whole message right before its payload,
// which begins at b[MaxHeader]. It returns where the frame begins.
func PutHeader(b []byte, opcode byte) (start int) {
	n := len(b) - MaxHeader
	switch {
	case n < 126:
		b[8], b[9] = 0x80|opcode, byte(n)
		return 8
	case n < 1<<16:
		b[6], b[7] = 0x80|opcode, 126
		binary.BigEndian.PutUint16(b[8:], uint16(n))
		return 6
	}
	b[0], b[1] = 0x80|opcode, 127
	binary.BigEndian.PutUint64(b[2:], uint64(n))
	return 0
}

// AppendControl appends a control frame. The payload is cut to 125 bytes.
func AppendControl(dst []byte, opcode byte, payload []byte) []byte {
	payload = payload[:min(len(payload), 125)]
	dst = append(dst, 0x80|opcode, byte(len(payload)))
	return append(dst, payload...)
}

// AppendClose appends a close frame.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	return AppendControl(dst, Close, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}
