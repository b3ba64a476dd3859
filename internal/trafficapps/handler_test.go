package trafficapps_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/internal/trafficapps"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server serves an app, in memory if there is no listener, so that time can be faked.
type server struct {
	*trafficapps.Handler
	t     *testing.T
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (s *server) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}
func (s *server) Close() error   { s.once.Do(func() { close(s.done) }); return nil }
func (s *server) Addr() net.Addr { return &net.TCPAddr{} }

// serve starts an app. What it returns ends with the test.
func serve(t *testing.T, cfg trafficapps.Config) *server {
	t.Helper()
	require.NoError(t, cfg.Validate())
	s := &server{Handler: trafficapps.New(cfg), t: t, conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: s.Handler}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(s) })
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		s.GoAway(gone)
		_ = srv.Close()
		wg.Wait()
	})
	return s
}

// dial connects over a pipe, which keeps nothing.
func (s *server) dial(ctx context.Context) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		s.conns <- there
		return here, nil
	}}
	return d.DialContext(ctx, "ws://app/", nil)
}

func (s *server) open() *websocket.Conn {
	s.t.Helper()
	c, resp, err := s.dial(s.t.Context())
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// get makes a plain request.
func (s *server) get(method, path, body string) (int, string) {
	s.t.Helper()
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		s.conns <- there
		return here, nil
	}}}
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://app"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	resp, err := hc.Do(req)
	require.NoError(s.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return resp.StatusCode, string(text)
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

func TestAnEchoIsTheMessageThatWasSent(t *testing.T) {
	for _, slug := range []string{trafficapps.Echo, "any-other", ""} {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, trafficapps.Config{Slug: slug}).open()
			for _, kind := range []int{websocket.BinaryMessage, websocket.TextMessage} {
				for _, n := range []int{0, 1, 125, 126, 1024, 4<<10 - 1, 4 << 10, 4<<10 + 1, 70 << 10, 1 << 20} {
					want := random(t, n)
					if kind == websocket.TextMessage {
						want = bytes.Repeat([]byte("é"), n/2)
					}
					var sending sync.WaitGroup
					sending.Go(func() { assert.NoError(t, c.WriteMessage(kind, want)) })
					k, got, err := c.ReadMessage()
					sending.Wait()
					require.NoError(t, err)
					require.Equal(t, kind, k, "%d bytes", n)
					require.True(t, bytes.Equal(want, got), "%d bytes came back as %d others", n, len(got))
				}
			}
		})
	}
}

func TestAMessageInManyFramesComesBackAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, trafficapps.Config{Slug: trafficapps.Echo}).open()
		want := random(t, 300<<10)
		var sending sync.WaitGroup
		sending.Go(func() {
			w, err := c.NextWriter(websocket.BinaryMessage)
			assert.NoError(t, err)
			for part := range bytes.Lines(want) { // of any length
				_, err := w.Write(part)
				assert.NoError(t, err)
			}
			assert.NoError(t, w.Close())
		})
		_, got, err := c.ReadMessage()
		sending.Wait()
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	})
}

func TestALongMessageAfterALongSilenceStillComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, trafficapps.Config{Slug: trafficapps.Echo}).open()
		for _, n := range []int{10, 64 << 10} {
			want := random(t, n)
			var sending sync.WaitGroup
			sending.Go(func() { assert.NoError(t, c.WriteMessage(websocket.BinaryMessage, want)) })
			_, got, err := c.ReadMessage()
			sending.Wait()
			require.NoError(t, err, "the time for the message before has run out meanwhile")
			require.True(t, bytes.Equal(want, got))
			time.Sleep(10 * time.Minute)
		}
	})
}

func TestDiscardTakesEverythingAndSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, trafficapps.Config{Slug: trafficapps.Discard}).open()
		for _, n := range []int{0, 1024, 300 << 10} {
			require.NoError(t, c.WriteMessage(websocket.BinaryMessage, random(t, n)))
		}
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Hour)))
		_, _, err := c.ReadMessage()
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout(), "it sent something: %v", err)
	})
}

// hangUp reads until the other side says goodbye.
func hangUp(t *testing.T, c *websocket.Conn) *websocket.CloseError {
	t.Helper()
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		require.ErrorAs(t, err, &closed)
		return closed
	}
}

func TestAGoodbyeIsAnsweredWithItsOwnCode(t *testing.T) {
	for _, app := range trafficapps.All() {
		for _, code := range []int{websocket.CloseNormalClosure, websocket.CloseGoingAway, 4001} {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, trafficapps.Config{Slug: app.Slug}).open()
				var saying sync.WaitGroup
				saying.Go(func() {
					assert.NoError(t, c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "done"), time.Time{}))
				})
				require.Equal(t, code, hangUp(t, c).Code, app.Slug)
				saying.Wait()
			})
		}
	}
}

func TestAFrameThatBreaksTheProtocolEndsTheConnectionWithItsCode(t *testing.T) {
	for _, app := range trafficapps.All() {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, trafficapps.Config{Slug: app.Slug}).open()
			var sending sync.WaitGroup
			sending.Go(func() {
				_, err := c.NetConn().Write([]byte{0x82, 0x01, 'x'}) // without a mask
				assert.NoError(t, err)
			})
			require.Equal(t, websocket.CloseProtocolError, hangUp(t, c).Code, app.Slug)
			sending.Wait()
		})
	}
}

func TestGoingAwayTellsEverybodyAndTakesNobody(t *testing.T) {
	for _, app := range trafficapps.All() {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, trafficapps.Config{Slug: app.Slug, Rate: 1 << 20})
			begun := time.Now()
			code, _ := s.get(http.MethodGet, "/healthz", "")
			require.Equal(t, http.StatusOK, code)
			var reading sync.WaitGroup
			for range 20 {
				c := s.open()
				reading.Go(func() { assert.Equal(t, websocket.CloseGoingAway, hangUp(t, c).Code) })
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s.GoAway(ctx)
			reading.Wait()
			require.Less(t, time.Since(begun), 10*time.Second, "it waited although everybody had answered")
			code, text := s.get(http.MethodGet, "/healthz", "")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Contains(t, text, "ending")
			_, resp, err := s.dial(t.Context())
			require.Error(t, err, "it took a connection that nobody ends")
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		})
	}
}

func TestWhoDoesNotAnswerAGoodbyeIsCutOffInTime(t *testing.T) {
	for _, app := range trafficapps.All() {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, trafficapps.Config{Slug: app.Slug})
			c := s.open() // which never reads
			synctest.Wait()
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			s.GoAway(ctx)
			require.Equal(t, 5*time.Second, time.Since(begun))
			_, err := c.NetConn().Write([]byte{0})
			require.Error(t, err, "the connection is still there")
		})
	}
}

func TestPlainRequestsAreAnswered(t *testing.T) {
	for _, app := range trafficapps.All() {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, trafficapps.Config{Slug: app.Slug})
			code, text := s.get(http.MethodGet, "/healthz", "")
			require.Equal(t, http.StatusOK, code)
			require.Equal(t, "ok\n", text)
			code, text = s.get(http.MethodPost, "/x", "12345")
			require.Equal(t, http.StatusOK, code)
			require.Equal(t, fmt.Sprintf("%s POST \"/x\", 5 bytes\n", app.Slug), text)
		})
	}
}

func TestManyConnectionsKeepTheirMessagesApart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := trafficapps.New(trafficapps.Config{Slug: trafficapps.Echo})
	srv := &http.Server{Handler: h}
	var serving, clients sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	for i := range 200 {
		clients.Go(func() {
			c, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+l.Addr().String()+"/", nil)
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			_ = resp.Body.Close()
			for k := range 50 {
				want := bytes.Repeat([]byte{byte(i), byte(k)}, 1+i*k%3000)
				if !assert.NoError(t, c.WriteMessage(websocket.BinaryMessage, want)) {
					return
				}
				_, got, err := c.ReadMessage()
				if !assert.NoError(t, err) || !assert.True(t, bytes.Equal(want, got), "connection %d got another's message", i) {
					return
				}
			}
		})
	}
	clients.Wait()
	h.GoAway(t.Context())
	require.NoError(t, srv.Close())
	serving.Wait()
}
