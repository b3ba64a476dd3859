package coder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxJSONBody is the largest JSON body that every server takes.
const maxJSONBody = 4 << 20

// drainLimit is how much of an answer nobody wants is read, so that the
// connection can be used again.
const drainLimit = 256 << 10

// call is one request of the control plane.
type call struct {
	action string // what is attempted, for errors: "read user alice"
	method string
	path   []string // segments below the access URL, escaped on use
	query  url.Values

	body        any    // sent as JSON unless nil
	raw         []byte // sent as it is, with contentType
	contentType string

	out        any  // where the JSON of the answer goes; nil drops it
	repeatable bool // sending it twice does no harm
	removes    bool // a repeated call that finds nothing has succeeded
	anonymous  bool // keeps the token at home
	secrets    []string
}

// api is the path of an endpoint under /api/v2.
func api(segments ...string) []string {
	return append([]string{"api", "v2"}, segments...)
}

// get reads JSON. Reading is always safe to repeat.
func (c *Client) get(ctx context.Context, action string, path []string, query url.Values, out any) error {
	return c.do(ctx, call{action: action, method: http.MethodGet, path: path, query: query, out: out, repeatable: true})
}

// resolve makes the URL of a path. A name that is empty or climbs up would
// reach another endpoint, and with DELETE that can be a bad surprise.
func (c *Client) resolve(path []string, query url.Values) (*url.URL, error) {
	escaped := make([]string, len(path))
	for i, segment := range path {
		switch segment {
		case "":
			return nil, errors.New("a name or ID is empty")
		case ".", "..":
			return nil, fmt.Errorf("%q can't be a name", segment)
		}
		escaped[i] = url.PathEscape(segment)
	}
	u := c.join(escaped...)
	u.RawQuery = query.Encode()
	return u, nil
}

// join puts escaped segments behind the access URL. JoinPath alone leaves out
// the first slash when that has no path.
func (c *Client) join(escaped ...string) *url.URL {
	base := *c.base
	if base.Path == "" {
		base.Path = "/"
	}
	return base.JoinPath(escaped...)
}

// do makes a call, with the repeats and waits that are allowed.
func (c *Client) do(ctx context.Context, cl call) error {
	u, err := c.resolve(cl.path, cl.query)
	if err != nil {
		return fmt.Errorf("%s: %w", cl.action, err)
	}
	if cl.body != nil {
		cl.raw, err = json.Marshal(cl.body)
		if err != nil {
			return fmt.Errorf("%s: the request can't be encoded: %w", cl.action, err)
		}
		if len(cl.raw) > maxJSONBody {
			return fmt.Errorf("%s: the request has %d bytes, more than the %d that servers take; send less at once", cl.action, len(cl.raw), maxJSONBody)
		}
		cl.contentType = "application/json"
	}
	if !cl.anonymous {
		if err := c.SignIn(ctx); err != nil {
			return fmt.Errorf("%s: %w", cl.action, err)
		}
	}
	r := c.newRetrier(cl)
	for {
		bypassed, err := c.attempt(ctx, cl, u)
		if err == nil {
			return nil
		}
		if err = r.next(ctx, err, bypassed); err != nil {
			return err
		}
		if r.succeeded {
			return nil
		}
	}
}

// attempt sends the request once. It reports whether the bypass header went
// out with it.
func (c *Client) attempt(ctx context.Context, cl call, u *url.URL) (bypassed bool, err error) {
	var body io.Reader
	if cl.raw != nil {
		body = bytes.NewReader(cl.raw)
	}
	req, err := http.NewRequestWithContext(ctx, cl.method, u.String(), body)
	if err != nil {
		return false, c.transportError(cl.action, err, cl.secrets...)
	}
	maps.Copy(req.Header, c.shared.header.Clone())
	c.Inject(ctx, req.Header)
	req.Header.Set("Accept", "application/json")
	if cl.contentType != "" {
		req.Header.Set("Content-Type", cl.contentType)
	}
	if !cl.anonymous {
		bypassed = c.authorize(req.Header)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return bypassed, c.transportError(cl.action, err, cl.secrets...)
	}
	resp.Request = req // a RoundTripper may leave it out
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return bypassed, c.responseError(cl.action, resp, cl.secrets...)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, drainLimit) // for the next call on this connection
		_ = resp.Body.Close()
	}()
	if resp.StatusCode == http.StatusNoContent {
		return bypassed, nil
	}
	return bypassed, c.decode(cl, resp)
}

// decode reads the JSON of an answer.
func (c *Client) decode(cl call, resp *http.Response) error {
	if text, ok := cl.out.(*string); ok {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return c.transportError(cl.action, err, cl.secrets...)
		}
		*text = string(b)
		return nil
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if cl.out == nil && media != "text/html" {
		return nil
	}
	if media != "" && media != "application/json" && !strings.HasSuffix(media, "+json") {
		e := c.responseError(cl.action, resp, cl.secrets...)
		if e.HTML && e.FromCoder {
			e.hint = "this server does not have the endpoint and answers with the dashboard's page"
		} else if e.FromCoder {
			e.hint = "expected JSON, the answer is " + printable(media, 60)
		}
		return e
	}
	err := json.NewDecoder(resp.Body).Decode(cl.out)
	if err == nil {
		return nil
	}
	if malformed(err) {
		return &Error{
			Action: cl.action, StatusCode: resp.StatusCode, Method: cl.method, Path: resp.Request.URL.Path,
			Message:   "the answer is not what this endpoint gives",
			Detail:    scrub(printable(err.Error(), maxSentence), append(cl.secrets, c.reveal())...),
			FromCoder: resp.Header.Get(buildHeader) != "",
		}
	}
	return c.transportError(cl.action, err, cl.secrets...)
}

// malformed tells bad JSON from a connection that broke.
func malformed(err error) bool {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return true
	}
	return strings.HasPrefix(err.Error(), "invalid UUID") || strings.HasPrefix(err.Error(), "parsing time") ||
		strings.HasPrefix(err.Error(), "Time.UnmarshalJSON")
}
