package promexport_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/coderscale/scaletest/harness/promexport"
)

// fetch does a request on a connection of its own.
func fetch(t *testing.T, method, url, accept string) (int, []byte) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", accept)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, b
}

func serving(t *testing.T) (*promexport.Exporter, *promexport.Server) {
	t.Helper()
	e, err := promexport.New(everything)
	require.NoError(t, err)
	s, err := e.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
	return e, s
}

// requireText does not print the whole of it.
func requireText(t *testing.T, text []byte, line string) {
	t.Helper()
	require.True(t, strings.Contains(string(text), line), "there is no %s", line)
}

func seen(e *promexport.Exporter) bool {
	select {
	case <-e.Scraped():
		return true
	default:
		return false
	}
}

func TestAddressThatIsTakenIsAnError(t *testing.T) {
	_, s := serving(t)
	e, err := promexport.New(promexport.Config{})
	require.NoError(t, err)
	_, err = e.Serve(s.Addr().String())
	require.ErrorContains(t, err, "serve metrics at \""+s.Addr().String()+"\": ")
	require.ErrorContains(t, err, "want a free address")
	_, err = e.Serve("nowhere")
	require.ErrorContains(t, err, `serve metrics at "nowhere"`)
}

func TestOnlyAScrapeOfTheFinalNumbersHasSeenThem(t *testing.T) {
	e, s := serving(t)
	code, text := fetch(t, "GET", s.URL(), "text/plain")
	assert.Equal(t, http.StatusOK, code)
	requireText(t, text, "go_goroutines ") // the generator's own metrics
	assert.False(t, seen(e), "before the end")
	e.Finish(recorded(time.Millisecond))
	assert.False(t, seen(e), "before a scrape")
	fetch(t, "HEAD", s.URL(), "text/plain")
	fetch(t, "GET", strings.TrimSuffix(s.URL(), "/metrics"), "text/plain")
	assert.False(t, seen(e), "nobody has read the metrics")
	_, text = fetch(t, "GET", s.URL(), "text/plain")
	<-e.Scraped()
	requireText(t, text, `x_run_info{name="TestX",run_id="ab12",verdict="pass"} 1`)
	requireText(t, text, `x_action_seconds_bucket{action="work",phase="load",scenario="s",le="0.001"} 1`)
	fetch(t, "GET", s.URL(), "text/plain") // a second one is no accident
}

func TestPrometheusThatAsksGetsNativeHistograms(t *testing.T) {
	e, s := serving(t)
	e.Finish(recorded(time.Millisecond, time.Second))
	_, body := fetch(t, "GET", s.URL(), "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	in := bytes.NewReader(body)
	for {
		var f dto.MetricFamily
		require.NoError(t, protodelim.UnmarshalFrom(in, &f), "there is no such metric")
		if f.GetName() == "x_action_seconds" {
			h := f.Metric[0].GetHistogram()
			assert.EqualValues(t, 2, h.GetSampleCount())
			assert.NotEmpty(t, h.PositiveSpan)
			assert.NotEmpty(t, h.Bucket, "and classic ones")
			return
		}
	}
}

func TestClosedServerFreesItsAddress(t *testing.T) {
	e, err := promexport.New(promexport.Config{NoProcess: true})
	require.NoError(t, err)
	first, err := e.Serve("127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, first.Close(t.Context()))
	second, err := e.Serve(first.Addr().String())
	require.NoError(t, err)
	_, text := fetch(t, "GET", second.URL(), "text/plain")
	assert.False(t, strings.Contains(string(text), "go_goroutines"))
	require.NoError(t, second.Close(t.Context()))
}

// gateway is a Pushgateway.
type gateway struct {
	*httptest.Server
	mu             sync.Mutex
	requests       []string
	user, password string
	body           []byte
}

func newGateway(t *testing.T, code int) *gateway {
	g := &gateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.requests = append(g.requests, r.Method+" "+r.URL.Path)
		g.user, g.password, _ = r.BasicAuth()
		g.body, _ = io.ReadAll(r.Body)
		w.WriteHeader(code)
	}))
	t.Cleanup(g.Close)
	return g
}

func TestPushLeavesTheFinalNumbersBehind(t *testing.T) {
	g := newGateway(t, http.StatusOK)
	e, err := promexport.New(everything)
	require.NoError(t, err)
	e.Finish(recorded(time.Millisecond))
	address := strings.Replace(g.URL, "http://", "http://me:hunter2@", 1)
	require.NoError(t, e.Push(t.Context(), address, "nightly", "pod-1"))
	assert.Equal(t, []string{"PUT /metrics/job/nightly/instance/pod-1"}, g.requests)
	assert.Equal(t, []string{"me", "hunter2"}, []string{g.user, g.password})
	requireText(t, g.body, "x_run_info")
}

func TestPushThatFailsSaysWhyAndNoPassword(t *testing.T) {
	g := newGateway(t, http.StatusBadGateway)
	e, err := promexport.New(everything)
	require.NoError(t, err)
	address := strings.Replace(g.URL, "http://", "http://me:hunter2@", 1)
	err = e.Push(t.Context(), address, "nightly", "")
	require.ErrorContains(t, err, "push metrics to "+strings.TrimPrefix(g.URL, "http://"))
	require.ErrorContains(t, err, "502")
	require.NotContains(t, err.Error(), "hunter2")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = e.Push(ctx, address, "nightly", "")
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, err.Error(), "hunter2")
	for _, bad := range []string{"", "pushgateway:9091", "ftp://x", "http://me:hunter2@\x00"} {
		err = e.Push(t.Context(), bad, "nightly", "")
		require.ErrorContains(t, err, "want one such as http://pushgateway:9091")
		require.NotContains(t, err.Error(), "hunter2")
	}
}
