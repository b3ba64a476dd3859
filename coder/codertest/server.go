package codertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/relay"
	"github.com/coderscale/scaletest/coder/internal/derp"
)

// TB is the part of testing.TB that [Start] needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Server is a running deployment.
type Server struct {
	cfg          Config
	state        *state
	key          *apiKey
	deploymentID uuid.UUID
	url          string

	mux      *http.ServeMux
	limits   limiter
	faults   faults
	jobs     jobs
	did      jobTimes
	stats    counters
	unlimit  atomic.Bool // tests take the limits away
	replicas []*replica
	balancer *balancer
	hub      ptyHub
	apps     appHub
	ssh      sshHub
	proxy    *proxyServer // nil without one
	metrics  *metricsServer
	relay    *relay.Mesh // that all replicas share
	relays   []*relayRegion
	tailnet  tailnetHub
	metadata metadataBatch
	own      ownNode
	toApps   *http.Transport // of agents that are not played here
	as       behaviours

	ctx     context.Context
	cancel  context.CancelFunc
	serving sync.RWMutex // held by requests, which begin what wg waits for
	wg      sync.WaitGroup
	once    sync.Once
}

// Start is [New] for tests: it fails the test if the deployment can't be
// started, and closes it when the test ends.
func Start(tb TB, cfg Config) *Server {
	tb.Helper()
	s, err := New(cfg)
	if err != nil {
		tb.Fatalf("codertest: %v", err)
		return nil
	}
	tb.Cleanup(s.Close)
	return s
}

// New starts a deployment. The error is that of [Config.Validate], or that it
// can't listen.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	st := newState(cfg.Seed)
	st.oldLogs = behavioursOf(cfg.Version).old
	return newServer(cfg, st, st.populate(cfg))
}

// newServer serves a state. The key may be nil when there is no owner yet.
func newServer(cfg Config, st *state, key *apiKey) (*Server, error) {
	s := &Server{cfg: cfg.withDefaults(), state: st, key: key, deploymentID: st.newID()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.faults.init(s.cfg)
	s.hub.server, s.apps.server = s, s
	s.as = behavioursOf(s.cfg.Version)
	s.relay = relay.New(derp.NewPrivateKey())
	s.tailnet.init()
	s.toApps = s.farApps()
	s.did.init()
	s.stats.routes.times.limits = requestLimits
	s.jobs.rng = rand.New(rand.NewPCG(cfg.Seed, 0x6a6f6273))
	s.routes()
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	s.wg.Go(s.autobuild)
	return s, nil
}

// listen starts the replicas, and a balancer in front if there are several.
func (s *Server) listen() error {
	for i := range s.cfg.Replicas {
		addr := "127.0.0.1:0"
		if s.cfg.Replicas == 1 {
			addr = s.cfg.Addr
		}
		r, err := s.newReplica(i, addr)
		if err != nil {
			return err
		}
		s.replicas = append(s.replicas, r)
	}
	addr := s.replicas[0].listener.Addr()
	if s.cfg.Replicas > 1 {
		var err error
		if s.balancer, err = s.newBalancer(s.cfg.Addr); err != nil {
			return err
		}
		addr = s.balancer.listener.Addr()
	}
	s.url = "http://" + addr.String()
	if s.cfg.WorkspaceProxy {
		if err := s.newProxy(); err != nil {
			return err
		}
	}
	if err := s.newRelays(); err != nil {
		return err
	}
	if err := s.newMetrics(); err != nil {
		return err
	}
	for _, r := range s.fronts() { // not before they can say where they are
		s.serveReplica(r)
	}
	return nil
}

// silent is for what would log.
var silent = log.New(io.Discard, "", 0)

// replica is one of the servers behind the address.
type replica struct {
	index    int
	listener net.Listener // its address stays
	http     *http.Server
	conns    *connSet
	mu       sync.Mutex // of a stop and a start
	stopped  atomic.Bool
}

func (s *Server) newReplica(index int, addr string) (*replica, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	r := &replica{index: index, listener: l, conns: newConnSet()}
	r.http = s.newHTTP(s)
	return r, nil
}

func (s *Server) newHTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          silent,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
}

func (s *Server) serveReplica(r *replica) { s.serveOnListener(r, r.http, r.listener) }

func (s *Server) serveOnListener(r *replica, h *http.Server, l net.Listener) {
	s.wg.Go(func() {
		if err := h.Serve(&trackingListener{Listener: l, conns: r.conns, faults: &s.faults}); !errors.Is(err, http.ErrServerClosed) {
			r.stopped.Store(true)
		}
	})
}

func (r *replica) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped.Store(true)
	_ = r.http.Close() // it closes the listener and idle connections
	r.conns.closeAll()
}

// start is its return, at the same address.
func (s *Server) start(r *replica) error {
	s.serving.RLock() // or Close would not wait for it
	defer s.serving.RUnlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.ctx.Err() != nil:
		return errors.New("the deployment is closed")
	case !r.stopped.Load():
		return nil
	}
	l, err := net.Listen("tcp", r.listener.Addr().String())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r.http = s.newHTTP(r.http.Handler)
	s.serveOnListener(r, r.http, l)
	r.stopped.Store(false)
	return nil
}

// URL is where the deployment is, such as http://127.0.0.1:41234, without a
// slash at the end.
func (s *Server) URL() string { return s.url }

// OwnerToken is a session token of the deployment's owner, who may do
// everything.
func (s *Server) OwnerToken() string {
	if s.key == nil {
		return ""
	}
	return s.key.token()
}

// Close ends every connection and stops the deployment. It can be called more
// than once.
func (s *Server) Close() {
	s.once.Do(func() {
		s.cancel()
		s.faults.release()
		if s.balancer != nil {
			s.balancer.close()
		}
		s.ssh.close()
		s.metrics.close()
		for _, r := range s.fronts() {
			r.stop()
		}
		s.toApps.CloseIdleConnections()
		s.stopJobs()
		s.stopTerminals()
		s.serving.Lock()
		defer s.serving.Unlock()
		s.wg.Wait()
	})
}
