package campaign

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

//go:embed page.gohtml
var pageText string

//go:embed page.js
var pageScript string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"script": func() template.JS { return template.JS(pageScript) },
}).Parse(pageText))

// pagePolicy lets the page's own script run, and no other that somehow gets into it.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageScript))
	return "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// shownArchive is how many earlier campaigns the page lists.
const shownArchive = 50

// ServeHTTP serves the page. All of its links are relative, so that it can be at any
// path behind a proxy, such as an app of a workspace; whoever lets others reach it
// must know who they are.
//
//	GET /             what goes on, for people
//	GET /phases.json  the same for programs: a [Record]
//	GET /files/       what is in the folder of results
//	    /live/        the page of the load that goes on
//	GET /healthz
func (c *Campaign) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.page.ServeHTTP(w, r) }

func (c *Campaign) newPage() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.overview)
	mux.HandleFunc("GET /phases.json", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(c.folder.path, phasesFile))
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /files/", c.file)
	mux.Handle("/live/", http.StripPrefix("/live", http.HandlerFunc(c.livePage)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// file serves a file of the results. Links that lead elsewhere are not followed.
func (c *Campaign) file(w http.ResponseWriter, r *http.Request) {
	root, err := os.OpenRoot(c.folder.path)
	if err != nil {
		http.Error(w, "the folder of results can't be read", http.StatusInternalServerError)
		return
	}
	defer root.Close()
	name := strings.TrimPrefix(r.URL.Path, "/files/")
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".md") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8") // to be looked at
	}
	http.ServeContent(w, r, filepath.Base(name), info.ModTime(), f)
}

// livePage passes on what the child serves.
func (c *Campaign) livePage(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	to, err := url.Parse(c.live)
	c.mu.Unlock()
	if err != nil || to.Host == "" {
		noLoad(w)
		return
	}
	proxy := httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(to) },
		Transport:    &http.Transport{DisableKeepAlives: true}, // the next child has another address
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { noLoad(w) },
	}
	proxy.ServeHTTP(w, r)
}

func noLoad(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>No load goes on</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:2rem}</style><p>No load goes on now. <a href="../">Back to the campaign</a></p></html>`))
}

// view is what the page shows.
type view struct {
	Record
	State    string // of the whole: running, or the verdict
	Active   bool
	Lasted   string
	Template string
	Targets  int // 0 is those that are there
	Strategy Strategy
	Baseline string
	Phases   []phaseView
	Loads    []string
	Live     bool
	Report   bool
	Lines    string
	Problems []string
	Earlier  []earlierView
}

type phaseView struct {
	Phase
	Began, Lasted string
	Files         []fileLink
}

type fileLink struct{ Text, Path string }

type earlierView struct {
	Folder, State string
	Record        Record
	Began         string
	Report        bool
}

const timeOfDay = "15:04:05"

func (c *Campaign) overview(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, c.view(time.Now())); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	_, _ = b.WriteTo(w)
}

func (c *Campaign) view(now time.Time) view {
	rec := c.Record()
	v := view{
		Record: rec, State: or(string(rec.Verdict), string(Running)), Active: rec.Verdict == "",
		Template: c.cfg.Template, Strategy: c.cfg.strategy(), Targets: c.cfg.Workspaces,
		Lines: strings.Join(c.tail.last(), "\n"), Problems: c.tell.complained(), Report: exists(c.folder.path, "report.html"),
	}
	if c.cfg.SkipCreate {
		v.Targets = 0
	}
	if c.cfg.Baseline > 0 {
		v.Baseline = brief(time.Duration(c.cfg.Baseline))
	}
	end := now
	if !rec.Ended.IsZero() {
		end = rec.Ended
	}
	v.Lasted = brief(end.Sub(rec.Began))
	for _, s := range c.cfg.loadSteps() {
		v.Loads = append(v.Loads, s.title)
	}
	for _, p := range rec.Phases {
		v.Phases = append(v.Phases, phaseView{p, p.Began.UTC().Format(timeOfDay), brief(p.Lasted(now)), c.filesOf(p)})
	}
	c.mu.Lock()
	v.Live = c.live != ""
	c.mu.Unlock()
	for i, dir := range archived(c.folder.path) {
		if i == shownArchive {
			break
		}
		e := earlierView{Folder: archiveName + "/" + filepath.Base(dir), State: "unknown", Report: exists(dir, "report.html")}
		if old, err := readRecord(dir); err == nil {
			e.Record, e.Began = old, old.Began.UTC().Format("2006-01-02 15:04")
			e.State = or(string(old.Verdict), string(harness.Interrupted)) // it was killed
		}
		v.Earlier = append(v.Earlier, e)
	}
	return v
}

// filesOf are those of a step that somebody may want.
func (c *Campaign) filesOf(p Phase) (links []fileLink) {
	if p.Folder == "" {
		return nil
	}
	for _, f := range []fileLink{
		{"report", testScenario + "/report.html"}, {"report", testCreate + "/report.html"}, {"scenario", "scenario.yaml"}, {"output", "output.txt"},
	} {
		if exists(c.folder.path, p.Folder, f.Path) {
			links = append(links, fileLink{f.Text, "files/" + p.Folder + "/" + f.Path})
		}
	}
	return links
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

// brief is a duration without what nobody needs: 5m instead of 5m0s.
func brief(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Second)
	} else {
		d = d.Round(time.Millisecond)
	}
	text := strings.TrimSuffix(d.String(), "m0s")
	if text != d.String() {
		text += "m"
	}
	if hours, whole := strings.CutSuffix(text, "h0m"); whole {
		return hours + "h"
	}
	return text
}
