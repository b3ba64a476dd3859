package coder

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sessionHeader = "Coder-Session-Token"
	bypassHeader  = "X-Coder-Bypass-Ratelimit"
	buildHeader   = "X-Coder-Build-Version"
	requestHeader = "X-Coder-Request-Id"
)

// Client talks to one deployment with one token. It is safe for use by many
// goroutines. Make one with [New], others from it with [Client.WithToken],
// [Client.WithSession] and [Client.Isolated].
type Client struct {
	base      *url.URL
	token     secret
	session   *session // instead of token, of a client of WithSession
	http      *http.Client
	transport *http.Transport
	shared    *shared
}

// shared is what all clients of one deployment have in common.
type shared struct {
	header       http.Header
	maxRetries   int
	maxWait      time.Duration
	pollInterval time.Duration
	bypass       Bypass
	owners       sync.Map // token -> struct{}, those known to belong to an owner
	onRateLimit  func(RateLimitEvent)
	inject       func(context.Context, http.Header)
	limited      atomic.Int64
	waited       atomic.Int64
	gaveUp       atomic.Int64
	noWatchWS    atomic.Bool
	noMetadataWS atomic.Bool
}

// New makes a client. It sends nothing; [Client.Preflight] finds out whether
// the deployment can be reached and the token works.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := parseBase(cfg.URL)
	if err != nil {
		return nil, err
	}
	s := &shared{
		header:       http.Header{},
		maxRetries:   cfg.MaxRetries,
		maxWait:      cfg.MaxRateLimitWait,
		pollInterval: cfg.PollInterval,
		bypass:       cfg.Bypass,
		onRateLimit:  cfg.OnRateLimit,
		inject:       cfg.Inject,
	}
	if s.maxRetries == 0 {
		s.maxRetries = defaultMaxRetries
	}
	if s.maxWait == 0 {
		s.maxWait = defaultMaxRateLimitWait
	}
	if s.pollInterval == 0 {
		s.pollInterval = defaultPollInterval
	}
	maps.Copy(s.header, cfg.Header.Clone())
	s.header.Set("User-Agent", defaultUserAgent)
	if cfg.UserAgent != "" {
		s.header.Set("User-Agent", cfg.UserAgent)
	}
	if cfg.Bypass == BypassAlways {
		s.owners.Store(cfg.Token, struct{}{})
	}
	transport := socketTransport(cfg)
	return &Client{
		base:      base,
		token:     newSecret(cfg.Token),
		http:      controlClient(cfg, transport),
		transport: transport,
		shared:    s,
	}, nil
}

// URL returns a copy of the access URL, without a trailing slash.
func (c *Client) URL() *url.URL {
	u := *c.base
	return &u
}

// WithToken returns a client that sends another token over the same
// connections. Whether that token belongs to an owner is known only when it
// was learned before, or by a Preflight with the new client.
func (c *Client) WithToken(token string) *Client {
	clone := *c
	clone.token, clone.session = newSecret(token), nil
	return &clone
}

// Isolated returns a client with the same settings and connections of its
// own, as one person at one browser has them. Call CloseIdleConnections when
// the simulated person leaves.
func (c *Client) Isolated() *Client {
	clone := *c
	clone.transport = c.transport.Clone()
	hc := *c.http
	if _, ok := hc.Transport.(*http.Transport); ok {
		hc.Transport = clone.transport
	}
	clone.http = &hc
	return &clone
}

// CloseIdleConnections closes the connections that no call is using.
func (c *Client) CloseIdleConnections() {
	c.http.CloseIdleConnections()
	c.transport.CloseIdleConnections()
}

// Transport returns the transport for requests and upgrades that a caller
// makes itself. It speaks HTTP/1.1 only, follows the proxy and TLS settings,
// and does not limit connections. Clients made by Isolated have their own.
func (c *Client) Transport() *http.Transport { return c.transport }

// AuthHeader puts the token on the headers of a request that a caller makes
// itself, with the headers of Config.Header, and the bypass header when the
// token is known to belong to an owner. Send them to the deployment only: a
// workspace app sees the token.
func (c *Client) AuthHeader(h http.Header) {
	for name, values := range c.shared.header {
		h[name] = append([]string(nil), values...)
	}
	c.authorize(h)
}

// authorize reports whether it set the bypass header.
func (c *Client) authorize(h http.Header) bool {
	token := c.reveal()
	if token == "" {
		return false
	}
	h.Set(sessionHeader, token)
	if !c.sendsBypass() {
		return false
	}
	h.Set(bypassHeader, "true")
	return true
}

// HasToken reports whether the client sends a token, or will.
func (c *Client) HasToken() bool { return c.session != nil || c.reveal() != "" }

// sendsBypass reports whether the bypass header goes out with this token. A
// member who sends it is refused with 428.
func (c *Client) sendsBypass() bool {
	if c.shared.bypass == BypassNever {
		return false
	}
	_, known := c.shared.owners.Load(c.reveal())
	return known
}

// learnOwner remembers whether the token belongs to an owner.
func (c *Client) learnOwner(owner bool) {
	token := c.reveal()
	if token == "" {
		return
	}
	if owner {
		c.shared.owners.Store(token, struct{}{})
		return
	}
	c.shared.owners.Delete(token)
}

// Format keeps the token out of whatever prints a Client.
func (c *Client) Format(f fmt.State, _ rune) {
	if c == nil {
		_, _ = io.WriteString(f, "coder.Client(nil)")
		return
	}
	_, _ = io.WriteString(f, "coder.Client{"+c.base.String()+"}")
}
