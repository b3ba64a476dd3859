package coder

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bypass says when the header that lifts rate limits is sent.
type Bypass int

const (
	// BypassAuto sends the header with tokens that are known to belong to a
	// site owner. [Client.Preflight] learns that; nothing is sent before.
	BypassAuto Bypass = iota
	// BypassAlways promises that Config.Token belongs to a site owner. The
	// header goes out from the first request. Other tokens are not affected.
	BypassAlways
	// BypassNever keeps the header off every request, so that the limits of
	// the deployment apply to owners as well.
	BypassNever
)

// Config says which deployment to talk to and how. Only URL is required.
type Config struct {
	// URL is the access URL of the deployment, such as
	// https://coder.example.com. It may have a path, but no user, query or
	// fragment.
	URL string

	// Token is a session token or an API token. Empty means anonymous, which
	// is enough for BuildInfo and Login.
	Token string `json:"-"`

	// HTTPClient makes the control-plane calls. Nil means one of our own,
	// which keeps as many idle connections as there were parallel calls. Its
	// cookie jar and redirect rule are not used: a stale cookie would beat
	// the token, and a redirect could carry the token to another host.
	//
	// When its Transport is an *http.Transport (or nil), sockets and isolated
	// clients use a copy of it. Another RoundTripper can't be copied: then
	// isolated clients share it, and sockets use Proxy, TLS and DialContext.
	HTTPClient *http.Client

	// Proxy picks the proxy of a request. Nil means the environment
	// (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). Not used with an HTTPClient that
	// has an *http.Transport.
	Proxy func(*http.Request) (*url.URL, error)

	// TLS is the TLS configuration. Nil means the system's roots. Not used
	// with an HTTPClient that has an *http.Transport.
	TLS *tls.Config

	// DialContext opens connections. Nil means a net.Dialer. Not used with an
	// HTTPClient that has an *http.Transport.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Header holds fields that go out with every request, for example those
	// which a proxy asks for.
	Header http.Header `json:"-"`

	// Inject is called with the headers of every request and every upgrade to
	// the deployment and its apps, and may add to them: a trace's context, for
	// example. A repeated request has another call. It is called by many
	// goroutines. Nil means nothing.
	Inject func(ctx context.Context, h http.Header) `json:"-"`

	// UserAgent is the User-Agent of every request. Empty means "scaletest".
	UserAgent string

	// MaxRetries is how often a call that is safe to repeat is sent again
	// after a lost connection, 502, 503 or 504. 0 means 4, negative means
	// never. Waits for a rate limit are not counted.
	MaxRetries int

	// MaxRateLimitWait is how long one call may wait for rate limits in all.
	// 0 means 5 minutes, negative means that 429 is an error at once.
	MaxRateLimitWait time.Duration

	// OnRateLimit is called for each 429, before the wait. It must not block.
	// Nil means that they are only counted, see [Client.RateLimited].
	OnRateLimit func(RateLimitEvent)

	// Bypass says when the rate-limit bypass header is sent. The zero value
	// is BypassAuto.
	Bypass Bypass

	// PollInterval is the longest pause between two looks at a build, an
	// import or an agent that is waited for. 0 means 2 seconds.
	PollInterval time.Duration
}

const (
	defaultUserAgent        = "scaletest"
	defaultMaxRetries       = 4
	defaultMaxRateLimitWait = 5 * time.Minute
	defaultPollInterval     = 2 * time.Second
)

// Validate reports everything that is wrong with the configuration, joined
// into one error. It never contains the token.
func (c Config) Validate() error {
	var errs []error
	if _, err := parseBase(c.URL); err != nil {
		errs = append(errs, err)
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("coder: Token contains a space or a character that no token has; copy it again"))
	}
	for _, name := range []string{sessionHeader, bypassHeader, "Cookie"} {
		if c.Header.Get(name) != "" {
			errs = append(errs, fmt.Errorf("coder: Header must not set %s, the client does that itself", name))
		}
	}
	if c.Bypass < BypassAuto || c.Bypass > BypassNever {
		errs = append(errs, fmt.Errorf("coder: Bypass is %d, expected BypassAuto, BypassAlways or BypassNever", int(c.Bypass)))
	}
	if c.Bypass == BypassAlways && c.Token == "" {
		errs = append(errs, errors.New("coder: BypassAlways needs a Token, because only an owner's token may bypass rate limits"))
	}
	if c.PollInterval < 0 {
		errs = append(errs, fmt.Errorf("coder: PollInterval is %v, expected 0 or more", c.PollInterval))
	}
	return errors.Join(errs...)
}

// Format keeps the token out of whatever prints a Config.
func (c Config) Format(f fmt.State, _ rune) {
	token := "none"
	if c.Token != "" {
		token = redacted
	}
	_, _ = io.WriteString(f, "coder.Config{URL: "+redactURL(c.URL)+", Token: "+token+"}")
}

// parseBase reads an access URL. Its errors never echo a password.
func parseBase(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("coder: URL is empty, expected the access URL of a deployment, such as https://coder.example.com")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("coder: URL can't be read: %w", err)
	case u.User != nil:
		return nil, errors.New("coder: URL contains a user or password; set Header for a proxy that asks for one")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("coder: URL %q must begin with http:// or https://", redactURL(raw))
	case u.Hostname() == "":
		return nil, fmt.Errorf("coder: URL %q has no host", redactURL(raw))
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("coder: URL %q must not have a query or a fragment", redactURL(raw))
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}
