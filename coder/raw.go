package coder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Get reads any endpoint of the deployment, for those that have no method of
// their own, such as what the dashboard loads. The path begins at the access
// URL and may have a query: "/api/v2/experiments". Into receives the JSON of
// the answer; a *string receives the body as it is, nil drops it.
//
// GET {path}
func (c *Client) Get(ctx context.Context, path string, into any) error {
	action := "read " + redactURL(path)
	segments, query, err := splitPath(path)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return c.get(ctx, action, segments, query, into)
}

// Post sends body as JSON to any endpoint of the deployment. It is sent once
// only, unless the server could not be reached or limits the rate.
//
// POST {path}
func (c *Client) Post(ctx context.Context, path string, body, into any) error {
	action := "post to " + redactURL(path)
	segments, query, err := splitPath(path)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return c.do(ctx, call{action: action, method: http.MethodPost, path: segments, query: query, body: body, out: into})
}

// splitPath takes a path apart. A token in the query would end up in the logs
// of every proxy.
func splitPath(path string) ([]string, url.Values, error) {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") {
		return nil, nil, errors.New("the path must begin with a slash")
	}
	query := u.Query()
	for _, key := range []string{"coder_session_token", "access_token"} {
		if query.Has(key) {
			return nil, nil, errors.New("the query must not hold a token")
		}
	}
	var segments []string
	if strings.Trim(path, "/") == "" {
		return nil, query, nil
	}
	for segment := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return nil, nil, fmt.Errorf("the path can't be read: %w", err)
		}
		segments = append(segments, plain)
	}
	return segments, query, nil
}
