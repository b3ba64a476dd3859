package report_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/browser"
)

// opened is the page of results in a browser.
func opened(t *testing.T, width, height int, results ...*harness.Result) *browser.Page {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(path, []byte(html(t, results...)), 0o600))
	p := browser.Open(t, (&url.URL{Scheme: "file", Path: path}).String(), width, height)
	p.Until(`document.documentElement.dataset.ready !== undefined`)
	return p
}

// everywhere scrolls over the page until all charts are drawn.
const everywhere = `(async () => {
	document.documentElement.style.scrollBehavior = "auto";
	const missing = () => [...document.querySelectorAll("figure[data-chart]")].filter(f => !f.querySelector(".u-wrap"));
	for (let i = 0; missing().length && i < 200; i++) {
		missing()[0].scrollIntoView();
		await new Promise(r => setTimeout(r, 20));
	}
	scrollTo(0, 0);
	return missing().length;
})()`

func TestAPersonLooksAtAPage(t *testing.T) {
	p := opened(t, 1280, 900, drawn(120, 50))
	var missing int
	p.Eval(everywhere, &missing)
	require.Zero(t, missing, "charts that are not drawn")

	t.Run("every chart has ink", func(t *testing.T) {
		var empty []string
		p.Eval(`[...document.querySelectorAll("figure[data-chart]")].filter(f => {
			const c = f.querySelector("canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
			const seen = new Set();
			for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) seen.add(d[i] + "," + d[i + 1] + "," + d[i + 2]);
			return seen.size < 3;
		}).map(f => f.dataset.chart)`, &empty)
		assert.Empty(t, empty)
	})
	t.Run("arrow keys move one cursor over all charts, and say what is there", func(t *testing.T) {
		p.Eval(`(document.querySelector("[data-chart=r0-s0-rate]").scrollIntoView({block: "end"}), document.querySelector("[data-chart=r0-s0-times-0] .plot").focus({preventScroll: true}), new Promise(r => setTimeout(r, 100)))`, nil)
		p.Do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
		p.Until(`document.querySelector("#said").textContent.startsWith("0:05: echo p99 ")`)
		p.Until(`["r0-s0-times-0", "r0-s0-rate"].every(id => document.querySelector("[data-chart=" + id + "] .when").textContent === "at 0:05")`)
	})
	zoomed := `["r0-s0-rate", "r0-v-cpu", "r0-g-cpu"].map(id => {
		const u = document.querySelector("[data-chart=" + id + "]").view.u;
		return u.scales.x.max - u.scales.x.min;
	})`
	t.Run("plus zooms all of them, and Escape shows everything again", func(t *testing.T) {
		var before, in, out []float64
		p.Eval(zoomed, &before)
		p.Do(chromedp.KeyEvent("+"))
		p.Until(`!document.querySelector("#everything").hidden`)
		p.Eval(zoomed, &in)
		for i := range in {
			assert.Less(t, in[i], before[i])
			assert.Equal(t, in[0], in[i], "charts of one axis show the same time")
		}
		p.Do(chromedp.KeyEvent(kb.Escape))
		p.Until(`document.querySelector("#everything").hidden`)
		p.Eval(zoomed, &out)
		assert.Equal(t, before, out)
	})
	t.Run("a drag zooms all of them", func(t *testing.T) {
		var box struct{ X, Y, Width, Height float64 }
		p.Eval(`(() => { const r = document.querySelector("[data-chart=r0-s0-rate] .u-over"); r.scrollIntoView({block: "center"}); return r.getBoundingClientRect(); })()`, &box)
		p.Do(chromedp.DragAndDropXY(box.X+box.Width/4, box.Y+box.Height/2, box.X+box.Width/2, box.Y+box.Height/2, 5))
		p.Until(`!document.querySelector("#everything").hidden`)
		var in []float64
		p.Eval(zoomed, &in)
		assert.InDelta(t, 123/4, in[0], 2)
		assert.Equal(t, in[0], in[1])
		p.Eval(`document.querySelector("#everything").click()`, nil)
		p.Until(`document.querySelector("#everything").hidden`)
	})
	t.Run("a line is hidden by its button, and a chart is a table", func(t *testing.T) {
		var pressed string
		p.Eval(`(() => { const b = document.querySelector("[data-chart=r0-s0-times-0] .legend button"); b.click(); const s = b.getAttribute("aria-pressed"); b.click(); return s; })()`, &pressed)
		assert.Equal(t, "false", pressed)
		p.Eval(`document.querySelector("[data-chart=r0-s0-rate] summary").click()`, nil)
		p.Until(`document.querySelectorAll("[data-chart=r0-s0-rate] tbody tr").length === 120`)
		var row string
		p.Eval(`document.querySelector("[data-chart=r0-s0-rate] tbody tr").textContent`, &row)
		assert.Equal(t, "0:0450/s3/s", row)
	})
	t.Run("times become logarithmic, and the page dark", func(t *testing.T) {
		p.Eval(`document.querySelector("#scale").click()`, nil)
		p.Until(`document.querySelector("[data-chart=r0-s0-times-0]").view.u.scales.y.distr === 3`)
		p.Eval(`(document.querySelector("#theme").click(), document.querySelector("#theme").click())`, nil)
		p.Until(`getComputedStyle(document.body).backgroundColor === "rgb(20, 22, 26)"`)
	})
	assert.Empty(t, p.Problems())
	p.Screenshot(filepath.Join(t.ArtifactDir(), "page.png"))
}

func TestAPageFitsAPhone(t *testing.T) {
	p := opened(t, 360, 740, drawn(60, 20))
	var missing int
	p.Eval(everywhere, &missing)
	require.Zero(t, missing)
	var wide []string
	p.Eval(`[...document.querySelectorAll("body *")].filter(e => !e.parentElement.closest(".scroll, pre") && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className)`, &wide)
	assert.Empty(t, wide, "what is wider than the screen")
	var scroll int
	p.Eval(`document.documentElement.scrollWidth`, &scroll)
	assert.LessOrEqual(t, scroll, 360)
	p.Screenshot(filepath.Join(t.ArtifactDir(), "phone.png"))
}

func TestAPageIsPrintedInInkOnPaper(t *testing.T) {
	p := opened(t, 1000, 800, drawn(60, 20))
	_, err := chromedp.Call(p.Context(), emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	require.NoError(t, err)
	pdf, err := chromedp.Run(p.Context(), chromedp.PrintToPDF())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), "page.pdf"), pdf, 0o600))
	// What is printed is drawn for it, although nobody has scrolled there.
	_, err = chromedp.Call(p.Context(), emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	require.NoError(t, err)
	var state struct {
		Missing    int
		Background string
	}
	p.Eval(`(dispatchEvent(new Event("beforeprint")), {
		missing: [...document.querySelectorAll("figure[data-chart]")].filter(f => !f.querySelector(".u-wrap")).length,
		background: getComputedStyle(document.body).backgroundColor,
	})`, &state)
	assert.Zero(t, state.Missing)
	assert.Equal(t, "rgb(255, 255, 255)", state.Background)
	assert.Empty(t, p.Problems())
}

func TestScreenReadersAreToldWhatChartsShow(t *testing.T) {
	p := opened(t, 1280, 900, drawn(60, 20))
	var found struct {
		Unlabelled, NoLanguage, Headings, DuplicateIDs int
		Label                                          string
	}
	p.Eval(`(() => {
		const named = e => e.getAttribute("aria-label") || e.textContent.trim() || e.getAttribute("aria-labelledby");
		const levels = [...document.querySelectorAll("h1,h2,h3")].map(h => +h.tagName[1]);
		const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
		return {
			unlabelled: [...document.querySelectorAll("button, [role=img], [role=region], section, nav, figure")].filter(e => !named(e)).length,
			noLanguage: document.documentElement.lang ? 0 : 1,
			headings: levels.filter((l, i) => l > (levels[i - 1] ?? 0) + 1).length,
			duplicateIDs: ids.length - new Set(ids).size,
			label: document.querySelector("[data-chart=r0-v-cpu] .plot").getAttribute("aria-label"),
		};
	})()`, &found)
	assert.Zero(t, found.Unlabelled)
	assert.Zero(t, found.NoLanguage)
	assert.Zero(t, found.Headings, "headings that skip a level")
	assert.Zero(t, found.DuplicateIDs)
	assert.Regexp(t, `^CPU\. replica 1: 0\.\d+ cores to 1\.\d+ cores, .* at the end\. Arrow keys move along it\.$`, found.Label)
}

// TestAPageOfAnHourLoads is a note of what it prints: machines differ.
func TestAPageOfAnHourLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds: run it without -short")
	}
	p := opened(t, 1280, 900, drawn(3600, 278))
	var took float64
	p.Eval(`(() => { const n = performance.getEntriesByType("navigation")[0]; return n.loadEventEnd - n.startTime; })()`, &took)
	t.Logf("Chromium has loaded a page of an hour and a million samples in %v", time.Duration(took*1e6).Round(time.Millisecond))
	assert.Empty(t, p.Problems())
}
