package coder

import (
	"context"
	"net/http"
)

// Inject calls Config.Inject for a request that a caller makes itself, as
// [Client.AuthHeader] does for the token. It does nothing if there is none.
func (c *Client) Inject(ctx context.Context, h http.Header) {
	if c.shared.inject != nil {
		c.shared.inject(ctx, h)
	}
}

// Injects reports whether [Client.Inject] does anything: a caller who sends the
// same headers again and again needs a copy of them then.
func (c *Client) Injects() bool { return c.shared.inject != nil }
