package codertest

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTenThousandWorkspacesAreListedInPages(t *testing.T) {
	s := Start(t, Config{Workspaces: 10_000, Users: 100, RateLimit: -1})
	seen := map[string]bool{}
	for offset := 0; offset < 10_000; offset += 500 {
		var page struct {
			Count      int
			Workspaces []seenWorkspace
		}
		ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaces?limit=500&offset="+itoa(offset), "").into(t, http.StatusOK, &page)
		require.Equal(t, 10_000, page.Count)
		require.Len(t, page.Workspaces, 500)
		for _, w := range page.Workspaces {
			seen[w.Name] = true
		}
	}
	require.Len(t, seen, 10_000)
}

// cost is the least of some attempts: what else the machine does adds to it.
func cost(f func()) (objects uint64, d time.Duration) {
	for i := range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		f()
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if n := after.Mallocs - before.Mallocs; i == 0 || n < objects {
			objects = n
		}
		if i == 0 || took < d {
			d = took
		}
	}
	return objects, d
}

// Ten times as many of something cost ten times as much, or a hundred times if
// the work is quadratic.
const (
	linear    = 15 // of what is counted
	generous  = 50 // of what is timed
	unchanged = 2
)

func TestTenTimesTheWorkspacesAreTenTimesTheWork(t *testing.T) {
	fill := func(n int) (uint64, time.Duration) {
		return cost(func() { newState(1).populate(Config{Workspaces: n, Users: n / 10}) })
	}
	objects, took := fill(1000)
	tenfold, longer := fill(10_000)
	require.Less(t, float64(tenfold)/float64(objects), float64(linear))
	require.Less(t, float64(longer)/float64(took), float64(generous), "%v and %v", took, longer)
}

func TestAPageIsMadeOfItsOwnRowsOnly(t *testing.T) {
	page := func(n int) (uint64, time.Duration) {
		s := Start(t, Config{Workspaces: n, RateLimit: -1})
		r := httptest.NewRequest("GET", "/api/v2/workspaces?limit=100&offset="+itoa(n/2), nil)
		r.Header.Set("Coder-Session-Token", s.OwnerToken())
		return cost(func() {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
		})
	}
	objects, took := page(1000)
	tenfold, longer := page(10_000)
	require.Less(t, float64(tenfold)/float64(objects), float64(unchanged))
	require.Less(t, float64(longer)/float64(took), float64(generous), "%v and %v", took, longer)
}
