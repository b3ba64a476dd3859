package promexport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/push"
)

// Handler answers scrapes: in OpenMetrics or protobuf, where Prometheus asks for
// them, with exemplars.
func (e *Exporter) Handler() http.Handler {
	scrapes := promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		final := e.run.Final()
		answer := &status{ResponseWriter: w, code: http.StatusOK}
		scrapes.ServeHTTP(answer, r)
		if final && r.Method == http.MethodGet && answer.code == http.StatusOK && answer.err == nil {
			e.scrapedOnce.Do(func() { close(e.scraped) })
		}
	})
}

// status remembers how an answer went.
type status struct {
	http.ResponseWriter
	code int
	err  error
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// Server serves an exporter's metrics.
type Server struct {
	http   *http.Server
	listen net.Listener
	done   chan struct{}
}

// Serve serves the metrics at an address such as "127.0.0.1:9095" or ":0", at
// the path /metrics. It returns when the address can be connected to, and an
// error if there is none.
func (e *Exporter) Serve(address string) (*Server, error) {
	listen, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics at %q: %w: want a free address such as 127.0.0.1:21112", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", e.Handler())
	s := &Server{
		http:   &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute},
		listen: listen, done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(listen) // until Close
	}()
	return s, nil
}

// Addr is the address that is served.
func (s *Server) Addr() net.Addr { return s.listen.Addr() }

// URL is where the metrics are.
func (s *Server) URL() string { return "http://" + s.listen.Addr().String() + "/metrics" }

// Close lets answers that have begun go out until ctx is done, and stops
// serving.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	if err != nil {
		return fmt.Errorf("stop serving metrics: %w", err)
	}
	return nil
}

// Push puts the metrics into a Pushgateway, in place of those of the same job
// and instance. The address may hold a name and a password, which the error does
// not show.
func (e *Exporter) Push(ctx context.Context, address, job, instance string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("push metrics: the address is not that of a Pushgateway, want one such as http://pushgateway:9091")
	}
	user := u.User
	u.User = nil
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer client.CloseIdleConnections()
	p := push.New(u.String(), job).Gatherer(e.registry).Client(client)
	if instance != "" {
		p = p.Grouping("instance", instance)
	}
	if user != nil {
		password, _ := user.Password()
		p = p.BasicAuth(user.Username(), password)
	}
	if err := p.PushContext(ctx); err != nil {
		return fmt.Errorf("push metrics to %s: %w", u.Host, err)
	}
	return nil
}
