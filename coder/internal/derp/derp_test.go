package derp

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	var b []byte
	big := bytes.Repeat([]byte{7}, MaxPacket)
	b = AppendFrame(b, SendPacket, []byte("dst"), []byte("packet"))
	b = AppendFrame(b, KeepAlive)
	b = AppendFrame(b, RecvPacket, big)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(b),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(b)),
		"data and EOF": iotest.DataErrReader(bytes.NewReader(b)),
	} {
		t.Run(name, func(t *testing.T) {
			fr := NewReader(r, 128)
			typ, body, err := fr.Next()
			require.NoError(t, err)
			require.Equal(t, SendPacket, typ)
			require.Equal(t, "dstpacket", string(body))
			typ, body, err = fr.Next()
			require.NoError(t, err)
			require.Equal(t, KeepAlive, typ)
			require.Empty(t, body)
			typ, body, err = fr.Next()
			require.NoError(t, err)
			require.Equal(t, RecvPacket, typ)
			require.Equal(t, big, body)
			_, _, err = fr.Next()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestAFrameThatIsTooLongIsRefusedBeforeItIsRead(t *testing.T) {
	_, _, err := NewReader(bytes.NewReader(AppendHeader(nil, RecvPacket, 1<<30)), 128).Next()
	require.ErrorIs(t, err, ErrTooLong)
}

func TestAFrameThatIsCutShortIsAnError(t *testing.T) {
	whole := AppendFrame(nil, RecvPacket, []byte("packet"))
	for n := 1; n < len(whole); n++ {
		_, _, err := NewReader(bytes.NewReader(whole[:n]), 128).Next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

func TestTheTwoSidesGreetEachOther(t *testing.T) {
	client, relay := net.Pipe()
	defer client.Close()
	defer relay.Close()
	private, own := NewPrivateKey(), NewPrivateKey()
	got := make(chan Key, 1)
	fail := make(chan error, 1)
	go func() {
		r := NewReader(relay, 1024)
		k, err := Welcome(relay, r, own)
		if err == nil {
			err = Admit(relay, k, own)
		}
		if err == nil {
			got <- k
			return
		}
		fail <- err
	}()
	require.NoError(t, Greet(client, NewReader(client, 1024), private, false))
	select {
	case k := <-got:
		require.Equal(t, private.Public(), k)
	case err := <-fail:
		t.Fatal(err)
	}
}

func TestSomethingElseIsNoRelay(t *testing.T) {
	for name, b := range map[string][]byte{
		"HTTP":            []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"another magic":   AppendFrame(nil, ServerKey, make([]byte, 40)),
		"a short key":     AppendFrame(nil, ServerKey, []byte(magic)),
		"another frame":   AppendFrame(nil, KeepAlive),
		"nothing":         nil,
		"no greeting":     AppendFrame(nil, ServerKey, []byte(magic), make([]byte, 32)),
		"a wrong seal":    AppendFrame(AppendFrame(nil, ServerKey, []byte(magic), []byte("12345678901234567890123456789012")), ServerInfo, make([]byte, 60)),
		"a short seal":    AppendFrame(AppendFrame(nil, ServerKey, []byte(magic), []byte("12345678901234567890123456789012")), ServerInfo, make([]byte, 6)),
		"a frame instead": AppendFrame(AppendFrame(nil, ServerKey, []byte(magic), []byte("12345678901234567890123456789012")), Ping, make([]byte, 8)),
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, Greet(io.Discard, NewReader(bytes.NewReader(b), 128), NewPrivateKey(), true))
		})
	}
}

func TestAKeyIsNeverPrintedWhole(t *testing.T) {
	k := NewPrivateKey()
	require.Less(t, len(k.String()), 16)
}

func FuzzReader(f *testing.F) {
	f.Add(AppendFrame(AppendFrame(nil, SendPacket, []byte("x")), Ping, make([]byte, 8)))
	f.Add(AppendHeader(nil, RecvPacket, 1<<20))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 64)
		total := 0
		for {
			_, body, err := r.Next()
			if err != nil {
				break
			}
			total += headerSize + len(body)
		}
		require.LessOrEqual(t, total, len(b))
	})
}

func FuzzGreet(f *testing.F) {
	relay := NewPrivateKey().Public()
	f.Add(AppendFrame(AppendFrame(nil, ServerKey, []byte(magic), relay[:]), ServerInfo, make([]byte, 64)))
	private := NewPrivateKey()
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = Greet(io.Discard, NewReader(bytes.NewReader(b), 64), private, true)
		_, _ = Welcome(io.Discard, NewReader(bytes.NewReader(b), 64), private)
	})
}
