package coderdmetrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
)

// ErrRefused is in the errors of [Watcher.Scrape] that another scrape would only
// repeat: the server has no such metrics, or the token's user may not read them.
var ErrRefused = errors.New("the metrics are refused")

// Reading is what can be seen of the server at one instant.
type Reading struct {
	Values []Value

	// Facts are what does not change: "version", "go_version", "replicas" (that were
	// seen so far), "cores_per_replica", "memory_limit_bytes", "descriptor_limit",
	// "provisioners_per_replica", "db_connections_per_replica" and "users". Where
	// replicas differ, all values are there, with commas.
	Facts map[string]string

	// Notes say in a sentence each what is missing and what would give it, and what
	// the health report warns of.
	Notes []string
}

// Value is a number of a series.
type Value struct {
	Series string // see [Describe]
	Of     string // whose it is; "" for the whole
	Unit   string // "" for a number of things
	Value  float64
}

// Watcher reads the metrics of a deployment again and again. It is not safe for use
// by several goroutines. Close it.
type Watcher struct {
	cfg    Config
	urls   []*url.URL
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	replicas []*replica
	made     int              // names of replicas that were given
	byURL    map[int]*replica // of the addresses, by their place
	last     time.Time        // of the scrape before
	chosen   map[int]map[string]bool
	refused  error

	mu     sync.Mutex
	health health
	closed bool
}

const (
	// forgetAfter is how long a replica that nothing was heard of is still counted,
	// or ten scrapes, if that is more: behind a balancer any may be asked next.
	forgetAfter   = time.Minute
	forgetScrapes = 10

	// mostReplicas is more than deployments have.
	mostReplicas = 100
)

// New makes a watcher. It asks for nothing yet. The error is that of
// [Config.Validate].
func New(cfg Config) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.HealthEvery == 0 {
		cfg.HealthEvery = defaultHealthEvery
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = new(http.Client)
	}
	w := &Watcher{cfg: cfg, chosen: map[int]map[string]bool{}, byURL: map[int]*replica{}}
	for _, text := range cfg.URLs {
		u, err := parseURL(text)
		if err != nil {
			return nil, err
		}
		w.urls = append(w.urls, u)
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w, nil
}

// Close ends what goes on besides.
func (w *Watcher) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.wg.Wait()
	if len(w.urls) > 0 {
		w.cfg.HTTPClient.CloseIdleConnections()
	}
}

// Scrape reads the metrics once: of each URL, or by one request to the API. It
// returns what it could read even beside an error. After one that is [ErrRefused]
// the metrics are not asked for again.
func (w *Watcher) Scrape(ctx context.Context) (Reading, error) {
	w.lookAtHealth(time.Now())
	scrapes, err := w.read(ctx)
	now := time.Now()
	fresh := map[*replica]bool{}
	var notes []string
	for i, s := range scrapes {
		if s == nil {
			continue
		}
		notes = append(notes, s.notes...)
		fresh[w.keep(i, s)] = true
	}
	stale := max(forgetAfter, forgetScrapes*now.Sub(w.last))
	if w.last.IsZero() {
		stale = forgetAfter
	}
	w.last = now
	w.replicas = slices.DeleteFunc(w.replicas, func(r *replica) bool { return !r.alive(now, stale) })
	var out Reading
	if len(fresh) > 0 {
		out = Reading{Values: w.values(w.replicas, fresh), Facts: factsOf(w.replicas), Notes: append(notes, missing(w.replicas)...)}
	}
	values, healthNotes := w.healthNow()
	out.Values, out.Notes = append(out.Values, values...), append(out.Notes, healthNotes...)
	return out, err
}

// keep finds the replica that a scrape is of.
func (w *Watcher) keep(i int, s *scrape) *replica {
	var r *replica
	if len(w.urls) > 0 {
		r = w.byURL[i]
		if r == nil {
			r = &replica{name: w.urls[i].Host}
			w.byURL[i] = r
		}
	} else {
		r = w.sameProcess(s)
	}
	if r == nil {
		w.made++
		r = &replica{name: fmt.Sprintf("replica %d", w.made)}
	}
	r.take(s)
	if !slices.Contains(w.replicas, r) {
		if len(w.replicas) == mostReplicas {
			w.replicas = w.replicas[1:]
		}
		w.replicas = append(w.replicas, r)
	}
	return r
}

// sameProcess is the replica that began when this one did and has not used more
// CPU than this one; of several the one that is nearest. Nil if there is none.
func (w *Watcher) sameProcess(s *scrape) *replica {
	var best *replica
	used := func(r *replica) float64 {
		if t := r.last.sources[cpuSource][""]; t != nil {
			return t.value
		}
		return 0
	}
	for _, r := range w.replicas {
		if r.last.start == s.start && !fallen(r.last, s) && (best == nil || used(r) > used(best)) {
			best = r
		}
	}
	return best
}

// read asks for all there is to read, each at the place of its URL.
func (w *Watcher) read(ctx context.Context) ([]*scrape, error) {
	if len(w.urls) == 0 {
		if w.refused != nil {
			return nil, w.refused
		}
		s, err := w.fromAPI(ctx)
		if errors.Is(err, ErrRefused) {
			w.refused = err
		}
		return []*scrape{s}, err
	}
	scrapes, errs := make([]*scrape, len(w.urls)), make([]error, len(w.urls))
	var wg sync.WaitGroup
	for i, u := range w.urls {
		wg.Go(func() { scrapes[i], errs[i] = w.fromURL(ctx, u) })
	}
	wg.Wait()
	return scrapes, errors.Join(errs...)
}

// refusal is an error that stays.
type refusal struct {
	text string
	err  error
}

func (r *refusal) Error() string   { return r.text }
func (r *refusal) Unwrap() []error { return []error{ErrRefused, r.err} }

func (w *Watcher) fromAPI(ctx context.Context) (*scrape, error) {
	body, err := w.cfg.Client.MetricsStream(ctx)
	if e, ok := errors.AsType[*coder.Error](err); ok {
		switch {
		case coder.IsForbidden(err):
			return nil, &refusal{"read the metrics of the deployment: the token's user may not: use an owner's token, or the addresses at which coderd serves Prometheus", err}
		case coder.IsNotFound(err) || coder.IsUnsupported(err) || e.StatusCode == http.StatusBadRequest:
			return nil, &refusal{"read the metrics of the deployment: this server is too old to have GET /api/v2/debug/metrics: use the addresses at which coderd serves Prometheus (CODER_PROMETHEUS_ENABLE, CODER_PROMETHEUS_ADDRESS)", err}
		}
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	s, err := decode(body, time.Now(), w.cfg.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the deployment: %w", err)
	}
	return s, nil
}

func (w *Watcher) fromURL(ctx context.Context, u *url.URL) (*scrape, error) {
	fail := func(err error) error {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it has the URL in it, with all its parts
		}
		return fmt.Errorf("read the metrics at %s://%s%s: %w", u.Scheme, u.Host, u.Path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fail(err)
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	resp, err := w.cfg.HTTPClient.Do(req)
	if err != nil {
		return nil, fail(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		return nil, fail(fmt.Errorf("the answer is %d %s: want the address of coderd's Prometheus listener (CODER_PROMETHEUS_ADDRESS)", resp.StatusCode, http.StatusText(resp.StatusCode)))
	}
	s, err := decode(resp.Body, time.Now(), w.cfg.MaxBytes)
	if err != nil {
		return nil, fail(err)
	}
	return s, nil
}
