package coder_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// testToken looks like a real one. No error, log or print may contain it.
const testToken = "tokenidabc-thesecretpartofthetoken"

// fakeServer answers requests in memory, so that tests can run in a synctest
// bubble.
type fakeServer struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	answer   func(*http.Request) (*http.Response, error)
}

func (f *fakeServer) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		_ = req.Body.Close()
		body = string(b)
	}
	f.mu.Lock()
	f.requests = append(f.requests, req)
	f.bodies = append(f.bodies, body)
	f.mu.Unlock()
	return f.answer(req)
}

func (f *fakeServer) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// answers makes the answers of a server, the last one for ever.
func answers(list ...func() (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	var mu sync.Mutex
	next := 0
	return func(*http.Request) (*http.Response, error) {
		mu.Lock()
		i := min(next, len(list)-1)
		next++
		mu.Unlock()
		return list[i]()
	}
}

// says is an answer of Coder with a body, JSON unless it begins with "<" or
// is not JSON.
func says(status int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{"X-Coder-Build-Version": {"v2.37.0"}, "Content-Type": {"application/json"}}
		switch {
		case strings.HasPrefix(body, "<"):
			h.Set("Content-Type", "text/html; charset=utf-8")
		case body != "" && !json.Valid([]byte(body)):
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		for i := 0; i+1 < len(header); i += 2 {
			if header[i+1] == "" {
				h.Del(header[i])
				continue
			}
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// fails is a connection that breaks.
func fails(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

// fakeClient is a client of a fake server.
func fakeClient(t testing.TB, cfg coder.Config, answer func(*http.Request) (*http.Response, error)) (*coder.Client, *fakeServer) {
	t.Helper()
	f := &fakeServer{answer: answer}
	cfg.URL = "http://coder.test/base"
	cfg.HTTPClient = &http.Client{Transport: f}
	if cfg.Token == "" {
		cfg.Token = testToken
	}
	c, err := coder.New(cfg)
	require.NoError(t, err)
	return c, f
}
