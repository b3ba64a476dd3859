package coderdmetrics

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// unpacked is a file of testdata.
func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return b
}

// recorded is a scrape and its second.
type recorded struct {
	second int
	text   string
}

func starved(t testing.TB) (out []recorded) {
	t.Helper()
	for part := range strings.SplitSeq(string(unpacked(t, "starved.txt.gz")), "# SCRAPE ") {
		second, text, _ := strings.Cut(part, "\n")
		if part == "" {
			continue
		}
		n, err := strconv.Atoi(second)
		require.NoError(t, err)
		out = append(out, recorded{n, text})
	}
	require.Len(t, out, 12)
	return out
}

// transport answers requests in place of a server.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "X-Coder-Build-Version": {"v2.37.0"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

func metricsAnswer(body string) *http.Response {
	return answer(http.StatusOK, "text/plain; version=0.0.4", body)
}

const testToken = "abcdefghij-0123456789abcdefghijkl"

// api is a client of a deployment that answers as told.
func api(t testing.TB, answers transport) *coder.Client {
	t.Helper()
	c, err := coder.New(coder.Config{URL: "http://coder.test", Token: testToken, HTTPClient: &http.Client{Transport: answers}})
	require.NoError(t, err)
	return c
}

func newWatcher(t testing.TB, cfg Config) *Watcher {
	t.Helper()
	w, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

// valueIn is a value of a reading; it fails the test if there is none.
func valueIn(t testing.TB, r Reading, series, of string) float64 {
	t.Helper()
	v, ok := find(r, series, of)
	require.True(t, ok, "%s of %q is not there", series, of)
	return v
}

func find(r Reading, series, of string) (float64, bool) {
	for _, v := range r.Values {
		if v.Series == series && v.Of == of {
			return v.Value, true
		}
	}
	return 0, false
}

// process is a replica that a test plays.
type process struct {
	start, cpu float64
	requests   map[string]float64 // by code
}

func (p process) String() string {
	var b bytes.Buffer
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	b.WriteString("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds " + number(p.start) +
		"\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total " + number(p.cpu) +
		"\n# TYPE coderd_api_requests_processed_total counter\n")
	for code, n := range p.requests {
		b.WriteString(`coderd_api_requests_processed_total{code="` + code + `",method="GET",path="/x"} ` + number(n) + "\n")
	}
	return b.String()
}

func at(seconds float64) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}
