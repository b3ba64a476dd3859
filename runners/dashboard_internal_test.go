package runners

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// browse is a browser of a test server.
func browse(t *testing.T, s *httptest.Server, connections int) *browser {
	t.Helper()
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	transport := s.Client().Transport.(*http.Transport).Clone()
	b := newBrowser(transport, u, connections)
	t.Cleanup(func() {
		b.close()
		transport.CloseIdleConnections()
		s.Close()
	})
	return b
}

func fetch(t *testing.T, b *browser, method, url, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	var buf bytes.Buffer
	resp, err := b.do(req, &buf)
	return resp, buf.String(), err
}

// counted is a server that counts its connections.
func counted(h http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	var n atomic.Int64
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
	return s, &n
}

func TestAConnectionIsUsedForOneCallAfterTheOther(t *testing.T) {
	s, conns := counted(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	s.Start()
	b := browse(t, s, 2)
	for _, body := range []string{"", "a", strings.Repeat("long ", 100_000)} {
		resp, got, err := fetch(t, b, http.MethodPost, s.URL, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, body, got)
	}
	require.EqualValues(t, 1, conns.Load())
}

func TestAConnectionThatWasClosedWhileIdleIsReplaced(t *testing.T) {
	s, conns := counted(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	s.Start()
	b := browse(t, s, 1)
	_, _, err := fetch(t, b, http.MethodPost, s.URL, "first")
	require.NoError(t, err)
	s.CloseClientConnections()
	_, got, err := fetch(t, b, http.MethodPost, s.URL, "second")
	require.NoError(t, err)
	require.Equal(t, "second", got)
	require.EqualValues(t, 2, conns.Load())
}

func TestAConnectionThatEndsInAnAnswerIsAnError(t *testing.T) {
	s, _ := counted(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	s.Start()
	b := browse(t, s, 1)
	_, _, err := fetch(t, b, http.MethodGet, s.URL, "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, b.idle)
}

func TestAServerThatHangsUpOnNewConnectionsIsNotAskedForEver(t *testing.T) {
	s, conns := counted(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s.Start()
	b := browse(t, s, 1)
	_, _, err := fetch(t, b, http.MethodGet, s.URL, "")
	require.ErrorIs(t, err, errStale)
	require.EqualValues(t, 1, conns.Load())
}

func TestACallEndsWithItsContext(t *testing.T) {
	began := make(chan struct{})
	s, _ := counted(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	s.Start()
	b := browse(t, s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	require.NoError(t, err)
	_, err = b.do(req, new(bytes.Buffer))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, b.idle)
	b.slots <- struct{}{} // all connections are busy
	_, err = b.do(req, new(bytes.Buffer))
	require.ErrorIs(t, err, context.Canceled)
	<-b.slots
}

func TestAnswersMayBeCompressedAndGoOverTLS(t *testing.T) {
	s, conns := counted(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" || r.ProtoMajor != 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte("text"), 10_000))
		_ = z.Close()
	})
	s.StartTLS()
	b := browse(t, s, 1)
	for range 2 {
		resp, got, err := fetch(t, b, http.MethodGet, s.URL, "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, strings.Repeat("text", 10_000), got)
	}
	require.EqualValues(t, 1, conns.Load())
	b.transport.TLSClientConfig.RootCAs = nil
	b.close()
	_, _, err := fetch(t, b, http.MethodGet, s.URL, "")
	require.ErrorContains(t, err, "certificate")
}

func TestAProxyIsGoneThrough(t *testing.T) {
	proxy, _ := counted(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "by proxy to "+r.URL.Host) })
	proxy.Start()
	b := browse(t, proxy, 1)
	at, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	b.transport.Proxy = http.ProxyURL(at)
	_, got, err := fetch(t, b, http.MethodGet, "http://coder.test/", "")
	require.NoError(t, err)
	require.Equal(t, "by proxy to coder.test", got)
	b.transport.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("no way") }
	_, _, err = fetch(t, b, http.MethodGet, "http://coder.test/", "")
	require.ErrorContains(t, err, "no way")
}

func TestPagesArePickedByTheirWeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	got := map[Page]int{}
	for range 10_000 {
		got[pickPage(rng, []PageWeight{{PageWorkspaces, 3}, {PageTemplates, 1}, {PageTerminal, 0}, {PageAudit, 100}}, func(p Page) bool { return p != PageAudit })]++
	}
	require.Len(t, got, 2)
	require.InDelta(t, 7500, got[PageWorkspaces], 200)
	require.Equal(t, PageWorkspaces, pickPage(rng, []PageWeight{{PageAudit, 1}}, func(Page) bool { return false }), "which everybody has")
}

func FuzzEmbedded(f *testing.F) {
	f.Add(`<meta property="user" content="{}">`)
	f.Add(`<meta property="user" content=""><meta property="build-info"`)
	f.Fuzz(func(t *testing.T, html string) {
		for name, has := range embedded(html) {
			if has && !strings.Contains(html, `property="`+name+`"`) {
				t.Errorf("%s is not in %q", name, html)
			}
		}
	})
}

func FuzzEventSource(f *testing.F) {
	f.Add("event: data\ndata: {}\n\n")
	f.Add("data:x")
	f.Add("\n\ndata: a\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := &eventSource{body: io.NopCloser(strings.NewReader("")), r: bufio.NewReaderSize(strings.NewReader(text), 16)}
		told := 0
		for {
			err := s.next(func(data []byte) {
				told++
				if bytes.ContainsAny(data, "\n") {
					t.Errorf("%q is more than a line", data)
				}
			})
			if err != nil {
				break
			}
		}
		if lines := strings.Count(text, "data:"); told > lines {
			t.Errorf("%d events of %d in %q", told, lines, text)
		}
	})
}

func FuzzWatched(f *testing.F) {
	f.Add([]byte(`{"type":"data","data":{"latest_build":{"id":"44444444-0000-4000-8000-000000000000","status":"running"}}}`))
	f.Add([]byte(`{"latest_build":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := &visit{dashboardUser: &dashboardUser{group: &dashboards{cfg: DashboardConfig{NoSockets: true}}}}
		v.watched(&openPage{})(data) // must not panic
	})
}
