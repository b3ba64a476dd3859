package campaign_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/browser"
	"github.com/coderscale/scaletest/internal/campaign"
	"github.com/coderscale/scaletest/scenario"
)

// TestTheLastLinesShowTheirEndUnlessSomebodyHasScrolledUp looks at the page while a child
// prints.
func TestTheLastLinesShowTheirEndUnlessSomebodyHasScrolledUp(t *testing.T) {
	w := &world{t: t}
	cfg := config(t)
	cfg.Baseline, cfg.Loads = 0, []campaign.Load{{Kind: scenario.Terminal, Duration: 60 * second}}
	say, said, over := make(chan string), make(chan bool), make(chan bool)
	means := w.means()
	means.Child = func(_ context.Context, job campaign.Job) error {
		if job.Name != "create" {
			for line := range say {
				fmt.Fprintln(job.Out, line)
				said <- true
			}
			<-over
		}
		w.result(job, harness.Pass)
		return nil
	}
	c, err := campaign.Open(cfg, means)
	require.NoError(t, err)
	web := httptest.NewServer(c)
	defer web.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(t.Context())
	}()
	tell := func(from, to int) {
		for i := from; i < to; i++ {
			say <- fmt.Sprintf("   %3ds   200 users   8.19 of  8.19 MB/s  echo p50 230µs p99 3.21ms  0 errors, line %d.", i, i)
			<-said
		}
	}
	tell(0, 150)

	const atEnd = `(l => l.scrollHeight > l.clientHeight && l.scrollTop + l.clientHeight >= l.scrollHeight - 1)(document.querySelector("#lines"))`
	shows := func(page *browser.Page, line int) {
		page.Until(fmt.Sprintf(`document.querySelector("#lines").innerText.trimEnd().endsWith("line %d.")`, line))
		page.Until(atEnd)
	}
	var pages []*browser.Page
	for _, width := range []int{1280, 390} {
		page := browser.Open(t, web.URL+"/", width, 900)
		pages = append(pages, page)
		shows(page, 149)
		if dir := os.Getenv("SCALETEST_SCREENSHOTS"); dir != "" { // a folder, for people who want to see it
			page.Eval(`document.querySelector("#output").scrollIntoView()`, nil)
			page.Screenshot(filepath.Join(dir, fmt.Sprintf("lines-%d.png", width)))
		}
		var wide bool
		page.Eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
		require.False(t, wide, "it has to be scrolled sideways at %d px", width)
	}
	page := pages[0]
	tell(150, 160)
	page.Eval(`again()`, nil)
	shows(page, 159)

	page.Eval(`document.querySelector("#lines").scrollTop = 40`, nil)
	page.Until(`follows === false`)
	tell(160, 170)
	page.Eval(`again()`, nil)
	var there bool
	page.Eval(`document.querySelector("#lines").scrollTop === 40 && document.querySelector("#lines").innerText.includes("line 159.") && !document.querySelector("#lines").innerText.includes("line 169.")`, &there)
	require.True(t, there, "it was moved from under whoever reads it")
	page.Eval(`document.querySelector("#lines").scrollTop = 1e6`, nil)
	page.Until(`follows === true`)
	page.Eval(`again()`, nil)
	shows(page, 169)

	close(say)
	close(over)
	<-ended
	page.Eval(`again()`, nil)
	page.Until(`document.querySelector("h1").innerText.includes("pass")`)
	page.Until(`document.body.dataset.active === ""`) // nothing is asked any more
	require.Empty(t, page.Problems())

	web.Close()
	page.Eval(`again()`, nil)
	page.Until(`!document.querySelector("#silent").hidden`)
	require.NoError(t, c.Close())
}
