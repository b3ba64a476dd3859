package codertest

import (
	"maps"
	"net/http"
	"sync"
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
	mu sync.Mutex
	n  map[RouteCode]int64
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
	route   string // of an app, which no mux knows
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

// count counts once.
func (w *countedWriter) count(code int) {
	if w.counted {
		return
	}
	w.counted = true
	route := w.route
	if route == "" {
		_, route = w.mux.Handler(w.r)
	}
	w.s.stats.routes.add(RouteCode{route, code})
}
