package harnesstest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/coderscale/scaletest/harness/harnesstest"
)

// registry is the other side: a server of names, in memory. POST /name makes one,
// once; DELETE /name takes it away.
type registry struct {
	mu    sync.Mutex
	names map[string]bool
	http  http.Server
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
}

func newRegistry() *registry {
	r := &registry{names: map[string]bool{}, conns: make(chan net.Conn), over: make(chan struct{})}
	r.http.Handler = r
	r.wg.Go(func() { _ = r.http.Serve(r) }) // until it is closed
	return r
}

// ServeHTTP implements http.Handler.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := strings.TrimPrefix(req.URL.Path, "/")
	switch {
	case req.Method == http.MethodPost && r.names[name]:
		w.WriteHeader(http.StatusConflict)
	case req.Method == http.MethodPost:
		r.names[name] = true
		w.WriteHeader(http.StatusCreated)
	case req.Method == http.MethodDelete:
		if !r.names[name] {
			w.WriteHeader(http.StatusNotFound)
		}
		delete(r.names, name)
	}
}

// Accept, Addr and Close implement net.Listener.
func (r *registry) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.over:
		return nil, net.ErrClosed
	}
}

func (r *registry) Addr() net.Addr { return &net.UnixAddr{Name: "registry", Net: "unix"} }

func (r *registry) Close() error {
	r.once.Do(func() { close(r.over) })
	return nil
}

func (r *registry) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case r.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.over:
		return nil, errors.New("the registry is closed")
	}
}

func (r *registry) stop() {
	_ = r.http.Close() // nobody is connected any more
	r.wg.Wait()
}

// left is what is there of a run.
func (r *registry) left(run string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []string
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		if strings.Contains(name, run) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%d names", len(left))
	}
	return nil
}

// transport reaches the registry.
func (r *registry) transport(env *harnesstest.Env) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return env.DialBy(ctx, "the registry", r.dial)
	}}
}
