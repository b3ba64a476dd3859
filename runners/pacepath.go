package runners

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// pacePath keeps calls to one path, which all runners of a group share, below
// the limit that the deployment holds this client to. Nil is no limit. It says
// in the result that it does, and what the operator can set.
func pacePath(ctx context.Context, rec *harness.Recorder, c *coder.Client, what string) (*rate.Limiter, error) {
	limit, err := c.RateLimit(ctx)
	if err != nil || limit.PerMinute == 0 {
		return nil, err
	}
	// A server counts in a sliding minute: what the burst and a minute's worth
	// add up to must stay below.
	n := float64(limit.PerMinute)
	l := rate.NewLimiter(rate.Limit(n*0.85/60), max(1, int(n/10)))
	by := "by user and path, and does not let this token past it"
	if limit.ByAddress {
		by = "by address and path, for all users of this machine together"
	}
	rec.Warn(fmt.Sprintf("%s at no more than %.1f/s, because the server takes %d requests a minute %s: set CODER_API_RATE_LIMIT=-1 or CODER_DANGEROUS_DISABLE_RATE_LIMITS=true on the server for faster tests", what, float64(l.Limit()), limit.PerMinute, by))
	return l, nil
}
