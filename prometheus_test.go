//go:build unix && !scaletest

package scaletest_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// scrape reads the metrics whose address a line of the console names.
func scrape(t *testing.T, line string) string {
	t.Helper()
	_, address, _ := strings.Cut(line, "http://")
	address, _, _ = strings.Cut(strings.TrimSpace(address), ",")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address)
	if !assert.NoError(t, err) {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return string(b)
}

func TestFirstScrapeOfTheFinalNumbersEndsTheWait(t *testing.T) {
	environment(t, p+"PROMETHEUS_ADDRESS=127.0.0.1:0", p+"PROMETHEUS_WAIT=1h")
	var metrics string
	tb := &fakeTB{}
	tb.onOutput = func(line string) {
		if strings.HasPrefix(line, "waiting for the last scrape of ") {
			assert.Contains(t, tb.output.String(), "verdict     PASS", "nobody waits for the summary")
			metrics = scrape(t, line)
		}
	}
	attempt(t, tb, func(tb *fakeTB) {
		target := tiny.Connect(tb)
		scaletest.Run(tb, typing(target.Workspaces(tb), 300*time.Millisecond))
	})
	require.Empty(t, tb.fatal)
	require.Empty(t, tb.errors)
	assert.Contains(t, tb.output.String(), "metrics     http://127.0.0.1:")
	for _, line := range []string{
		`coderd_scaletest_run_info{name="` + t.Name() + `",run_id="`,
		`verdict="pass"} 1`,
		`coderd_scaletest_bytes_read_total{scenario="terminals"} `,
		`coderd_scaletest_bytes_written_total{scenario="terminals"} `,
		`coderd_scaletest_read_errors_total{scenario="terminals"} 0`,
		`coderd_scaletest_echo_seconds_bucket{action="terminal",scenario="terminals",le="+Inf"} `,
		`coderd_scaletest_echo_errors_total{action="terminal",scenario="terminals"} 0`,
		`coderd_scaletest_phase{phase="done"} 1`,
		`coderd_scaletest_phase{phase="load"} 0`,
		`coderd_scaletest_connections{scenario="terminals"} 0`,
		`coderd_scaletest_connections_lost_total{scenario="terminals"} 0`,
		`coderd_scaletest_iterations_total{result="succeeded",scenario="terminals"} 2`,
		`coderd_scaletest_action_seconds_count{action="terminal_open",phase="setup",scenario="terminals"} 2`,
		"go_goroutines ",
	} {
		assert.True(t, strings.Contains(metrics, line), "there is no %s", line)
	}
	for _, never := range []string{"read_latency_seconds", "write_latency_seconds", "workspace_name", "username"} {
		assert.False(t, strings.Contains(metrics, never), "%s is not what we measure", never)
	}
}

func TestWaitForTheLastScrapeIsCutShort(t *testing.T) {
	for _, c := range []struct {
		name, wait  string
		left        time.Duration // until the test's deadline; 0 is none
		interrupted bool
	}{
		{"by the configuration", "1ms", 0, false},
		{"by the test's deadline", "1h", 50 * time.Second, false},
		{"by an interrupt", "1h", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, p+"PROMETHEUS_ADDRESS=127.0.0.1:0", p+"PROMETHEUS_WAIT="+c.wait)
			tb := &fakeTB{}
			if c.left > 0 {
				tb.deadline = time.Now().Add(c.left)
			}
			tb.onOutput = func(line string) {
				if strings.HasPrefix(line, "waiting for ") {
					if c.left > 0 {
						assert.NotContains(t, line, "1h", "it waits beyond the deadline")
						scrape(t, line) // nobody waits for that long
					}
					if c.interrupted {
						interruptSelf(t)
					}
				}
			}
			attempt(t, tb, func(tb *fakeTB) {
				tiny.Connect(tb)
				scaletest.Run(tb, visiting(1, 0))
			})
			require.Empty(t, tb.fatal)
			require.Empty(t, tb.errors)
			assert.Contains(t, tb.output.String(), "waiting for the last scrape")
		})
	}
}

func TestAddressOfMetricsThatIsTakenIsSaidBeforeTheRun(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	environment(t, p+"PROMETHEUS_ADDRESS="+taken.Addr().String())
	tb := attempt(t, nil, func(tb *fakeTB) {
		tiny.Connect(tb)
		scaletest.Run(tb, visiting(1, 0))
		t.Error("it went on")
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "CODER_SCALETEST_PROMETHEUS_ADDRESS: serve metrics at \""+taken.Addr().String()+"\"")
	assert.NotContains(t, tb.output.String(), "getting ready")
}

func TestFinalNumbersArePushed(t *testing.T) {
	for _, code := range []int{http.StatusOK, http.StatusInternalServerError} {
		var path string
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path = r.Method + " " + r.URL.Path
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(code)
		}))
		environment(t, p+"PROMETHEUS_PUSH_URL="+gateway.URL)
		tb := attempt(t, nil, func(tb *fakeTB) {
			tiny.Connect(tb)
			scaletest.Run(tb, visiting(1, 0))
		})
		gateway.Close()
		assert.Regexp(t, `^PUT /metrics/job/coderd_scaletest/instance/.`, path)
		if code == http.StatusOK {
			assert.Empty(t, tb.errors)
		} else {
			require.Len(t, tb.errors, 1)
			assert.Contains(t, tb.errors[0], "push metrics to ")
		}
		assert.NotContains(t, tb.output.String(), "waiting for", "there is nothing to scrape")
	}
}

func TestEveryPageOfTheDashboardIsAMetric(t *testing.T) {
	environment(t, p+"PROMETHEUS_ADDRESS=127.0.0.1:0", p+"PROMETHEUS_WAIT=1h")
	var metrics string
	tb := &fakeTB{onOutput: func(line string) {
		if strings.HasPrefix(line, "waiting for the last scrape of ") {
			metrics = scrape(t, line)
		}
	}}
	var pages []string
	attempt(t, tb, func(tb *fakeTB) {
		target := scaletest.Embedded{Workspaces: 2, Server: codertest.Config{Users: 4}}.Connect(tb)
		people := target.People(tb)
		res := scaletest.Run(tb, harness.Scenario{
			Name: "dashboard", Schedule: harness.AllAtOnce(len(people)).Hold(time.Second),
			Runner: runners.DashboardConfig{People: people, Interval: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}.Runner(),
		})
		for name := range res.Scenarios[0].Actions {
			if strings.HasPrefix(name, "page_") {
				pages = append(pages, name)
			}
		}
	})
	require.Empty(t, tb.fatal)
	require.NotEmpty(t, pages)
	for _, name := range []string{"coderd_scaletest_dashboard_duration_seconds_count{", "coderd_scaletest_dashboard_errors_total{"} {
		assert.Equal(t, len(pages), strings.Count(metrics, name), "a page has no %s, of %v", name, pages)
	}
}
