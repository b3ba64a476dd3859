package wsframe_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
)

// client makes a frame as a client sends it.
func client(first byte, payload []byte, mask [4]byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// log is a handler that remembers.
type log struct {
	data     []byte
	controls []string
}

func (l *log) Payload(_ byte, b []byte) error {
	l.data = append(l.data, b...)
	return nil
}

func (l *log) Control(op byte, b []byte) error {
	l.controls = append(l.controls, string(append([]byte{op}, b...)))
	return nil
}

func TestFramesAreReadWhereverTheyAreCut(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var wire []byte
		var want log
		for range 1 + r.IntN(6) {
			payload := make([]byte, []int{0, 1, 7, 125, 126, 4096, 70000}[r.IntN(7)])
			for i := range payload {
				payload[i] = byte(r.Uint32())
			}
			mask := [4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			if r.IntN(3) == 0 {
				payload = payload[:min(len(payload), 125)]
				wire = append(wire, client(0x80|wsframe.Ping, payload, mask)...)
				_ = want.Control(wsframe.Ping, payload) // it never fails
				continue
			}
			wire = append(wire, client(0x80|wsframe.Binary, payload, mask)...)
			want.data = append(want.data, payload...)
		}
		var got log
		var reader wsframe.Reader
		for rest := wire; len(rest) > 0; {
			n := min(1+r.IntN(1+r.IntN(len(rest))), len(rest))
			require.NoError(t, reader.Feed(bytes.Clone(rest[:n]), &got))
			rest = rest[n:]
		}
		require.True(t, bytes.Equal(want.data, got.data))
		require.Equal(t, want.controls, got.controls)
	}
}

func TestBrokenRulesEndTheConnection(t *testing.T) {
	t.Parallel()
	mask := [4]byte{1, 2, 3, 4}
	for name, wire := range map[string][]byte{
		"no mask":                     {0x82, 1, 'x'},
		"reserved bit":                client(0xc2, nil, mask),
		"unknown opcode":              client(0x83, nil, mask),
		"unknown control":             client(0x8b, nil, mask),
		"fragmented ping":             client(0x09, nil, mask),
		"long ping":                   client(0x89, make([]byte, 126), mask),
		"continuation of nothing":     client(0x80, nil, mask),
		"message within a message":    append(client(0x02, nil, mask), client(0x82, nil, mask)...),
		"length with the highest bit": {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
	} {
		var r wsframe.Reader
		assert.ErrorIs(t, r.Feed(wire, &log{}), wsframe.ErrProtocol, name)
	}
}

func TestAFragmentKeepsTheOpcodeOfItsMessage(t *testing.T) {
	t.Parallel()
	mask := [4]byte{9, 8, 7, 6}
	wire := append(client(wsframe.Text, []byte("ab"), mask), client(0x80, []byte("cd"), mask)...)
	var ops []byte
	var r wsframe.Reader
	require.NoError(t, r.Feed(wire, opcodes{&ops}))
	assert.NotContains(t, ops, byte(wsframe.Binary))
	assert.Equal(t, byte(wsframe.Text), ops[0])
}

type opcodes struct{ seen *[]byte }

func (o opcodes) Payload(op byte, _ []byte) error {
	*o.seen = append(*o.seen, op)
	return nil
}
func (opcodes) Control(byte, []byte) error { return nil }

func TestHeadersOfAServerStandRightBeforeThePayload(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		b := make([]byte, wsframe.MaxHeader+n)
		start := wsframe.PutHeader(b, wsframe.Binary)
		frame := b[start:]
		size, header := int(frame[1]), 2
		switch size {
		case 126:
			size, header = int(binary.BigEndian.Uint16(frame[2:])), 4
		case 127:
			size, header = int(binary.BigEndian.Uint64(frame[2:])), 10
		}
		assert.Equal(t, byte(0x82), frame[0])
		assert.Equal(t, n, size)
		assert.Len(t, frame, header+n)
	}
}

func FuzzFeed(f *testing.F) {
	f.Add(client(0x82, []byte("hello"), [4]byte{1, 2, 3, 4}), uint(3))
	f.Add(append(client(0x02, []byte("a"), [4]byte{}), client(0x80, []byte("b"), [4]byte{5, 5, 5, 5})...), uint(1))
	f.Fuzz(func(t *testing.T, wire []byte, step uint) {
		var whole, parts log
		var a, b wsframe.Reader
		wholeErr := a.Feed(bytes.Clone(wire), &whole)
		var err error
		for rest := wire; len(rest) > 0 && err == nil; {
			n := min(int(step%64)+1, len(rest))
			err = b.Feed(bytes.Clone(rest[:n]), &parts)
			rest = rest[n:]
		}
		require.Equal(t, wholeErr, err)
		require.True(t, bytes.Equal(whole.data, parts.data))
		require.Equal(t, whole.controls, parts.controls)
	})
}
