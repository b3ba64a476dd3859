package live_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/browser"
	"github.com/coderscale/scaletest/report"
	"github.com/coderscale/scaletest/report/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var work = harness.NewAction("work")

// following is a run that goes on until it is stopped, and its page.
func following(t *testing.T) (*live.Server, *harness.Run) {
	t.Helper()
	var run *harness.Run
	ready := make(chan struct{})
	page, err := live.Listen("127.0.0.1:0", live.Config{Stop: func() { <-ready; run.Stop() }})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		assert.NoError(t, page.Close(ctx))
	})
	run, err = harness.Start(t.Context(), harness.Plan{Name: "TestFollowed", RunID: "followed", Stream: page, Scenarios: []harness.Scenario{{
		Name: "people", Schedule: harness.AllAtOnce(3).Hold(5 * time.Minute), Thresholds: []harness.Threshold{harness.P99("work").Below(time.Second)},
		Runner: func(int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(ctx context.Context) error {
					select {
					case <-time.After(20 * time.Millisecond):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
			}), nil
		},
	}}})
	require.NoError(t, err)
	close(ready)
	t.Cleanup(func() { run.Abort(); run.Wait() })
	require.Eventually(t, func() bool { status, _ := get(t, http.MethodGet, page.URL(), nil); return status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
	return page, run
}

func get(t *testing.T, method, address string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	require.NoError(t, err)
	for name, values := range header {
		req.Header[name] = values
		if name == "Host" {
			req.Host = values[0]
		}
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

func TestSomebodyFollowsARunAndStopsIt(t *testing.T) {
	page, run := following(t)
	p := browser.Open(t, page.URL(), 1280, 900)
	p.Until(`document.documentElement.dataset.ready !== undefined`)
	points := `(document.querySelector("[data-chart=r0-s0-rate]")?.view.u?.data[0].length ?? 0)`
	p.Until(points + ` >= 2`)
	var before int
	p.Eval(points, &before)
	p.Until(points + ` > ` + "1 + " + string(rune('0'+min(before, 8))))
	p.Until(`document.querySelector("#r0-s0-numbers td").textContent !== "–"`)
	p.Screenshot(filepath.Join(t.ArtifactDir(), "live.png"))
	p.Eval(`(window.confirm = () => true, document.querySelector("#stop").click())`, nil)
	res := run.Wait()
	assert.Equal(t, harness.Interrupted, res.Verdict)
	p.Until(`document.title === "TestFollowed: interrupted"`) // the report, in the place of the live page
	assert.Empty(t, p.Problems())
}

func TestNewsAreWhatIsLaterThanTheCursor(t *testing.T) {
	page, run := following(t)
	news := func(after report.Cursor) (n report.News) {
		text, err := json.Marshal(after)
		require.NoError(t, err)
		status, body := get(t, http.MethodGet, page.URL()+"news?since="+url.QueryEscape(string(text)), nil)
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &n))
		return n
	}
	seen := 0.0
	cursor := report.Cursor{}
	xs := map[float64]bool{}
	require.Eventually(t, func() bool {
		n := news(cursor)
		cursor = report.Cursor{}
		text, err := json.Marshal(n.Until)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &cursor))
		for _, c := range n.Data.Charts {
			if c.ID != "r0-s0-rate" {
				continue
			}
			for _, x := range c.X {
				require.Greater(t, x, seen, "a point came twice, or too late")
				seen, xs[x] = x, true
			}
		}
		return len(xs) >= 3
	}, 20*time.Second, 100*time.Millisecond)
	run.Stop()
	run.Wait()
	assert.True(t, news(cursor).Ended)
	status, body := get(t, http.MethodGet, page.URL(), nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "<title>TestFollowed: interrupted</title>")
}

func TestOnlyThePageItselfStopsARun(t *testing.T) {
	page, run := following(t)
	for _, header := range []http.Header{nil, {"X-Stop": {""}}, {"X-Stop": {"guess"}}} {
		status, _ := get(t, http.MethodPost, page.URL()+"stop", header)
		assert.Equal(t, http.StatusForbidden, status)
	}
	status, _ := get(t, http.MethodGet, page.URL(), http.Header{"Host": {"evil.example.com"}})
	assert.Equal(t, http.StatusForbidden, status, "another site's name for this machine")
	select {
	case <-run.Done():
		t.Fatal("it was stopped")
	default:
	}
	_, body := get(t, http.MethodGet, page.URL(), nil)
	_, after, found := strings.Cut(body, `data-token="`)
	require.True(t, found)
	token, _, _ := strings.Cut(after, `"`)
	status, _ = get(t, http.MethodPost, page.URL()+"stop", http.Header{"X-Stop": {token}})
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, harness.Interrupted, run.Wait().Verdict)
}

func TestWithoutARunThereIsASentence(t *testing.T) {
	page, err := live.Listen("127.0.0.1:0", live.Config{})
	require.NoError(t, err)
	status, body := get(t, http.MethodGet, page.URL(), nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, "read stream: it is empty")
	_, err = page.Write([]byte("nonsense\n"))
	require.NoError(t, err, "a run does not depend on its page")
	_, body = get(t, http.MethodGet, page.URL(), nil)
	assert.Contains(t, body, "read stream: line 1: ")
	status, _ = get(t, http.MethodGet, page.URL()+"news?since=x", nil)
	assert.Equal(t, http.StatusBadRequest, status)
	require.NoError(t, page.Close(t.Context()))
	_, err = live.Listen("nowhere:http:x", live.Config{})
	require.ErrorContains(t, err, "serve the live page at nowhere:http:x: ")
}
