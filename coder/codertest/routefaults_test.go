package codertest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const workspacesPath = "/api/v2/workspaces"

func TestADroppedRequestGetsNoAnswerAndIsCounted(t *testing.T) {
	s := Start(t, Config{Routes: []RouteFault{{Path: workspacesPath, ErrorRate: 1, ErrorStatus: -1}}})
	_, err := try(t.Context(), s, s.OwnerToken(), "GET", workspacesPath, "")
	require.ErrorIs(t, err, io.EOF)
	require.EqualValues(t, 1, s.Stats().Dropped)
	require.Zero(t, s.Stats().Failed)
}

func TestAFailingRouteSaysTheStatusThatWasAskedFor(t *testing.T) {
	s := Start(t, Config{Routes: []RouteFault{
		{Method: "GET", Path: workspacesPath, ErrorRate: 1, ErrorStatus: http.StatusServiceUnavailable},
		{Path: "/api/v2/users", ErrorRate: 1},
		{Path: workspacesPath, ErrorRate: 1, ErrorStatus: http.StatusTeapot}, // the first one counts
	}})
	ask(t, s, s.OwnerToken(), "GET", workspacesPath+"?limit=1", "").says(t, http.StatusServiceUnavailable, "message")
	ask(t, s, s.OwnerToken(), "POST", workspacesPath, "").says(t, http.StatusTeapot, "message")
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/me", "").says(t, http.StatusInternalServerError, "An internal server error occurred.")
	require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates", "").status)
	require.EqualValues(t, 3, s.Stats().Failed)
}

func TestATerminalIsRefusedByTheFaultOfItsRoute(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, Routes: []RouteFault{
		{Path: "/api/v2/workspaceagents/*/pty", ErrorRate: 1, ErrorStatus: http.StatusBadGateway},
	}})
	id := agentOf(s, "admin/scaletest-0").id
	_, resp, err := dialTTY(s, id, url.Values{"reconnect": {uuid.NewString()}})
	require.Error(t, err)
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaceagents/"+id.String(), "").status)
}

func TestAnErrorRateIsAShareThatTheSeedDecides(t *testing.T) {
	outcomes := func(seed uint64) (failed []bool) {
		s := Start(t, Config{RateLimit: -1, Seed: seed, Routes: []RouteFault{{Path: "/healthz", ErrorRate: 0.3}}})
		n := 0
		for range 200 {
			a := ask(t, s, "", "GET", "/healthz", "")
			failed = append(failed, a.status != http.StatusOK)
			if a.status != http.StatusOK {
				n++
			}
		}
		require.InDelta(t, 60, n, 35)
		require.EqualValues(t, n, s.Stats().Failed)
		return failed
	}
	first := outcomes(1)
	require.Equal(t, first, outcomes(1))
	require.NotEqual(t, first, outcomes(2))
}

func TestASlowRouteHoldsUpNothingElse(t *testing.T) {
	s := Start(t, Config{Routes: []RouteFault{{Path: workspacesPath, Latency: Fixed(time.Hour)}}})
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	left := make(chan error, 1)
	for _, c := range []struct {
		ctx context.Context
		err chan error
	}{{ctx, gaveUp}, {t.Context(), left}} {
		go func() {
			_, err := try(c.ctx, s, s.OwnerToken(), "GET", workspacesPath, "")
			c.err <- err
		}()
	}
	until(t, "both requests are there", func() bool { return s.Stats().Requests == 2 })
	require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates", "").status)
	cancel()
	require.ErrorIs(t, <-gaveUp, context.Canceled)
	s.Close()
	require.Error(t, <-left)
}

func TestALatencyIsWaitedForBeforeTheAnswer(t *testing.T) {
	const d = 50 * time.Millisecond
	s := Start(t, Config{Routes: []RouteFault{{Path: "/healthz", Latency: Fixed(d)}}})
	began := time.Now()
	require.Equal(t, http.StatusOK, ask(t, s, "", "GET", "/healthz", "").status)
	require.GreaterOrEqual(t, time.Since(began), d)
}

func TestARouteMatchesWholeSegments(t *testing.T) {
	for _, c := range []struct {
		fault        RouteFault
		method, path string
		want         bool
	}{
		{RouteFault{}, "GET", "/", true},
		{RouteFault{Method: "POST"}, "GET", "/", false},
		{RouteFault{Path: "/api/v2/workspaces"}, "GET", "/api/v2/workspaces/x/builds", true},
		{RouteFault{Path: "/api/v2/workspaces"}, "GET", "/api/v2/workspacesx", false},
		{RouteFault{Path: "/api/v2/workspaces/"}, "GET", "/api/v2/workspaces", true},
		{RouteFault{Path: "/api/v2/workspaceagents/*/pty"}, "GET", "/api/v2/workspaceagents/x/pty", true},
		{RouteFault{Path: "/api/v2/workspaceagents/*/pty"}, "GET", "/api/v2/workspaceagents/x", false},
		{RouteFault{Path: "/api/v2/workspaceagents/*/pty"}, "GET", "/api/v2/workspaceagents/x/logs", false},
	} {
		require.Equal(t, c.want, c.fault.matches(c.method, c.path), "%+v %s", c.fault, c.path)
	}
}

func TestALatencyStaysInItsBounds(t *testing.T) {
	s := &Server{}
	s.faults.init(Config{})
	for _, l := range []Latency{
		{Min: 2, Max: 5}, Fixed(7), {}, {Min: 10, Median: 100, Max: 1000}, {Median: 100, P99: 100},
	} {
		require.NoError(t, l.Validate())
		for range 1000 {
			d := l.sample(s.faults.rng)
			require.GreaterOrEqual(t, d, l.Min)
			if l.Max > 0 {
				require.LessOrEqual(t, d, l.Max)
			}
			if l == Fixed(7) || l == (Latency{}) {
				require.Equal(t, l.Min, d)
			}
			if l.P99 == 100 {
				require.EqualValues(t, 100, d)
			}
		}
	}
	for _, l := range []Latency{{Min: -1}, {Min: 2, Max: 1}, {Median: 2, P99: 1}, {P99: 1}, {Max: -1}} {
		require.Error(t, l.Validate(), "%+v", l)
	}
}

func TestALogNormalLatencyHasItsMedianAndPercentile(t *testing.T) {
	var f faults
	f.init(Config{Seed: 3})
	l := Latency{Median: 100 * time.Millisecond, P99: time.Second}
	const n = 20_000
	below, above := 0, 0
	for range n {
		switch d := l.sample(f.rng); {
		case d < l.Median:
			below++
		case d > l.P99:
			above++
		}
	}
	require.InDelta(t, 0.5, float64(below)/n, 0.02)
	require.InDelta(t, 0.01, float64(above)/n, 0.005)
}

func TestFaultsBeginAndEndWhileTheDeploymentRuns(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, Routes: []RouteFault{{Path: "/healthz", ErrorRate: 1}}})
	status := func() int { return ask(t, s, "", "GET", "/healthz", "").status }
	require.Equal(t, http.StatusInternalServerError, status())
	require.ErrorContains(t, s.SetRoutes([]RouteFault{{}, {Path: "x"}}), `Routes[1]: Path is "x"`)
	require.Equal(t, http.StatusInternalServerError, status(), "a mistake changes nothing")
	require.NoError(t, s.SetRoutes(nil))
	require.Equal(t, http.StatusOK, status())
	mine := []RouteFault{{ErrorRate: 1, ErrorStatus: http.StatusBadGateway}}
	require.NoError(t, s.SetRoutes(mine))
	mine[0].ErrorRate = 0 // theirs is a copy
	require.Equal(t, http.StatusBadGateway, status())
}
