package wsconn

import (
	"encoding/binary"
	"fmt"
)

// Opcode is the kind of a frame.
type Opcode byte

// The opcodes of RFC 6455, section 5.2.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	closeFrame   Opcode = 0x8
	pingFrame    Opcode = 0x9
	pongFrame    Opcode = 0xa
)

// AppendFrame appends a whole message as a client sends it, in one frame that
// is masked with mask. A mask may be used again: it protects careless proxies
// from chosen bytes, and ours are made from a seed.
func AppendFrame(dst []byte, op Opcode, mask uint32, payload []byte) []byte {
	dst = AppendHeader(dst, op, mask, len(payload))
	start := len(dst)
	dst = append(dst, payload...)
	Mask(dst[start:], mask)
	return dst
}

// AppendHeader appends the header of a client's final frame.
func AppendHeader(dst []byte, op Opcode, mask uint32, length int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case length < 126:
		dst = append(dst, 0x80|byte(length))
	case length < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(length))
	}
	return binary.BigEndian.AppendUint32(dst, mask)
}

// Mask masks or unmasks b, from the beginning of a frame's payload.
func Mask(b []byte, mask uint32) {
	wide := uint64(mask)<<32 | uint64(mask)
	for len(b) >= 8 {
		binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(mask >> (24 - 8*(i&3)))
	}
}

// CloseError is how the peer ended the connection.
type CloseError struct {
	Code   int    // of RFC 6455, section 7.4; 1005 when it gave none
	Reason string // for people; may be empty
}

// Error implements error.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the server closed the WebSocket with code %d", e.Code)
	}
	return fmt.Sprintf("the server closed the WebSocket with code %d: %q", e.Code, e.Reason)
}

// protocolError says what the peer did that RFC 6455 forbids.
type protocolError string

func (e protocolError) Error() string { return "the server broke the WebSocket protocol: " + string(e) }

// parser takes frames apart in place, however they are cut up.
type parser struct {
	header  [10]byte // of the frame that is being read
	have    int      // bytes of header that are there
	left    uint64   // bytes of the payload that are still to come
	op      Opcode
	inFrame bool
	control []byte // payload of a control frame

	onControl func(op Opcode, payload []byte)
}

// parse returns the payload of the data frames in b, moved together behind the
// first frame's header. It calls onControl for each control frame.
func (p *parser) parse(b []byte) ([]byte, error) {
	start, out := 0, 0
	for i := 0; i < len(b); {
		if !p.inFrame {
			n, done, err := p.readHeader(b[i:])
			i += n
			if err != nil {
				return b[start:out], err
			}
			if !done {
				break
			}
			if p.left == 0 { // nothing more will come for this frame
				p.end()
				continue
			}
		}
		n := int(min(uint64(len(b)-i), p.left))
		if p.op < closeFrame {
			if out == start { // nothing yet: begin here, and move nothing
				start, out = i, i
			} else if out != i {
				copy(b[out:], b[i:i+n])
			}
			out += n
		} else {
			p.control = append(p.control, b[i:i+n]...)
		}
		i += n
		if p.left -= uint64(n); p.left == 0 {
			p.end()
		}
	}
	return b[start:out], nil
}

func (p *parser) end() {
	p.inFrame = false
	if p.op >= closeFrame {
		p.onControl(p.op, p.control)
		p.control = p.control[:0]
	}
}

// readHeader takes header bytes from b, and reports how many, and whether the
// header is complete.
func (p *parser) readHeader(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		p.header[p.have] = b[n]
		p.have++
		n++
		if p.have < 2 {
			continue
		}
		size := 2
		switch p.header[1] & 0x7f {
		case 126:
			size = 4
		case 127:
			size = 10
		}
		if p.have < size {
			continue
		}
		return n, true, p.begin(size)
	}
	return n, false, nil
}

func (p *parser) begin(size int) error {
	first, second := p.header[0], p.header[1]
	p.op = Opcode(first & 0xf)
	switch size {
	case 4:
		p.left = uint64(binary.BigEndian.Uint16(p.header[2:]))
	case 10:
		p.left = binary.BigEndian.Uint64(p.header[2:])
	default:
		p.left = uint64(second & 0x7f)
	}
	p.have, p.inFrame = 0, true
	switch {
	case first&0x70 != 0:
		return protocolError("a frame has reserved bits set, though no extension was agreed")
	case second&0x80 != 0:
		return protocolError("a frame is masked")
	case p.op > Binary && p.op < closeFrame || p.op > pongFrame:
		return protocolError(fmt.Sprintf("a frame has the unknown opcode %#x", byte(p.op)))
	case p.op >= closeFrame && (p.left > 125 || first&0x80 == 0):
		return protocolError("a control frame is fragmented or longer than 125 bytes")
	case p.left > 1<<62:
		return protocolError("a frame is longer than 2^62 bytes")
	}
	return nil
}
