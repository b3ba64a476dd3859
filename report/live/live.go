package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// Config configures a [Server]. The zero value is useful.
type Config struct {
	// Stop is called when somebody has pressed the button that stops the run. There
	// is a button only where the address is of this machine alone, because there is
	// no other proof of who presses it. Nil is no button.
	Stop func()
}

// Server serves the page of one run, and takes its stream. It is safe for
// concurrent use.
type Server struct {
	cfg      Config
	token    string // of the stop button; "" without one
	listener net.Listener
	server   *http.Server
	served   chan struct{}
	local    bool

	follower harness.Follower

	mu      sync.Mutex
	heard   time.Time     // when the run last said something; zero before it did
	asked   time.Time     // when a page last asked for news
	final   bool          // the report was handed out
	handed  chan struct{} // closed then
	stopped sync.Once
}

// Listen serves at an address, such as 127.0.0.1:0 for any free port of this
// machine.
func Listen(address string, cfg Config) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve the live page at %s: %w", address, err)
	}
	s := &Server{cfg: cfg, listener: listener, served: make(chan struct{}), handed: make(chan struct{})}
	if a, err := netip.ParseAddrPort(listener.Addr().String()); err == nil {
		s.local = a.Addr().IsLoopback()
	}
	if cfg.Stop != nil && s.local {
		s.token = rand.Text()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /news", s.news)
	mux.HandleFunc("POST /stop", s.stop)
	s.server = &http.Server{Handler: s.guard(mux), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // until Close
	}()
	return s, nil
}

// URL is where the page is.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/" }

// Write takes a piece of the run's stream: see [harness.Plan].Stream. What can't
// be followed is shown on the page and is no error, because a run does not depend
// on who looks at it.
func (s *Server) Write(text []byte) (int, error) {
	_, _ = s.follower.Write(text) // Result says it
	if len(text) > 0 {
		s.mu.Lock()
		s.heard = time.Now()
		s.mu.Unlock()
	}
	return len(text), nil
}

// Close ends the server. Where somebody has the page open, it waits for ctx at
// most until they have the report of the run that has ended.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	watched := time.Since(s.asked) < 3*time.Second && !s.final
	s.mu.Unlock()
	if _, ended, _ := s.follower.Result(); ended && watched {
		select {
		case <-s.handed:
		case <-ctx.Done():
		}
	}
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = s.server.Close()
	}
	<-s.served
	if err != nil {
		return fmt.Errorf("close the live page: %w", err)
	}
	return nil
}

// guard refuses pages of other sites, which could reach an address of this machine
// through somebody's browser under a name of theirs.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.local && !isLocal(r.Host) {
			http.Error(w, "this page is of 127.0.0.1 alone", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

func isLocal(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

func (s *Server) options() report.LiveOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return report.LiveOptions{StopToken: s.token, Silent: time.Since(s.heard)}
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	res, ended, err := s.follower.Result()
	if err != nil {
		// Before the first line, and after one that is damaged.
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	var b bytes.Buffer
	if ended {
		err = report.HTML(&b, res)
	} else {
		err = report.LiveHTML(&b, res, s.options())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // whoever left does not need it
	if ended {
		s.handedOut()
	}
}

func (s *Server) handedOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.final {
		s.final = true
		close(s.handed)
	}
}

func (s *Server) news(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = time.Now()
	s.mu.Unlock()
	var after report.Cursor
	if err := json.Unmarshal([]byte(r.URL.Query().Get("since")), &after); err != nil {
		http.Error(w, "since is no cursor: "+err.Error(), http.StatusBadRequest)
		return
	}
	res, ended, err := s.follower.Result()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	news := report.News{Ended: true}
	if !ended {
		if news, err = report.LiveNews(res, after, s.options()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(news)
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	if s.token == "" || r.Header.Get("X-Stop") != s.token {
		http.Error(w, "the run can't be stopped from here", http.StatusForbidden)
		return
	}
	s.stopped.Do(s.cfg.Stop)
	w.WriteHeader(http.StatusAccepted)
}
