package codertest

import (
	"io"
	"net/http"
	"testing"

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

func mustID(s string) uuid.UUID { return uuid.MustParse(s) }
