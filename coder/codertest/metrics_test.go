package codertest

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// metricsOf parses what a server says of itself.
func metricsOf(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	return families
}

// metricWith finds a label set; nil if there is none. Labels are names and values in
// turn.
func metricWith(f *dto.MetricFamily, labels ...string) *dto.Metric {
next:
	for _, m := range f.GetMetric() {
		for i := 0; i < len(labels); i += 2 {
			found := false
			for _, l := range m.GetLabel() {
				found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
			}
			if !found {
				continue next
			}
		}
		return m
	}
	return nil
}

func TestJobsAndRequestsAreTimed(t *testing.T) {
	s := Start(t, Config{Workspaces: 3, RateLimit: -1, Provisioners: 1, BuildTime: Fixed(20 * time.Millisecond),
		Routes: []RouteFault{{Path: "/api/v2/buildinfo", Latency: Fixed(30 * time.Millisecond)}}})
	for _, name := range []string{"scaletest-0", "scaletest-1", "scaletest-2"} {
		w := agentOf(s, "admin/"+name).build.workspace
		ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+w.id.String()+"/builds", `{"transition":"stop"}`).into(t, 201, &struct{}{})
	}
	ask(t, s, "", "GET", "/api/v2/buildinfo", "")
	var f map[string]*dto.MetricFamily
	require.Eventually(t, func() bool {
		f = metricsOf(t, s.exposition())
		m := metricWith(f["coderd_workspace_builds_total"], "status", "success", "workspace_transition", "STOP")
		return m.GetCounter().GetValue() == 3
	}, 20*time.Second, 5*time.Millisecond)
	wait := metricWith(f["coderd_provisioner_job_queue_wait_seconds"], "job_type", "workspace_build", "transition", "stop").GetHistogram()
	require.EqualValues(t, 3, wait.GetSampleCount())
	require.Greater(t, wait.GetSampleSum(), 0.06, "there is one provisioner: the second waits for the first, and the third for both")
	took := metricWith(f["coderd_provisionerd_workspace_build_timings_seconds"], "workspace_transition", "STOP").GetHistogram()
	require.EqualValues(t, 3, took.GetSampleCount())
	require.GreaterOrEqual(t, took.GetSampleSum(), 0.06)
	request := metricWith(f["coderd_api_request_latencies_seconds"], "method", "GET", "path", "/api/v2/buildinfo").GetHistogram()
	require.EqualValues(t, 1, request.GetSampleCount())
	require.Greater(t, request.GetSampleSum(), 0.03)
	for _, b := range request.GetBucket() {
		require.Equal(t, b.GetUpperBound() > request.GetSampleSum(), b.GetCumulativeCount() == 1)
	}
}

func TestWebSocketsAreCountedWhileTheyAreOpen(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	w := agentOf(s, "admin/scaletest-0").build.workspace
	const path = "/api/v2/workspaces/{workspace}/watch-ws"
	open := func() float64 {
		return metricWith(metricsOf(t, s.exposition())["coderd_api_concurrent_websockets"], "path", path).GetGauge().GetValue()
	}
	require.Zero(t, open())
	one := follow(t, s, s.OwnerToken(), "/api/v2/workspaces/"+w.id.String()+"/watch-ws")
	follow(t, s, s.OwnerToken(), "/api/v2/workspaces/"+w.id.String()+"/watch-ws")
	require.Equal(t, 2.0, open())
	require.NoError(t, one.Close())
	require.Eventually(t, func() bool { return open() == 1 }, 20*time.Second, 5*time.Millisecond)
	f := metricsOf(t, s.exposition())
	require.Nil(t, metricWith(f["coderd_api_request_latencies_seconds"], "path", path), "a WebSocket lasts as long as its user stays")
	require.Equal(t, 2.0, metricWith(f["coderd_api_requests_processed_total"], "code", "101", "path", path).GetCounter().GetValue())
}

func TestPrometheusNeedsNoToken(t *testing.T) {
	for version, has := range map[string]bool{"v2.37.0": true, "v2.26.0": false} {
		s := Start(t, Config{Workspaces: 2, Version: version, PrometheusAddr: "127.0.0.1:0"})
		require.NotEqual(t, s.URL(), s.PrometheusURL())
		for range 3 { // each counts
			ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/me", "")
		}
		resp, err := http.Get(s.PrometheusURL() + "/any/path")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		http.DefaultClient.CloseIdleConnections()
		require.True(t, strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4"))
		f := metricsOf(t, string(body))
		require.Equal(t, 3.0, metricWith(f["coderd_api_requests_processed_total"], "code", "200", "path", "/api/v2/users/{user}").GetCounter().GetValue())
		require.Equal(t, 2.0, metricWith(f["coderd_agents_connections"], "status", "connected").GetGauge().GetValue())
		require.Equal(t, float64(runtime.GOMAXPROCS(0)), f["go_sched_gomaxprocs_threads"].GetMetric()[0].GetGauge().GetValue())
		require.Equal(t, has, f["coderd_build_info"] != nil, "older servers don't have it")
		if runtime.GOOS == "linux" {
			require.Positive(t, f["process_cpu_seconds_total"].GetMetric()[0].GetCounter().GetValue())
			require.Greater(t, f["process_resident_memory_bytes"].GetMetric()[0].GetGauge().GetValue(), 1e6)
			fds := f["process_open_fds"].GetMetric()[0].GetGauge().GetValue()
			require.Greater(t, fds, 3.0)
			require.Less(t, fds, f["process_max_fds"].GetMetric()[0].GetGauge().GetValue())
		}
	}
	require.Empty(t, Start(t, Config{}).PrometheusURL())
	_, err := New(Config{PrometheusAddr: "here"})
	require.ErrorContains(t, err, "PrometheusAddr")
	busy := Start(t, Config{PrometheusAddr: "127.0.0.1:0"})
	_, err = New(Config{PrometheusAddr: strings.TrimPrefix(busy.PrometheusURL(), "http://")})
	require.ErrorContains(t, err, "listen for Prometheus")
}

func TestLabelsAreEscaped(t *testing.T) {
	var e exposition
	e.family("x", "gauge", "Of anything.")
	const odd = "a\"b\\c\nd,e=}"
	e.sample("x", 1.5, "y", odd, "z", "")
	var h times
	h.limits = []float64{1}
	h.add(1, "y", odd)
	h.add(2, "y", odd)
	h.write(&e, "h", "Of times.")
	f := metricsOf(t, e.b.String())
	require.Equal(t, 1.5, metricWith(f["x"], "y", odd, "z", "").GetGauge().GetValue())
	require.EqualValues(t, 1, metricWith(f["h"], "y", odd).GetHistogram().GetBucket()[0].GetCumulativeCount(), "what is at a limit is within it")
	require.EqualValues(t, 2, metricWith(f["h"], "y", odd).GetHistogram().GetSampleCount())
	require.NotContains(t, string(bytes.TrimSpace([]byte(e.b.String()))), "\n\n")
}
