package coder

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// RateLimit is how often a path may be asked for.
type RateLimit struct {
	// PerMinute is the limit. 0 means that there is none, or that it does not
	// apply to this token.
	PerMinute int

	// ByAddress is whether all users of one address share it, as on servers
	// before 2.32. Otherwise each user has their own.
	ByAddress bool
}

// RateLimit finds out which limit the deployment holds this client to, by two
// requests that it counts: where the second leaves no less than the first, the
// header that lifts limits works. Each path has a count of its own, so it says
// nothing about what is left of another.
//
// GET /api/v2/users/me, twice
func (c *Client) RateLimit(ctx context.Context) (RateLimit, error) {
	const action = "read the rate limit"
	info, err := c.BuildInfo(ctx)
	if err != nil {
		return RateLimit{}, err
	}
	var limit, left [2]int
	for i := range left {
		if limit[i], left[i], err = c.countedRequest(ctx, action); err != nil {
			return RateLimit{}, err
		}
	}
	if limit[1] <= 0 || left[1] >= left[0] && left[1] > 0 {
		return RateLimit{}, nil
	}
	return RateLimit{PerMinute: limit[1], ByAddress: !info.Has(FeatureUserRateLimit)}, nil
}

// countedRequest returns the limit and what is left of it.
func (c *Client) countedRequest(ctx context.Context, action string) (limit, left int, err error) {
	u, err := c.resolve(api("users", Me), nil)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", action, err)
	}
	if err := c.SignIn(ctx); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", action, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, 0, c.transportError(action, err)
	}
	c.Inject(ctx, req.Header)
	c.AuthHeader(req.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, 0, c.transportError(action, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, drainLimit) // for the next call on this connection
	_ = resp.Body.Close()
	limit, _ = strconv.Atoi(resp.Header.Get("X-RateLimit-Limit")) // absent means none
	left, _ = strconv.Atoi(resp.Header.Get("X-RateLimit-Remaining"))
	return limit, left, nil
}
