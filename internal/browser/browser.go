// Package browser opens pages in a headless Chromium, for tests of what people
// look at.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Required is the variable that makes a missing browser a failure, for continuous
// integration.
const Required = "SCALETEST_CHROMIUM_REQUIRED"

// names are what the browser is called, and Debian's is the first.
var names = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// Page is a page that is open.
type Page struct {
	tb  testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the page complained of
}

// Open opens a page of its own browser, which ends with the test. Without a
// browser the test is skipped.
func Open(tb testing.TB, url string, width, height int) *Page {
	tb.Helper()
	path := ""
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		text := "there is no Chromium (tried " + strings.Join(names, ", ") + "): install Debian's package chromium, or another's"
		if os.Getenv(Required) != "" {
			tb.Fatal(text)
		}
		tb.Skip(text)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(width, height),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.UserDataDir(tb.TempDir()),
	)
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	tb.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	tb.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits, or its files could not be deleted
		end()
	})
	p := &Page{tb: tb, ctx: ctx}
	p.do("start "+path, chromedp.Navigate("about:blank")) // the first one starts the browser
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				text += " " + e.ExceptionDetails.Exception.Description
			}
			p.complain(text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				p.complain(e.Entry.Text + " " + e.Entry.URL)
			}
		}
	})
	if err != nil {
		tb.Fatalf("listen to the page: %v", err)
	}
	p.do("open "+url, chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(url))
	return p
}

func (p *Page) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, text)
}

// Problems are the errors and warnings that the page has logged.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.problems...)
}

// limit bounds what a page is asked for.
const limit = time.Minute

func (p *Page) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	ctx := p.ctx
	if !strings.HasPrefix(what, "start ") { // its context is the browser's life
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fail(what, err)
	}
}

func (p *Page) fail(what string, err error) {
	p.tb.Helper()
	p.tb.Fatalf("%s: %v; the page said: %s", what, err, strings.Join(p.Problems(), "; "))
}

// Do does what chromedp can.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	p.do("act on the page", actions...)
}

// Context is for calls of chromedp.
func (p *Page) Context() context.Context { return p.ctx }

// Eval evaluates an expression, of which a promise is waited for, into what out
// points to, unless that is nil.
func (p *Page) Eval(expression string, out any) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("(async () => JSON.stringify((await (%s)) ?? null))()", expression), chromedp.EvalAwaitPromise))
	if err == nil && out != nil {
		err = json.Unmarshal([]byte(text), out)
	}
	if err != nil {
		p.fail("evaluate "+expression, err)
	}
}

// Until waits until an expression is true, also across the pages that come in the
// place of this one.
func (p *Page) Until(expression string) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		var is bool
		is, last = chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf("Boolean(%s)", expression)))
		if is {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	p.fail("wait until "+expression, last)
}

// Screenshot writes the whole page as it looks to a PNG file.
func (p *Page) Screenshot(path string) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		p.fail("make a screenshot", err)
	}
}
