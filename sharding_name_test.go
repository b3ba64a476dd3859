//go:build !scaletest

package scaletest_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
)

func TestACollectorGetsTheNumbersOfAPlanWithoutAName(t *testing.T) {
	server, err := collector.New(collector.Config{Shards: 1, Dir: t.TempDir(), Linger: time.Millisecond, Lead: time.Millisecond})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	defer web.Close()
	d := deploy(t, codertest.Config{Workspaces: 2})
	environment(t, append(live(d.URL(), d.OwnerToken()), p+"SHARDS=1", p+"RUN_ID=nameless", p+"COLLECTOR="+web.URL, p+"ARTIFACTS="+t.TempDir())...)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		scaletest.RunPlan(tb, harness.Plan{Scenarios: []harness.Scenario{briefly(target.Workspaces(tb))}})
	})
	require.Empty(t, tb.fatal)
	require.Empty(t, tb.errors)
	runs, err := server.Wait(t.Context())
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Equal(t, tb.Name(), runs[0].Name)
}
