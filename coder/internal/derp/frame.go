package derp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Key is a Curve25519 key. Public ones name the nodes of a tailnet.
type Key [32]byte

// String never shows a whole key: it may be a private one.
func (k Key) String() string { return fmt.Sprintf("%x…", k[:4]) }

// Type is the type of a frame.
type Type byte

// Types of frames. The others of the protocol are for meshes of relays, or say
// what may be ignored.
const (
	ServerKey  Type = 0x01 // magic and the relay's public key
	ClientInfo Type = 0x02 // the client's public key, a nonce, a sealed greeting
	ServerInfo Type = 0x03 // a nonce, a sealed greeting
	SendPacket Type = 0x04 // a destination, a packet
	RecvPacket Type = 0x05 // a source, a packet
	KeepAlive  Type = 0x06
	Preferred  Type = 0x07 // one byte: whether this relay is the client's home
	PeerGone   Type = 0x08 // a public key, a reason
	Ping       Type = 0x12 // 8 bytes
	Pong       Type = 0x13 // the same 8 bytes
	Health     Type = 0x14 // text
	Restarting Type = 0x15 // two durations in ms
)

const (
	// MaxPacket is the longest packet that is relayed.
	MaxPacket = 64 << 10
	// maxFrame is the longest frame that is read: a packet and its key.
	maxFrame   = MaxPacket + 64
	headerSize = 5
)

// ErrTooLong is a frame that is longer than any that the protocol has.
var ErrTooLong = errors.New("derp: the frame is too long")

// AppendHeader appends the header of a frame with a body of n bytes.
func AppendHeader(b []byte, t Type, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(t)), uint32(n))
}

// AppendFrame appends a frame. Its body is the parts, one after the other.
func AppendFrame(b []byte, t Type, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b = AppendHeader(b, t, n)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// Reader reads frames.
type Reader struct {
	r   io.Reader
	buf []byte
	at  int // of the next byte in buf that was not taken yet
}

// NewReader makes a reader with a buffer of size bytes. It grows for a longer
// frame.
func NewReader(r io.Reader, size int) *Reader {
	return &Reader{r: r, buf: make([]byte, 0, max(size, 64))}
}

// Next returns the next frame. The body is valid until the next call.
func (r *Reader) Next() (Type, []byte, error) {
	if err := r.fill(headerSize); err != nil {
		return 0, nil, err
	}
	head := r.buf[r.at : r.at+headerSize]
	t, n := Type(head[0]), binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, ErrTooLong
	}
	if err := r.fill(headerSize + int(n)); err != nil {
		return 0, nil, err
	}
	body := r.buf[r.at+headerSize : r.at+headerSize+int(n)]
	r.at += headerSize + int(n)
	return t, body, nil
}

// Buffered reports whether another whole frame is there already.
func (r *Reader) Buffered() bool {
	have := r.buf[r.at:]
	return len(have) >= headerSize && uint64(len(have)) >= headerSize+uint64(binary.BigEndian.Uint32(have[1:headerSize]))
}

// fill reads until n bytes are there.
func (r *Reader) fill(n int) error {
	if len(r.buf)-r.at >= n {
		return nil
	}
	if r.at > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.at:])]
		r.at = 0
	}
	if n > cap(r.buf) {
		grown := make([]byte, len(r.buf), n)
		copy(grown, r.buf)
		r.buf = grown
	}
	for len(r.buf) < n {
		got, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+got]
		if err != nil && len(r.buf) < n {
			if errors.Is(err, io.EOF) && len(r.buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
