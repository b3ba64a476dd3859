package codertest

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// get asks with a token and closes the connection afterwards.
func get(t testing.TB, s *Server, token, path string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL()+path, nil)
	require.NoError(t, err)
	req.Close = true
	req.Header.Set("Coder-Session-Token", token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

func TestNewReportsAnAddressThatIsTaken(t *testing.T) {
	s := Start(t, Config{})
	_, err := New(Config{Addr: s.URL()[len("http://"):]})
	require.ErrorContains(t, err, "listen: ")
}

func TestTenThousandWorkspacesAreListedInPages(t *testing.T) {
	began := time.Now()
	s := Start(t, Config{Workspaces: 10_000, Users: 100, RateLimit: -1})
	t.Logf("ready after %v", time.Since(began))
	began = time.Now()
	seen := map[string]bool{}
	for offset := 0; offset < 10_000; offset += 500 {
		status, body := get(t, s, s.OwnerToken(), "/api/v2/workspaces?limit=500&offset="+itoa(offset))
		require.Equal(t, http.StatusOK, status)
		var page struct {
			Count      int
			Workspaces []struct{ Name string }
		}
		require.NoError(t, json.Unmarshal(body, &page))
		require.Equal(t, 10_000, page.Count)
		for _, w := range page.Workspaces {
			seen[w.Name] = true
		}
	}
	require.Len(t, seen, 10_000)
	t.Logf("listed in %v", time.Since(began))
}

func mustID(s string) uuid.UUID { return uuid.MustParse(s) }
