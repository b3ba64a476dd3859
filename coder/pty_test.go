package coder_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/internal/wsconn"
)

// unframe takes a client's frame apart.
func unframe(t *testing.T, frame []byte) []byte {
	t.Helper()
	require.EqualValues(t, 0x82, frame[0], "a final binary frame")
	length, at := int(frame[1]&0x7f), 2
	if length == 126 {
		length, at = int(frame[2])<<8|int(frame[3]), 4
	}
	mask := uint32(frame[at])<<24 | uint32(frame[at+1])<<16 | uint32(frame[at+2])<<8 | uint32(frame[at+3])
	payload := append([]byte(nil), frame[at+4:]...)
	require.Len(t, payload, length)
	wsconn.Mask(payload, mask)
	return payload
}

func TestTypedInputArrivesWhateverItIs(t *testing.T) {
	for _, input := range []string{"", "a", "ls\n", "\x03", `quotes " and \ and </script>`, "日本語\r\n", strings.Repeat("x", 4096)} {
		msg := unframe(t, coder.AppendPTYInput(nil, []byte(input)))
		var got struct{ Data string }
		require.NoError(t, json.Unmarshal(msg, &got))
		require.Equal(t, input, got.Data)
		require.True(t, strings.HasSuffix(string(msg), "}\n"), "as the official client's encoder ends it")
	}
	msg := unframe(t, coder.AppendPTYInput(nil, []byte("bad \xff byte")))
	require.Contains(t, string(msg), `\ufffd`, "what is not UTF-8 can't be typed")
}

func TestTheEndOfATerminalIsToldApart(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want coder.PTYEnd
	}{
		{&wsconn.CloseError{Code: 1000}, coder.PTYExited},
		{&wsconn.CloseError{Code: 1001, Reason: "liveness probe failed"}, coder.PTYLost},
		{&wsconn.CloseError{Code: 1011, Reason: "dial workspace agent: x"}, coder.PTYUnreachable},
		{io.EOF, coder.PTYDropped},
		{fmt.Errorf("read: %w", io.EOF), coder.PTYDropped},
		{io.ErrUnexpectedEOF, coder.PTYLost},
		{nil, coder.PTYLost},
	} {
		require.Equal(t, tc.want, coder.PTYEnded(tc.err), "%v", tc.err)
		require.NotEmpty(t, tc.want.String())
	}
}
