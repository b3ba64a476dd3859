package codertest

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// RouteCode is a route with a status that it answered with.
type RouteCode struct {
	// Route is a method and a path whose variable parts are in braces, such as
	// "GET /api/v2/workspaces/{workspace}".
	Route string
	// Code is the HTTP status, 101 for a WebSocket, or 0 for no answer at all.
	Code int
}

// appRoutes are the routes of workspace apps.
var appRoutes = map[string]string{
	"path":      "/@{user}/{workspace}/apps/{slug}",
	"subdomain": "{slug}--{agent}--{workspace}--{user}",
}

// routeCounts count answers.
type routeCounts struct {
	mu    sync.Mutex
	n     map[RouteCode]int64
	times times // of those that are no WebSockets
}

// took notes how long an answer took.
func (r *routeCounts) took(route string, d time.Duration) {
	method, path, _ := strings.Cut(route, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times.add(d.Seconds(), "method", method, "path", path)
}

func (r *routeCounts) add(k RouteCode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[RouteCode]int64{}
	}
	r.n[k]++
}

func (r *routeCounts) all() map[RouteCode]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.n)
}

// countedWriter counts the answer when it begins, because that of a stream may
// not end for hours.
type countedWriter struct {
	http.ResponseWriter
	s       *Server
	r       *http.Request
	mux     *http.ServeMux
	route   string // of an app, which no mux knows, or that was counted
	code    int
	counted bool
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countedWriter) WriteHeader(code int) {
	w.count(code)
	w.ResponseWriter.WriteHeader(code)
}

func (w *countedWriter) Write(b []byte) (int, error) {
	w.count(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// end counts an answer that nothing was said about, and how long the others took.
func (w *countedWriter) end(took time.Duration) {
	w.count(0)
	if w.code != 0 && w.code != http.StatusSwitchingProtocols {
		w.s.stats.routes.took(w.route, took)
	}
}

// count counts once.
func (w *countedWriter) count(code int) {
	if w.counted {
		return
	}
	w.counted, w.code = true, code
	if w.route == "" {
		_, w.route = w.mux.Handler(w.r)
	}
	w.s.stats.routes.add(RouteCode{w.route, code})
}
