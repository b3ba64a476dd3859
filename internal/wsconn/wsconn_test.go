package wsconn_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/internal/wsconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers upgrades with handler, over TLS if asked.
func serve(t testing.TB, secure bool, handler func(*websocket.Conn)) *httptest.Server {
	t.Helper()
	var upgrader websocket.Upgrader
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		handler(ws)
	})
	srv := httptest.NewUnstartedServer(h)
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		srv.Client().CloseIdleConnections()
		srv.Close()
	})
	return srv
}

func dial(t testing.TB, srv *httptest.Server) *wsconn.Conn {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	c, resp, err := wsconn.Dial(t.Context(), srv.Client().Transport, req)
	require.NoError(t, err)
	require.Nil(t, resp)
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(ws *websocket.Conn) {
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil || ws.WriteMessage(kind, data) != nil {
			return
		}
	}
}

// borrowed is one buffer that must be given back.
type borrowed struct {
	buf  []byte
	held bool
}

func (b *borrowed) Acquire() []byte { b.held = true; return b.buf }
func (b *borrowed) Release()        { b.held = false }

// readers are the ways to read n bytes.
var readers = map[string]func(*wsconn.Conn, int) ([]byte, error){
	"Read": func(c *wsconn.Conn, n int) ([]byte, error) {
		got := make([]byte, n)
		_, err := io.ReadFull(c, got)
		return got, err
	},
	"ReadScratch": func(c *wsconn.Conn, n int) ([]byte, error) {
		var got []byte
		b := &borrowed{buf: make([]byte, 8<<10)}
		for len(got) < n {
			data, err := c.ReadScratch(b)
			got = append(got, data...)
			b.Release()
			if err != nil {
				return got, err
			}
		}
		return got, nil
	},
}

func TestMessagesOfEverySizeComeBack(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for name, read := range readers {
			t.Run(fmt.Sprintf("%s/tls=%v", name, secure), func(t *testing.T) {
				c := dial(t, serve(t, secure, echo))
				for _, size := range []int{1, 7, 8, 9, 125, 126, 127, 4096, 65_535, 65_536, 300_000} {
					want := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
					frame := wsconn.AppendFrame(nil, wsconn.Binary, 0xdeadbeef, want)
					n, err := c.Write(frame)
					require.NoError(t, err)
					require.Equal(t, len(frame), n)
					got, err := read(c, size)
					require.NoError(t, err)
					require.True(t, bytes.Equal(want, got), "%d bytes", size)
				}
			})
		}
	}
}

func TestWhatCameWithTheHandshakeIsNotLost(t *testing.T) {
	// The answer and the first frames arrive in one segment.
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			want := strings.Repeat("replayed ", 1000)
			c := dial(t, serve(t, false, func(ws *websocket.Conn) {
				_ = ws.WriteMessage(websocket.BinaryMessage, []byte(want))
				echo(ws)
			}))
			got, err := read(c, len(want))
			require.NoError(t, err)
			require.Equal(t, want, string(got))
			_, err = c.Write(wsconn.AppendFrame(nil, wsconn.Binary, 1, []byte("more")))
			require.NoError(t, err)
			got, err = read(c, 4)
			require.NoError(t, err)
			require.Equal(t, "more", string(got))
		})
	}
}

func TestPingsAreAnsweredAndFragmentsJoined(t *testing.T) {
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			pongs := make(chan string, 1)
			c := dial(t, serve(t, false, func(ws *websocket.Conn) {
				ws.SetPongHandler(func(s string) error { pongs <- s; return nil })
				w, _ := ws.NextWriter(websocket.TextMessage)
				_, _ = w.Write(bytes.Repeat([]byte("x"), 5000)) // more than a write buffer: a fragment
				_ = ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second))
				_ = ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
				_, _ = w.Write([]byte("end"))
				_ = w.Close()
				echo(ws)
			}))
			got, err := read(c, 5003)
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("x", 5000)+"end", string(got))
			require.Equal(t, "are you there", <-pongs)
			require.Equal(t, "", <-pongs)
		})
	}
}

func TestTheEndSaysHowItCame(t *testing.T) {
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			c := dial(t, serve(t, false, func(ws *websocket.Conn) {
				_ = ws.WriteMessage(websocket.BinaryMessage, []byte("bye"))
				msg := websocket.FormatCloseMessage(1011, "dial workspace agent: gone")
				_ = ws.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second))
				_, _, _ = ws.ReadMessage()
			}))
			got, err := read(c, 3)
			require.NoError(t, err)
			require.Equal(t, "bye", string(got))
			_, err = read(c, 1)
			var end *wsconn.CloseError
			require.ErrorAs(t, err, &end)
			require.Equal(t, 1011, end.Code)
			require.ErrorContains(t, err, `code 1011: "dial workspace agent: gone"`)

			c = dial(t, serve(t, false, func(ws *websocket.Conn) { _ = ws.NetConn().Close() }))
			_, err = read(c, 1)
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestTryWriteNeverBlocksAndLosesNothing(t *testing.T) {
	release := make(chan struct{})
	var got bytes.Buffer
	done := make(chan struct{})
	c := dial(t, serve(t, false, func(ws *websocket.Conn) {
		defer close(done)
		<-release
		for {
			_, data, err := ws.ReadMessage()
			if err != nil || string(data) == "end" {
				return
			}
			got.Write(data)
		}
	}))
	fast, ok := c.Stream().(wsconn.FastConn)
	require.True(t, ok)
	room := make(chan struct{}, 1000)
	fast.NotifyWritable(func() { room <- struct{}{} })

	var want bytes.Buffer
	refused := 0
	for i := 0; refused < 3; i++ { // until the socket's buffers are full
		payload := bytes.Repeat(fmt.Appendf(nil, "%08d", i), 8<<10)
		taken, err := fast.TryWrite(wsconn.AppendFrame(nil, wsconn.Binary, uint32(i), payload))
		require.NoError(t, err)
		if taken {
			want.Write(payload)
		} else {
			refused++
		}
	}
	close(release)
	<-room
	taken, err := fast.TryWrite(wsconn.AppendFrame(nil, wsconn.Binary, 5, []byte("again")))
	require.NoError(t, err)
	require.True(t, taken, "there is room when the notice comes")
	want.WriteString("again")
	_, err = fast.Write(wsconn.AppendFrame(nil, wsconn.Binary, 5, []byte("end")))
	require.NoError(t, err)
	<-done
	require.True(t, bytes.Equal(want.Bytes(), got.Bytes()))
}

func TestTryWriteFailsWhenThePeerIsGone(t *testing.T) {
	c := dial(t, serve(t, false, func(ws *websocket.Conn) { _ = ws.NetConn().(*net.TCPConn).SetLinger(0) }))
	fast := c.Stream().(wsconn.FastConn)
	_, err := io.ReadAll(c)
	require.Error(t, err)
	for err = nil; err == nil; {
		_, err = fast.TryWrite(wsconn.AppendFrame(nil, wsconn.Binary, 0, []byte("x")))
	}
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

func TestRefusalsAreHandedOverAndOthersAreErrors(t *testing.T) {
	answer := func(t *testing.T, h http.HandlerFunc) (*http.Response, error) {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
		require.NoError(t, err)
		c, resp, err := wsconn.Dial(t.Context(), srv.Client().Transport, req)
		require.Nil(t, c)
		return resp, err
	}
	resp, err := answer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) })
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp.Body.Close()

	_, err = answer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Accept", "guess")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	require.ErrorContains(t, err, "not from a WebSocket server")
}

func TestBrokenFramesAreProtocolErrors(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"masked":             {0x82, 0x81, 1, 2, 3, 4, 5},
		"reserved bits":      {0xc2, 0x01, 5},
		"unknown opcode":     {0x83, 0x01, 5},
		"long control frame": {0x89, 126, 0, 200},
		"fragmented ping":    {0x09, 0x00},
		"absurd length":      {0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, serve(t, false, func(ws *websocket.Conn) {
				_, _ = ws.NetConn().Write(bytes)
				_, _, _ = ws.ReadMessage()
			}))
			_, err := c.Read(make([]byte, 100))
			require.ErrorContains(t, err, "broke the WebSocket protocol")
		})
	}
}

func TestReaderIsNotHeldUpByABlockedWriter(t *testing.T) {
	// The peer reads nothing until its ping is answered with data it can read
	// only later: a pong that waited for the writer would never be read past.
	got := make(chan int, 1)
	c := dial(t, serve(t, false, func(ws *websocket.Conn) {
		for range 50 {
			_ = ws.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Second))
		}
		_ = ws.WriteMessage(websocket.BinaryMessage, []byte("data behind the pings"))
		n := 0
		for {
			_, data, err := ws.ReadMessage()
			if n += len(data); err != nil || n >= 64<<20 {
				got <- n
				return
			}
		}
	}))
	go func() {
		frame := wsconn.AppendFrame(nil, wsconn.Binary, 1, make([]byte, 1<<20))
		for range 64 {
			if _, err := c.Write(frame); err != nil {
				return
			}
		}
	}()
	data := make([]byte, 21)
	_, err := io.ReadFull(c, data)
	require.NoError(t, err)
	require.Equal(t, 64<<20, <-got)
}

func TestScratchIsGivenBack(t *testing.T) {
	c := dial(t, serve(t, false, echo))
	fast := c.Stream().(wsconn.FastConn)
	frame := wsconn.AppendFrame(nil, wsconn.Binary, 1, make([]byte, 4096))
	b := &borrowed{buf: make([]byte, 32<<10)}
	taken, err := fast.TryWrite(frame)
	require.NoError(t, err)
	require.True(t, taken)
	n := 0
	for n < 4096 {
		data, err := fast.ReadScratch(b)
		require.NoError(t, err)
		n += len(data)
		b.Release()
	}
	require.False(t, b.held)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x82, 0x03, 'a', 'b', 'c', 0x89, 0x00, 0x88, 0x02, 0x03, 0xe8}, uint8(1))
	f.Add([]byte{0x02, 0x01, 'a', 0x80, 0x7e, 0x00, 0x01, 'b'}, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		// However the bytes are cut up, the payload and the error are the same.
		payload, control, err := wsconn.ParseAll(data, len(data)+1)
		payload2, control2, err2 := wsconn.ParseAll(data, int(step)+1)
		require.Equal(t, payload, payload2)
		require.Equal(t, control, control2)
		require.Equal(t, err, err2)
	})
}
