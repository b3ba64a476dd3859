package campaign_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/browser"
	"github.com/coderscale/scaletest/internal/campaign"
	"github.com/coderscale/scaletest/report/live"
	"github.com/coderscale/scaletest/scenario"
)

// patient is somebody who does what the load is, as long as it lasts.
type patient struct{}

func (patient) Run(ctx context.Context, _ *harness.Recorder) error {
	<-ctx.Done()
	return nil
}

// onScreen is a campaign whose load lasts until it is told to go on.
type onScreen struct {
	*world
	loaded chan struct{}
}

// child is quick, but for loads, which serve their live page.
func (o onScreen) child(ctx context.Context, job campaign.Job) error {
	_, _ = job.Out.Write([]byte("=== RUN   " + job.Test + "\n"))
	if job.Test == "TestCreateWorkspaces" {
		o.result(job, harness.Pass)
		return nil
	}
	server, err := live.Listen("127.0.0.1:0", live.Config{})
	if err != nil {
		return err
	}
	run, err := harness.Start(ctx, harness.Plan{Name: "people at work", Stream: server, Scenarios: []harness.Scenario{{
		Name: "work", Schedule: harness.AllAtOnce(2).Hold(time.Hour), Runner: func(int) (harness.Runner, error) { return patient{}, nil },
	}}})
	if err != nil {
		return err
	}
	_, _ = job.Out.Write([]byte("    live        " + server.URL() + "\n    <script>alert(1)</script>\n"))
	select {
	case <-o.loaded:
	case <-ctx.Done():
	}
	run.Abort()
	run.Wait()
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = server.Close(short) // what is cut is a connection of a browser
	o.result(job, harness.Fail)
	return nil
}

// prefix is where an app is that is reached by a path.
const prefix = "/@alice/runner.main/apps/campaign"

// TestAPersonFindsTheLoadAndItsResults goes the way of somebody who looks.
func TestAPersonFindsTheLoadAndItsResults(t *testing.T) {
	o := onScreen{&world{t: t}, make(chan struct{})}
	cfg := config(t)
	cfg.Comment, cfg.Baseline, cfg.Cleanup.Strategy = "before the upgrade", 0, campaign.OnStop
	cfg.Loads = []campaign.Load{{Kind: scenario.Terminal, Duration: 60 * second}}
	means := o.means()
	earlier := cfg
	earlier.Name, earlier.DryRun = "yesterday", true
	means.Child = func(context.Context, campaign.Job) error { return nil }
	c, err := campaign.Open(earlier, means)
	require.NoError(t, err)
	c.Run(t.Context())
	require.NoError(t, c.Close())

	means.Child = o.child
	c, err = campaign.Open(cfg, means)
	require.NoError(t, err)
	web := httptest.NewServer(http.StripPrefix(prefix, c))
	defer web.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(t.Context())
	}()

	page := browser.Open(t, web.URL+prefix+"/", 1100, 900)
	dir := os.Getenv("SCALETEST_SCREENSHOTS") // a folder, for people who want to see it
	shot := func(name string) {
		if dir != "" {
			page.Screenshot(filepath.Join(dir, name+".png"))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".html"), get(t, c, "/").Body.Bytes(), 0o600))
		}
	}
	page.Until(`document.querySelector("a[href='live/']")`)
	page.Until(`document.querySelector("#phases").innerText.includes("running")`)
	shot("running")
	var wide bool
	page.Eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
	require.False(t, wide, "it has to be scrolled sideways")
	var lines string
	page.Eval(`document.querySelector("pre").innerText`, &lines)
	require.Contains(t, lines, "<script>alert(1)</script>", "what a child prints is text")
	page.Eval(`document.querySelector("a[href='live/']").click()`, nil)
	page.Until(`document.body.innerText.includes("people at work")`)

	close(o.loaded)
	<-ended
	page.Eval(`location.assign("`+prefix+`/")`, nil)
	page.Until(`document.querySelector("h1") && document.querySelector("h1").innerText.includes("nightly")`)
	var text string
	page.Eval(`document.body.innerText`, &text)
	require.Contains(t, text, "terminal: terminal was not good")
	require.Contains(t, text, "before the upgrade")
	require.Contains(t, text, "yesterday")
	require.NotContains(t, text, "Follow the load")
	var refreshes bool
	page.Eval(`Boolean(document.querySelector("noscript") || document.body.dataset.active)`, &refreshes)
	require.False(t, refreshes, "it goes on asking when nothing changes any more")
	shot("ended")
	page.Eval(`document.querySelector("a[href='files/report.html']").click()`, nil)
	page.Until(`location.pathname.endsWith("/files/report.html") && document.readyState === "complete"`)
	page.Until(`document.body.innerText.includes("create") && document.body.innerText.includes("terminal")`)
	require.Empty(t, page.Problems())

	for _, width := range []int{390, 320} {
		narrow := browser.Open(t, web.URL+prefix+"/", width, 800)
		narrow.Eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
		require.False(t, wide, "it has to be scrolled sideways at %d px", width)
		if dir != "" && width == 390 {
			narrow.Screenshot(filepath.Join(dir, "narrow.png"))
		}
	}
	require.NoError(t, c.Close())
}

func TestEveryLinkOfThePageIsRelativeAndLeadsToSomething(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t}
		cfg := config(t)
		w.run(t.Context(), cfg)
		c, err := campaign.Open(cfg, w.means())
		require.NoError(t, err)
		c.Run(t.Context())
		body := get(t, c, "/").Body.String()
		links := 0
		for part := range strings.SplitSeq(body, `href="`) {
			link, _, found := strings.Cut(part, `"`)
			if strings.HasPrefix(part, "<!doctype") || !found {
				continue
			}
			links++
			require.False(t, strings.HasPrefix(link, "/") || strings.Contains(link, ":"), link)
			require.Equal(t, http.StatusOK, get(t, c, "/"+link).Code, link)
		}
		require.Greater(t, links, 9)
		require.NoError(t, c.Close())
	})
}

func TestThePageServesItsFilesAndNoOthers(t *testing.T) {
	w := &world{t: t}
	cfg := config(t)
	c, err := campaign.Open(cfg, w.means())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, os.WriteFile(filepath.Join(cfg.Results, "notes.md"), []byte("# x"), 0o600))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(cfg.Results, "out")))
	require.NoError(t, os.Mkdir(filepath.Join(cfg.Results, "step"), 0o700))
	for path, want := range map[string]int{
		"/": 200, "/healthz": 200, "/phases.json": 200, "/files/phases.json": 200, "/files/notes.md": 200,
		"/files/": 404, "/files/step": 404, "/files/step/": 404, "/files/out": 404, "/files/none": 404, "/files//etc/hostname": 307,
		"/live/": 404, "/elsewhere": 404,
	} {
		got := get(t, c, path)
		require.Equal(t, want, got.Code, path)
		require.Equal(t, "no-store", got.Header().Get("Cache-Control"), path)
	}
	require.Equal(t, 404, get(t, c, "/files/..%2f..%2fetc/hostname").Code)
	require.Equal(t, "text/plain; charset=utf-8", get(t, c, "/files/notes.md").Header().Get("Content-Type"))
	require.Contains(t, get(t, c, "/live/").Body.String(), `href="../"`)
	post := httptest.NewRecorder()
	c.ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
}
