package coder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"time"

	"github.com/coderscale/scaletest/internal/wsconn"
)

// sessionCookie is where a browser keeps the token. The server takes it off
// what it forwards to an app; the header it forwards as it is.
const sessionCookie = "coder_session_token"

// maxRedirects is how many redirects on the same host are followed.
const maxRedirects = 10

// AppOptions configure a way to a workspace app.
type AppOptions struct {
	// TokenHeader sends the token in the header Coder-Session-Token instead of a
	// cookie. The app sees it then: Coder forwards the header, and takes off the
	// cookie only. It is for proxies that take cookies away.
	TokenHeader bool
}

// AppSession is one person's way to one app, in one browser. It keeps the
// cookies that the server sets: the signed app cookie spares it an
// authorization for each request. The token goes to the app's own host only,
// and in a cookie, which Coder does not forward.
type AppSession struct {
	client *Client
	url    *url.URL
	opt    AppOptions
	jar    http.CookieJar
}

// AppSession begins to use the app at u, which [Client.AppURL] gives. It sends
// nothing.
func (c *Client) AppSession(u *url.URL, o AppOptions) *AppSession {
	jar, _ := cookiejar.New(nil) // fails only for options that are not given
	app := *u
	return &AppSession{client: c, url: &app, opt: o, jar: jar}
}

// URL is where the app is.
func (s *AppSession) URL() *url.URL {
	u := *s.url
	return &u
}

// RoundTrip implements [http.RoundTripper] with the session's cookies. To
// other hosts than the app's it sends nothing of them.
func (s *AppSession) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := s.client.SignIn(req.Context()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as a RoundTripper has to
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	for name, values := range s.client.shared.header {
		if _, ok := req.Header[name]; !ok {
			req.Header[name] = values
		}
	}
	if req.URL.Host == s.url.Host && req.URL.Scheme == s.url.Scheme {
		for _, cookie := range s.jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
		s.client.Inject(req.Context(), req.Header)
		s.authorize(req)
	}
	resp, err := s.client.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if cookies := resp.Cookies(); len(cookies) > 0 && req.URL.Host == s.url.Host {
		s.jar.SetCookies(req.URL, cookies)
	}
	return resp, nil
}

func (s *AppSession) authorize(req *http.Request) {
	token := s.client.reveal()
	switch {
	case token == "":
	case s.opt.TokenHeader:
		req.Header.Set(sessionHeader, token)
	default:
		req.AddCookie(&http.Cookie{Name: sessionCookie, Value: token})
	}
}

// HTTPClient makes requests to the app. It follows redirects on the app's own
// host only; another one, such as that to the login page, is returned as it is.
func (s *AppSession) HTTPClient() *http.Client {
	return &http.Client{
		Transport: s,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects || next.URL.Host != s.url.Host || next.URL.Scheme != s.url.Scheme {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// Dial opens a WebSocket to the app. The context bounds the opening only. A
// redirect on the same host is followed, such as the one (307) for a missing
// slash. A refusal is an [Error]; see [IsAgentUnreachable].
//
// GET {app} (WebSocket)
func (s *AppSession) Dial(ctx context.Context) (*AppConn, error) {
	action := "open app " + s.url.Path + " on " + s.url.Host
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	u := s.URL()
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, s.client.at(s.url).transportError(action, err)
		}
		conn, resp, err := wsconn.Dial(ctx, s, req)
		switch {
		case err != nil:
			return nil, s.client.at(s.url).transportError(action, err)
		case resp == nil:
			return &AppConn{conn: conn}, nil
		}
		next := s.redirect(resp)
		if next == nil {
			resp.Request = req
			return nil, s.client.responseError(action, resp)
		}
		_, _ = io.CopyN(io.Discard, resp.Body, drainLimit) // for the next request on this connection
		_ = resp.Body.Close()
		u = next
	}
	return nil, fmt.Errorf("%s: more than %d redirects", action, maxRedirects)
}

// redirect is where an upgrade is sent to, or nil if it is refused.
func (s *AppSession) redirect(resp *http.Response) *url.URL {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default: // 303 leads to the login page
		return nil
	}
	next, err := resp.Location()
	if err != nil || next.Host != s.url.Host || next.Scheme != s.url.Scheme {
		return nil
	}
	return next
}

// AppConn is a WebSocket to an app. It is a stream of binary messages: where
// one ends has no meaning here.
type AppConn struct {
	conn *wsconn.Conn
}

// appMask masks the frames that are made in advance.
const appMask = 0x85ebca6b

// AppendAppFrame appends the frame that sends a binary message to an app.
func AppendAppFrame(dst, message []byte) []byte {
	return wsconn.AppendFrame(dst, wsconn.Binary, appMask, message)
}

// Read gives the payload of what the app sends.
func (c *AppConn) Read(b []byte) (int, error) { return c.conn.Read(b) }

// Write sends b as one message.
func (c *AppConn) Write(b []byte) (int, error) {
	if _, err := c.conn.Write(AppendAppFrame(nil, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SetReadDeadline bounds the next reads.
func (c *AppConn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Stream is the connection for a hot path, which writes what [AppendAppFrame]
// has framed before. Use it or the connection's own Read, not both.
func (c *AppConn) Stream() io.ReadWriter { return c.conn.Stream() }

// Close ends the connection.
func (c *AppConn) Close() error { return c.conn.Close() }

// ThroughProxy returns where an app of the deployment is served by a workspace
// proxy. The proxy's own URL stands for the paths; for subdomains the proxy has
// an app host of its own, which the list of regions tells.
//
// GET /api/v2/regions, for subdomains only
func (c *Client) ThroughProxy(ctx context.Context, proxy *url.URL, w Workspace, a Agent, app App) (*url.URL, error) {
	through := *c
	base, err := parseBase(proxy.String())
	if err != nil {
		return nil, fmt.Errorf("workspace proxy: %w", err)
	}
	through.base = base
	if !app.Subdomain {
		return through.AppURL(w, a, app, "")
	}
	regions, err := c.Regions(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range regions {
		if u, err := url.Parse(r.PathAppURL); err == nil && u.Host == base.Host {
			if r.WildcardHostname == "" {
				return nil, fmt.Errorf("workspace proxy %s has no app host, which the subdomain of app %s needs: set CODER_WILDCARD_ACCESS_URL on the proxy", base.Host, app.Slug)
			}
			return through.AppURL(w, a, app, r.WildcardHostname)
		}
	}
	return nil, errors.New("workspace proxy " + base.Host + " is none of the deployment's regions: want the URL of one of its workspace proxies")
}
