//go:build linux && !scaletest

package scaletest_test

import (
	"bytes"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/promexport"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// ofTheProcess are the metrics of every Go program that dashboards use. There
// are more, and they change with Go.
var ofTheProcess = []string{
	"go_gc_duration_seconds", "go_goroutines", "go_memstats_heap_inuse_bytes", "process_cpu_seconds_total",
	"process_max_fds", "process_network_receive_bytes_total", "process_network_transmit_bytes_total",
	"process_open_fds", "process_resident_memory_bytes",
}

// fullResult is a result of which every metric is made.
func fullResult(durations []promexport.Duration) *harness.Result {
	var h histogram.Histogram
	h.Record(time.Second)
	d := harness.Distribute(&h)
	a := harness.ActionResult{Count: 1, Errors: 1, Response: d, Service: d}
	s := harness.ScenarioResult{
		Name: "s", Iteration: a, Lag: d, Setup: map[string]harness.ActionResult{"login": a}, Actions: map[string]harness.ActionResult{},
		Counters: map[string]int64{"bytes_sent": 1}, Connections: &harness.Connections{Count: 1},
	}
	for _, m := range durations {
		for name := range m.Actions {
			s.Actions[name] = a
		}
	}
	return &harness.Result{RunID: "ab12", Verdict: harness.Pass, Scenarios: []harness.ScenarioResult{s}}
}

// TestDashboardsKnowTheMetricsThatThereAre holds the list that the check of the
// dashboards goes by to what is really exposed.
func TestDashboardsKnowTheMetricsThatThereAre(t *testing.T) {
	cfg := scaletest.MetricNames("test")
	e, err := promexport.New(cfg)
	require.NoError(t, err)
	e.Phase("load")
	e.Phase("disruption lose-replica")
	e.Finish(fullResult(cfg.Durations))
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	answer := httptest.NewRecorder()
	e.Handler().ServeHTTP(answer, req)

	var lines []string
	for in := bytes.NewReader(answer.Body.Bytes()); in.Len() > 0; {
		var f dto.MetricFamily
		require.NoError(t, protodelim.UnmarshalFrom(in, &f))
		if !strings.HasPrefix(f.GetName(), cfg.Namespace+"_") && !slices.Contains(ofTheProcess, f.GetName()) {
			continue
		}
		labels := map[string]bool{}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels[l.GetName()] = true
			}
		}
		line := append([]string{f.GetName(), strings.ToLower(f.GetType().String())}, slices.Sorted(maps.Keys(labels))...)
		lines = append(lines, strings.Join(line, " ")+"\n")
	}
	got := "# Metrics of the load generator: name, type, labels. A test writes them from the\n" +
		"# live registry. \"*\" stands for labels that the scrape adds to all of them.\n" +
		"* target namespace pod container instance job node\n" + strings.Join(lines, "")
	path := filepath.Join("deploy", "grafana", "metrics", "scaletest.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	assert.Equal(t, string(want), got, "if that is better, -update, and look at deploy/grafana")
}
