//go:build !scaletest

package scaletest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
)

// watched is the result of a short run, whose verdict must be a pass whatever was
// seen of the server.
func watched(t *testing.T, set ...string) *harness.Result {
	t.Helper()
	environment(t, set...)
	var res *harness.Result
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Embedded{Workspaces: 2, Server: codertest.Config{RateLimit: -1}}.Connect(tb)
		res = scaletest.Run(tb, typing(target.Workspaces(tb), 300*time.Millisecond))
	})
	require.Empty(t, tb.fatal)
	require.Empty(t, tb.errors)
	require.Equal(t, harness.Pass, res.Verdict)
	return res
}

// asked is how often a deployment was asked for its metrics.
func asked(d deployment) (n int64) {
	for r, count := range d.Stats().Routes {
		if strings.HasPrefix(r.Route, "GET /api/v2/debug/") && !strings.HasSuffix(r.Route, "/health") {
			n += count
		}
	}
	return n
}

func TestARunSeesItsDeploymentFromItsOwnSide(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  codertest.Config
		urls bool
	}{
		"by the API":                     {cfg: codertest.Config{Workspaces: 2}},
		"of an old server by Prometheus": {codertest.Config{Workspaces: 2, Version: "v2.26.0", PrometheusAddr: "127.0.0.1:0"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, c.cfg)
			set := append(live(d.URL(), d.OwnerToken()), p+"SERVER_INTERVAL=50ms")
			if c.urls {
				set = append(set, p+"SERVER_METRICS="+d.PrometheusURL())
			}
			res := watched(t, set...)
			require.NotNil(t, res.Server)
			assert.Equal(t, 0.05, res.Server.Interval)
			assert.Zero(t, res.Server.Failed, res.Server.Notes)
			assert.NotEmpty(t, res.Server.Facts["cores_per_replica"])
			agents := res.Server.Find("agents", "connected")
			require.NotNil(t, agents)
			assert.Equal(t, 2.0, agents.Points[0][1])
			require.NotNil(t, res.Server.Find("api_requests", ""), "two looks have rates")
			if c.urls {
				assert.Zero(t, asked(d), "the API is not asked for what Prometheus has")
			} else {
				assert.LessOrEqual(t, asked(d), int64(res.Seconds/0.05)+1, "one request each time")
			}
		})
	}
	res := watched(t)
	require.NotNil(t, res.Server, "the embedded deployment is a deployment")
	assert.Equal(t, 1.0, res.Server.Interval)
	assert.Equal(t, "v2.37.0", res.Server.Facts["version"])
	assert.Empty(t, res.Server.Notes, "it has no settings to name")
}

// Whoever may not read the metrics has a run all the same, and is told once.
func TestMetricsThatAreRefusedAreANote(t *testing.T) {
	member := deploy(t, codertest.Config{Workspaces: 2, Users: 1})
	old := deploy(t, codertest.Config{Workspaces: 2, Version: "v2.26.0"})
	for name, c := range map[string]struct {
		of    deployment
		token string
		want  string
	}{
		"no owner": {member, member.token(t, "scaletest-user-0"), "the token's user may not: use an owner's token"},
		"too old":  {old, old.OwnerToken(), "too old"},
	} {
		t.Run(name, func(t *testing.T) {
			res := watched(t, append(live(c.of.URL(), c.token), p+"SERVER_INTERVAL=20ms")...)
			notes := strings.Join(res.Server.Notes, "\n")
			assert.Contains(t, notes, c.want)
			assert.Contains(t, notes, p+"SERVER_METRICS takes such addresses")
			assert.NotContains(t, notes, c.token)
			assert.LessOrEqual(t, len(res.Server.Notes), 2, notes)
			assert.EqualValues(t, 1, asked(c.of), "a refusal stays one")
		})
	}
	gone := watched(t, append(live(old.URL(), old.OwnerToken()), p+"SERVER_METRICS=http://127.0.0.1:1,http://127.0.0.1:2")...)
	assert.Contains(t, strings.Join(gone.Server.Notes, "\n"), "read the metrics at http://127.0.0.1:1/metrics: ")
}

func TestNobodyLooksWhereNobodyWantsToKnow(t *testing.T) {
	assert.Nil(t, watched(t, p+"SERVER_METRICS=off").Server)

	d := deploy(t, codertest.Config{Workspaces: 2})
	environment(t, live(d.URL(), d.OwnerToken())...)
	own := looks(0)
	attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		res := scaletest.RunPlan(tb, harness.Plan{Observer: &own, ObserveEvery: 10 * time.Millisecond, Scenarios: []harness.Scenario{typing(target.Workspaces(tb), 50*time.Millisecond)}})
		assert.NotNil(t, res.Server.Find("looks", ""))
		assert.Equal(t, 0.01, res.Server.Interval)
	})
	assert.Positive(t, own)
	assert.Zero(t, asked(d), "a plan's own observer stays")
}

// looks is an observer that counts its looks.
type looks int

func (l *looks) Observe(context.Context) (harness.Observation, error) {
	*l++
	return harness.Observation{Values: []harness.Value{{Series: "looks", Value: float64(*l)}}}, nil
}

// A deployment that does not answer is what is tested, and no reason for its run to
// hang or to fail.
func TestMetricsThatHangHoldUpNothing(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 2})
	release := make(chan struct{})
	address := inFront(t, d, func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/api/v2/debug/") {
			return false
		}
		select {
		case <-r.Context().Done():
		case <-release:
		}
		return true
	})
	res := watched(t, live(address, d.OwnerToken())...)
	close(release)
	assert.Zero(t, res.Server.Observations)
}

func TestAddressesOfMetricsAreChecked(t *testing.T) {
	for set, want := range map[string]string{
		"SERVER_METRICS=10.0.0.7:2112":             `SERVER_METRICS has "10.0.0.7:2112" in it, want off, or the addresses`,
		"SERVER_METRICS=http://a:1,http://b:x@c:1": `SERVER_METRICS has "…@c:1" in it`,
		"SERVER_METRICS=http://a:1,":               `SERVER_METRICS has "" in it`,
		"SERVER_METRICS=http://a:1,http://a:1/":    `SERVER_METRICS is not a list of addresses: URLs[1] is the same as URLs[0]`,
		"SERVER_INTERVAL=0":                        `SERVER_INTERVAL is "0", want a duration of more than 0`,
	} {
		_, err := scaletest.ConfigFromEnv(append(append([]string{}, login...), p+set))
		require.Error(t, err, set)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "\n")
	}
	_, err := scaletest.ConfigFromEnv([]string{p + "SERVER_METRICS=http://a:1"})
	assert.ErrorContains(t, err, "CODER_URL is not set")
	c, err := scaletest.ConfigFromEnv(append(append([]string{}, login...), p+"SERVER_METRICS= http://a:1 , https://b/m/", p+"SERVER_INTERVAL=2s"))
	require.NoError(t, err)
	assert.Equal(t, scaletest.ServerMetrics{URLs: []string{"http://a:1", "https://b/m"}, Interval: 2 * time.Second}, c.Server)
	c, err = scaletest.ConfigFromEnv([]string{p + "SERVER_METRICS=OFF"})
	require.NoError(t, err)
	assert.True(t, c.Server.Off)
}
