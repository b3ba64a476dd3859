package codertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeTB notes what Start does to a test.
type fakeTB struct {
	failure  string
	cleanups []func()
}

func (f *fakeTB) Helper()            {}
func (f *fakeTB) Cleanup(end func()) { f.cleanups = append(f.cleanups, end) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failure = fmt.Sprintf(format, args...)
}

// wrong has every mistake that there can be.
var wrong = Config{
	Workspaces: -1, Users: -2, RateLimit: -3, LoginRateLimit: -4, Provisioners: -5, Replicas: -6, ReplayBytes: -7,
	BuildFailureRate: 1.5, PingInterval: -time.Second, AgentTimeout: -time.Minute,
	Prebuilds: -8, AppHost: "apps.example.test",
	Apps:      []App{{Slug: "a b", Mode: 9, Sharing: "all"}, {Slug: "ok"}, {Slug: "ok"}},
	BuildTime: Latency{Min: -1}, AgentTime: Latency{Min: 2, Max: 1},
	Routes: []RouteFault{{}, {Path: "x", ErrorRate: -0.1, ErrorStatus: 200, Latency: Latency{P99: 1}}},
}

var complaints = []string{
	"Workspaces is -1, want 0 or more", "Users is -2, want 0 or more", "RateLimit is -3, want -1 or more",
	"LoginRateLimit is -4, want -1 or more", "Provisioners is -5, want 0 or more", "Replicas is -6, want 0 or more", "ReplayBytes is -7, want 0 or more",
	"BuildFailureRate is 1.5, want 0 to 1", "PingInterval is -1s", "AgentTimeout is -1m0s",
	"BuildTime: a time is negative", "AgentTime: max is 1ns, want at least the min of 2ns",
	"Routes[1]: ", "ErrorRate is -0.1, want 0 to 1", "ErrorStatus is 200", `Path is "x", want it to begin with /`,
	"Latency: p99 is 1ns, but there is no median", "Prebuilds is -8, want 0 or more",
	`AppHost is "apps.example.test", want a pattern such as *.apps.example.test`,
	`Apps[0]: slug is "a b"`, "mode is 9, want", `sharing is "all", want one of owner`, `Apps[2]: there is another one with the slug "ok"`,
}

func TestAllMistakesOfAConfigurationAreReportedAtOnce(t *testing.T) {
	_, fromNew := New(wrong)
	for _, err := range []error{wrong.Validate(), fromNew} {
		for _, want := range complaints {
			require.ErrorContains(t, err, want)
		}
		require.NotContains(t, err.Error(), "Routes[0]")
		require.Len(t, strings.Split(err.Error(), "\n"), 22, "one line for each: %v", err)
	}
	require.NoError(t, Config{}.Validate())
}

func TestStartFailsTheTestThatAsksForNonsense(t *testing.T) {
	var tb fakeTB
	require.Nil(t, Start(&tb, wrong))
	require.Contains(t, tb.failure, "codertest: Workspaces is -1")
	require.Empty(t, tb.cleanups)
}

func TestStartClosesTheDeploymentWithTheTest(t *testing.T) {
	var tb fakeTB
	s := Start(&tb, Config{})
	require.Empty(t, tb.failure)
	require.Len(t, tb.cleanups, 1)
	tb.cleanups[0]()
	_, err := try(t.Context(), s, "", "GET", "/healthz", "")
	require.Error(t, err)
	s.Close() // once more does no harm
}

func TestTheSeedDecidesTheIDs(t *testing.T) {
	ids := func(seed uint64) string {
		s := Start(t, Config{Workspaces: 3, Users: 2, Seed: seed})
		out := s.OwnerToken()
		for _, w := range s.state.workspaceList {
			out += " " + w.id.String() + " " + w.latest().agent.id.String()
		}
		return out
	}
	require.Equal(t, ids(7), ids(7))
	require.NotEqual(t, ids(7), ids(8))
}
