package codertest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// try asks on a connection of its own.
func try(ctx context.Context, s *Server, token, method, path, body string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Close = true
	if token != "" {
		req.Header.Set("Coder-Session-Token", token)
	}
	return send(req)
}

func send(req *http.Request) (answer, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

// ask is try for requests that must be answered.
func ask(t testing.TB, s *Server, token, method, path, body string) answer {
	t.Helper()
	a, err := try(t.Context(), s, token, method, path, body)
	require.NoError(t, err)
	return a
}

// into decodes the body of an answer with this status.
func (a answer) into(t testing.TB, status int, v any) {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	require.NoError(t, json.Unmarshal(a.body, v))
}

// says checks a refusal.
func (a answer) says(t testing.TB, status int, part string) {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	require.Contains(t, string(a.body), part)
}

// until waits for something that happens soon.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not after 20 s", what)
		}
	}
}

// memberToken is a session of a user, minted by the owner.
func memberToken(t testing.TB, s *Server, user string) string {
	t.Helper()
	var key struct{ Key string }
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/"+user+"/keys", "").into(t, http.StatusCreated, &key)
	return key.Key
}
