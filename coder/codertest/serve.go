package codertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBody is how much JSON a request may carry.
const maxBody = 4 << 20

// call is a request with its user.
type call struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	user *user
	key  *apiKey
}

// handler answers with a status and JSON, or with [handled].
type handler func(c *call) (int, any)

// ServeHTTP is what every replica serves.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serveOn(s.mux, w, r) }

// serveOn serves the routes of a mux, and apps.
func (s *Server) serveOn(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	s.serving.RLock()
	defer s.serving.RUnlock()
	s.stats.requests.Add(1)
	counted := &countedWriter{ResponseWriter: w, s: s, r: r, mux: mux}
	began := time.Now()
	defer func() { counted.end(time.Since(began)) }()
	s.serve(counted, r)
	if s.ctx.Err() != nil && !counted.counted {
		panic(http.ErrAbortHandler) // what was given up at the end gets no answer
	}
}

func (s *Server) serve(w *countedWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Coder-Build-Version", s.cfg.Version)
	h.Set("X-Content-Type-Options", "nosniff")
	http.SetCookie(w, &http.Cookie{Name: "csrf_token", Value: "codertest", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	app, isApp := s.appRequest(r)
	api := strings.HasPrefix(r.URL.Path, "/api/") && !isApp
	if isApp {
		w.route = r.Method + " " + appRoutes[app.access]
	}
	if !s.apply(w, r) {
		return
	}
	if r.Method == http.MethodHead && api {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if r.Method != http.MethodGet && api && s.cookieWithoutCSRF(w, r) {
		return
	}
	key, problem := s.authenticate(r)
	if (api || isApp) && !s.withinLimits(w, r, key) {
		return
	}
	c := &call{s: s, w: w, r: r, key: key}
	if key != nil {
		c.user = key.user
	}
	if isApp {
		c.serveApp(app)
		return
	}
	limit := int64(maxBody)
	if isFiles(r) {
		limit = maxFile
	}
	if s.as.noBodyLimit {
		limit = maxFile
	}
	if r.ContentLength > limit {
		// An answer would be lost if the connection were reset.
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 4*maxBody))
		h.Set("Connection", "close")
		write(w, http.StatusRequestEntityTooLarge, apiError{Message: "Request body too large.", Detail: fmt.Sprintf("Maximum request body size is %d bytes.", limit)})
		return
	}
	r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, limit)
	r = r.WithContext(withCall(r.Context(), c, problem))
	c.r = r
	w.mux.ServeHTTP(w, r)
}

func (s *Server) cookieWithoutCSRF(w http.ResponseWriter, r *http.Request) bool {
	if _, err := r.Cookie("coder_session_token"); err != nil || r.Header.Get("X-Csrf-Token") != "" {
		return false
	}
	write(w, http.StatusBadRequest, page{"text/plain; charset=utf-8",
		"Something is wrong with your CSRF token. Please refresh the page. If this error persists, try clearing your cookies.\n"})
	return true
}

// public registers a handler that needs no token.
func (s *Server) public(pattern string, h handler) { s.publicOn(s.mux, pattern, h) }

func (s *Server) publicOn(mux *http.ServeMux, pattern string, h handler) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, _ := callOf(r)
		c.r = r
		if status, body := h(c); status != handled {
			write(w, status, body)
		}
	})
}

// private registers a handler that needs a token.
func (s *Server) private(pattern string, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, problem := callOf(r)
		c.r = r
		if c.user == nil {
			s.unauthorized(w, problem)
			return
		}
		if status, body := h(c); status != handled {
			write(w, status, body)
		}
	})
}

// read decodes the request's JSON. On failure it returns the refusal.
func read(c *call, into any) *apiError {
	dec := json.NewDecoder(c.r.Body)
	err := dec.Decode(into)
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) && c.r.ContentLength == 0 {
		err = io.EOF
	}
	return &apiError{Message: "Request body must be valid JSON.", Detail: err.Error()}
}

// pathID reads a UUID from the path.
func pathID(c *call, name string) (uuid.UUID, *apiError) {
	v := c.r.PathValue(name)
	id, err := uuid.Parse(v)
	if err != nil {
		return id, &apiError{Message: "Invalid UUID " + strconv.Quote(v) + ".", Detail: err.Error()}
	}
	return id, nil
}
